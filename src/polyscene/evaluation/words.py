"""What a report says in sentences: how it was measured, what was found, what the numbers mean."""

from __future__ import annotations

import math

from polyscene.evaluation.run import Report, ScenarioReport
from polyscene.evaluation.systems import BASELINES, ENGINE
from polyscene.metrics.compare import Comparison

__all__ = [
    "METRICS",
    "PROTOCOL_WORDS",
    "SHOWN_METRICS",
    "decimal",
    "decimals",
    "held_out",
    "judged",
    "metric_name",
    "p_value",
    "percent",
    "span",
    "summary",
    "terms",
]

PROTOCOL_WORDS = {
    "random": "Of the pairs (user, target) of each user, {share} were drawn at random and held "
    "out.",
    "leave-one-out": "The last pair (user, target) of each user was held out: by time, else by "
    "order of arrival.",
    "time": "Everything after a moment was held out, namely the last {share} of the events with a "
    "time. Tested are users who acted before it, on targets that are new to them.",
    "cold-items": "Every event on {share} of the items was held out. These items, of whose use "
    "nothing is known, are ranked among themselves.",
    "cold-users": "Everything that {share} of the users with history in other scenarios did in "
    "this one was held out.",
    "given": "The events to predict come from a file; what the workspace knew of the same pairs "
    "(user, target) was left out.",
    "impressions": "Of what users were shown, {share} was held out: {by}.",
}
"""How each protocol holds events out."""
_BY_WORDS = {
    "latest": "the latest of all, and tested are users who acted before",
    "random": "a random share of each user's pairs (user, target) or, where events name them, of "
    "their requests",
}
_RANKED = (
    "Whole pairs are held out, whether or not they count as a success; only successes are to be "
    "found. All targets that a scenario may show are ranked, but those the user has acted on in "
    "training. Nothing is sampled. With protocol “random” a share of the friendships is held out "
    "too, where people are recommended."
)
_SHOWN = (
    "Of a pair that is held out nothing is learned, success or not. An impression is what a user "
    "did with one target of a list: of one request or, where events name none, of everything of "
    "the user that is held out. Only what was shown is put in order. Left out is what the engine "
    "may not show to that user: what they acted on in training, what is withheld, and what is not "
    "available."
)

METRICS = {
    "ndcg": ("NDCG", "Σ 1 / log₂(rank + 1) over the hits in the first k ranks, divided by what a "
             "perfect list would have. 1 is perfect; early ranks count most."),
    "recall": ("Recall", "The share of what is to be found that stands in the first k ranks."),
    "precision": ("Precision", "The share of the first k ranks that are hits."),
    "hit_rate": ("Hit rate", "The share of users with at least one hit in the first k ranks."),
    "mrr": ("MRR", "1 / rank of the first hit, 0 without a hit in the first k ranks."),
    "map": ("MAP", "The mean of the precision at the rank of each hit, over min(k, what is to be "
            "found)."),
    "novelty": ("Novelty", "The mean of −log₂ of a listed target's share of all use, in bits: "
                "higher is further from what everybody uses."),
    "diversity": ("Diversity", "1 − the mean cosine between the texts of the targets in a list."),
    "serendipity": ("Serendipity", "The share of a list that is a hit and that popularity would "
                    "not have shown."),
    "coverage": ("Coverage", "The share of the ranked targets that somebody is shown."),
    "gini": ("Gini", "Inequality of exposure over the ranked targets: 0 when all are shown alike, "
             "1 when only one is."),
}  # fmt: skip
"""The name and meaning of each metric of lists."""
SHOWN_METRICS = {
    "gauc": ("GAUC", "The chance that a success stands above another impression of its list, ties "
             "half, averaged over lists by their impressions. A random order has 0.5."),
    "ndcg": METRICS["ndcg"],
    "mrr": ("MRR", "1 / rank of the first success in a list."),
    "auc": ("AUC", "The same chance over all impressions together: it also asks which lists are "
            "better, which scores that are scaled within each list cannot tell."),
    "information": ("Information", "1 − the log loss / that of the base rate of the other half: 0 "
                    "when the scores tell nothing, 1 when everything."),
    "log_loss": ("Log loss", "The mean of −ln of the probability of what happened, in nats; lower "
                 "is better."),
    "calibration_error": ("Calibration error", "The mean distance of probability and share of "
                          "successes in ten bins of equally many impressions (ECE)."),
    "calibration_ratio": ("Predicted / observed", "Successes that the probabilities add up to, "
                          "over those that were."),
    "base_log_loss": ("Log loss of the base rate", "That of one probability for all: the share of "
                      "successes in the other half."),
}  # fmt: skip
"""The name and meaning of each metric of impressions; NDCG and MRR over lists with a success."""
_CERTAIN = 0.05


def decimal(value: float, digits: int = 4, sign: bool = False) -> str:
    """A number for people; a dash where it is not defined."""
    if math.isnan(value):
        return "–"
    value = round(value, digits) + 0.0  # never -0
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def decimals(value: float, digits: int, least: int) -> int:
    """How many decimals leave `least` digits of a number other than 0; at least `digits`.

    So the loss of a task that one pair of a thousand has is not rounded to 0.
    """
    if not math.isfinite(value) or value == 0:
        return digits
    return max(digits, least - 1 - math.floor(math.log10(abs(value))))


def span(low: float, high: float, digits: int = 4, sign: bool = False) -> str:
    """An interval for people; nothing where it is not defined."""
    if math.isnan(low) or math.isnan(high):
        return ""
    between = " to " if sign else "–"
    return f"{decimal(low, digits, sign)}{between}{decimal(high, digits, sign)}"


def p_value(value: float) -> str:
    """A p-value for people."""
    if math.isnan(value):
        return "–"
    return "<\u00a00.001" if value < 0.001 else f"{value:.3f}"


def percent(share: float) -> str:
    """A share as whole per cent."""
    return f"{100 * share:.0f}\u00a0%"


def held_out(report: Report) -> str:
    """How events were held out."""
    words, by = PROTOCOL_WORDS[report.protocol], _BY_WORDS.get(report.by or "", "")
    return words.format(share=percent(report.share), by=by)


def judged(report: Report) -> str:
    """What is compared with what was held out."""
    return _RANKED if report.by is None else _SHOWN


def terms(report: Report) -> list[tuple[str, str]]:
    """The names and meanings of the metrics in a report."""
    return list((METRICS if report.by is None else SHOWN_METRICS).values())


def metric_name(metric: str) -> str:
    """How a metric such as "ndcg@10" is written."""
    name, at, k = metric.partition("@")
    return f"{(METRICS | SHOWN_METRICS)[name][0]}{at}{k}"


def summary(report: Report, found: ScenarioReport) -> str:
    """What was done in a scenario and what came of it, in one paragraph."""
    metric = report.main
    main = found.systems[ENGINE].metrics[metric]
    said = [
        held_out(report),
        f"Polyscene learned from {report.train_events:,} events and {_asked(found)}.",
        f"Its {metric_name(metric)} is {decimal(main.mean, 3)}"
        + (f" (95\u00a0% interval {span(main.low, main.high, 3)})." if main.users > 1 else "."),
    ]
    said.append(
        "That is "
        + " and ".join(_gain(name, found.against[name]) for name in reversed(BASELINES))
        + "."
    )
    best = max(found.systems, key=lambda name: _defined(found.systems[name].metrics[metric].mean))
    if best == ENGINE:
        said.append("No system in this report has a higher mean.")
    else:
        said.append(f"The highest mean is that of “{best}”" + _lead(found, best, metric))
    return " ".join(said)


def _asked(found: ScenarioReport) -> str:
    """Who has something to find; users are asked for once, or about each of several contexts."""
    users, shown = _counted(found.users, "user"), found.impressions
    if shown is None:
        if found.questions != found.users:
            who = f"{found.questions:,} questions about something, for {users}. These have"
        else:
            who = f"for {users}, who {'has' if found.users == 1 else 'have'}"
        return (
            f"was then asked {who} {_counted(found.relevant, 'pair')} to find among "
            f"{_counted(found.targets, 'target')}"
        )
    return (
        f"then put in order what {users} {'was' if found.users == 1 else 'were'} shown: "
        f"{_counted(shown.shown, 'impression')} in {_counted(shown.lists, 'list')}, of which "
        f"{percent(shown.rate)} were a success"
    )


def _lead(found: ScenarioReport, best: str, metric: str) -> str:
    """How far the engine stands behind the best system; known already of a baseline."""
    if best in BASELINES:
        return "."
    mean, other = found.systems[best].metrics[metric].mean, found.against[best]
    difference = decimal(other.difference, 3, sign=True)
    return f", {decimal(mean, 3)}; Polyscene stands {difference} to it ({_sure(other)})."


def _gain(name: str, against: Comparison) -> str:
    """How the engine stands to another system."""
    if not against.difference:
        return f"as much as {name} has"
    relative = against.relative
    if math.isnan(relative):
        amount = f"above {name}" if against.difference > 0 else f"below {name}"
    elif relative >= 1:
        amount = f"{1 + relative:.1f} times that of {name}"
    else:
        amount = f"{percent(abs(relative))} {'above' if relative > 0 else 'below'} {name}"
    return f"{amount} ({decimal(against.difference, 3, sign=True)}; {_sure(against)})"


def _sure(against: Comparison) -> str:
    within = span(against.low, against.high, 3, sign=True)
    p = p_value(against.p_value)
    said = f"95\u00a0% interval {within}, " if within else ""
    said += ("p " if p.startswith("<") else "p = ").replace(" ", "\u00a0") + p
    return said if against.p_value < _CERTAIN else f"{said}, which chance alone could give"


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _defined(value: float) -> float:
    return -math.inf if math.isnan(value) else value
