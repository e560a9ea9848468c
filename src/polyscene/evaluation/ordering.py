"""How well a system orders what was shown, and what its scores are worth as probabilities.

auc          over all impressions together: also tells busy users from quiet ones
gauc         the AUC within each list, weighted by its impressions; the main metric
ndcg@k, mrr  over the lists that have a success
log_loss     of probabilities by an isotonic curve that was fitted on the other half of the users
information  1 - log_loss / that of the base rate of the other half

Users are the sample of every interval: somebody who is drawn brings all their impressions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import IntArray
from polyscene.evaluation.measures import ACTIVITY, Measured, bins
from polyscene.evaluation.shown import Shown
from polyscene.metrics import probability, ranking
from polyscene.metrics.clustered import auc_interval, ratio_interval
from polyscene.metrics.compare import Interval
from polyscene.metrics.isotonic import cross_fitted

__all__ = ["Impressions", "Part", "activity_parts", "halves", "impressions", "ordering"]

_BINS = 10
"""Bins of the reliability diagram and of the calibration error."""
_UNDEFINED = Interval(mean=float("nan"), low=float("nan"), high=float("nan"), users=0)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Part:
    """The order of what was shown to a part of the users."""

    kind: str
    """By what the part is taken: "user activity"."""
    part: str
    """Which part, such as "5-19"."""
    impressions: int
    """Impressions in it."""
    gauc: dict[str, float]
    """The GAUC of each system; NaN where no list has both successes and others."""


@dataclass(frozen=True, slots=True)
class Impressions:
    """What was shown in a scenario."""

    lists: int
    """Lists of impressions."""
    mixed: int
    """Those with a success and something else: only they can be ordered rightly or wrongly."""
    shown: int
    """Impressions in all lists."""
    left_out: int
    """Impressions besides these of what may not be shown: seen in training, withheld, or not
    available."""
    rate: float
    """Share of successes among the impressions."""
    parts: list[Part]
    """GAUC of the engine and the baselines by what users had done in training."""


def impressions(shown: Shown, left_out: int, parts: list[Part]) -> Impressions:
    """The counts of what was shown."""
    sizes, right = np.bincount(shown.lists), np.bincount(shown.lists, weights=shown.positive)
    return Impressions(
        lists=len(sizes),
        mixed=int(((right > 0) & (right < sizes)).sum()),
        shown=len(shown),
        left_out=left_out,
        rate=float(shown.positive.mean()),
        parts=parts,
    )


def halves(shown: Shown, seed: int) -> npt.NDArray[np.bool_]:
    """Which impressions are those of one random half of the users, shape (n,)."""
    places = np.random.default_rng(seed).permutation(len(shown.users))
    return np.asarray(places[shown.owner] % 2 == 1)


def ordering(
    scores: Floats,
    ranks: IntArray,
    weights: Mapping[str, float],
    shown: Shown,
    half: npt.NDArray[np.bool_],
    k: Sequence[int],
) -> tuple[Measured, Floats]:
    """The metrics of a system, and what each user adds to its GAUC.

    Args:
        scores: The score of each impression, higher is better, shape (n,).
        ranks: Its rank in its list, from 0, shape (n,).
        weights: The weights of its sources.
        shown: What was shown.
        half: Which impressions are in one half of the users, shape (n,).
        k: List lengths of NDCG.

    Returns:
        The metrics; and numbers of shape (users,) whose mean is the GAUC, NaN for users without a
        list that counts.
    """
    users, owners = len(shown.users), _owners(shown)
    found = {"auc": auc_interval(scores, shown.positive, shown.owner)}
    gained, counted = _gauc_sums(scores, shown)
    found["gauc"] = ratio_interval(gained, counted)
    for name, values in _by_list(ranks, shown, k).items():
        able = ~np.isnan(values)
        total = np.bincount(owners[able], weights=values[able], minlength=users)
        found[name] = ratio_interval(total, np.bincount(owners[able], minlength=users))
    chances, base = cross_fitted(scores, shown.positive, half)
    numbers, curve = _calibrated(chances, base, shown, found)
    measured = Measured(
        weights={name: weight for name, weight in weights.items() if weight > 0},
        metrics=found,
        catalogue=numbers,
        curve=curve,
    )
    each = np.where(counted > 0, gained, np.nan)
    return measured, each / counted[counted > 0].mean() if (counted > 0).any() else each


def activity_parts(scores: Mapping[str, Floats], shown: Shown, activity: IntArray) -> list[Part]:
    """The GAUC of systems by what users had done in training.

    Args:
        scores: The score of each impression by system.
        shown: What was shown.
        activity: Targets that each user acted on in training, shape (users,).
    """
    sums = {name: _gauc_sums(own, shown) for name, own in scores.items()}
    counts = np.bincount(shown.owner, minlength=len(shown.users))
    return [
        Part(
            kind,
            part,
            int(counts[mask].sum()),
            {name: _ratio(gained[mask], counted[mask]) for name, (gained, counted) in sums.items()},
        )
        for kind, part, mask in bins("user activity", activity, ACTIVITY)
        if mask.any()
    ]


def _owners(shown: Shown) -> IntArray:
    """Place of the user of each list, shape (lists,)."""
    owners: IntArray = shown.owner[np.unique(shown.lists, return_index=True)[1]]
    return owners


def _gauc_sums(scores: Floats, shown: Shown) -> tuple[Floats, Floats]:
    """By user, over the lists that count: Σ impressions · AUC, and Σ impressions."""
    each, sizes, _ = probability.auc_by_group(scores, shown.positive, shown.lists)
    able, users = ~np.isnan(each), len(shown.users)
    owners = _owners(shown)[able]
    gained = np.bincount(owners, weights=(each * sizes)[able], minlength=users)
    counted = np.bincount(owners, weights=sizes[able], minlength=users)
    return gained.astype(np.float64), counted.astype(np.float64)


def _by_list(ranks: IntArray, shown: Shown, k: Sequence[int]) -> dict[str, Floats]:
    """NDCG and the reciprocal rank of the first success, NaN for lists without one; (lists,)."""
    lists, right = int(shown.lists.max()) + 1, shown.positive
    counts = np.bincount(shown.lists[right], minlength=lists)
    first = np.full(lists, len(shown))
    np.minimum.at(first, shown.lists[right], ranks[right])
    hits = np.zeros((lists, max(k)), np.bool_)
    near = right & (ranks < max(k))
    hits[shown.lists[near], ranks[near]] = True
    found: dict[str, Floats] = {f"ndcg@{n}": ranking.ndcg(hits, counts, n) for n in k}
    return found | {"mrr": np.where(counts > 0, 1 / (first + 1), np.nan)}


def _calibrated(
    chances: Floats, base: Floats, shown: Shown, metrics: dict[str, Interval]
) -> tuple[dict[str, float], list[tuple[float, float]]]:
    """What probabilities are worth: intervals are added to the metrics, the rest is returned."""
    nan = float("nan")
    if np.isnan(chances).any():  # one user alone has no other half
        metrics |= {"log_loss": _UNDEFINED, "information": _UNDEFINED}
        return {"calibration_error": nan, "calibration_ratio": nan, "base_log_loss": nan}, []
    own, other = (
        np.bincount(shown.owner, weights=-np.log(np.where(shown.positive, p, 1 - p)))
        for p in (chances, base)
    )
    metrics["log_loss"] = ratio_interval(own, np.bincount(shown.owner))
    metrics["information"] = ratio_interval(other - own, other)
    plot = probability.reliability(chances, shown.positive, _BINS, "mass")
    used = plot.count > 0
    return {
        "calibration_error": probability.calibration_error(chances, shown.positive, _BINS, "mass"),
        "calibration_ratio": probability.calibration_ratio(chances, shown.positive),
        "base_log_loss": float(other.sum() / len(shown)),
    }, list(zip(plot.predicted[used].tolist(), plot.observed[used].tolist(), strict=True))


def _ratio(parts: Floats, wholes: Floats) -> float:
    return float(parts.sum() / wholes.sum()) if wholes.sum() > 0 else float("nan")
