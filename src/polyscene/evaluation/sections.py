"""What a page shows of one scenario: of lists by rank, or of impressions put in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polyscene.evaluation.audit_page import audit_plots, audit_tables
from polyscene.evaluation.ordering import Impressions
from polyscene.evaluation.plots import LINES, Line, curves
from polyscene.evaluation.run import Report, ScenarioReport
from polyscene.evaluation.systems import ENGINE, OTHER
from polyscene.evaluation.tables import (
    Cell,
    Plot,
    Row,
    Table,
    compared,
    kind_of,
    lost_plot,
    main_plot,
    parts_table,
    sources_table,
    valued,
)
from polyscene.evaluation.words import (
    METRICS,
    SHOWN_METRICS,
    decimal,
    decimals,
    metric_name,
    summary,
)

__all__ = ["Section", "section"]

_ACCURACY = ("ndcg", "recall", "precision", "hit_rate", "mrr", "map")
_LISTS = ("novelty", "diversity", "serendipity")
_CATALOGUE = ("coverage", "gini")
_NUMBERS = ("calibration_error", "calibration_ratio", "base_log_loss")
_ACTIVITY = "Activity is how many targets a user had acted on in training"


@dataclass(frozen=True, slots=True)
class Section:
    """What the page shows of a scenario."""

    scenario: str
    mark: str
    """Begins every id in it."""
    summary: str
    compared: bool
    """Whether the engine with other settings stands beside it."""
    accuracy: Sequence[Table]
    plots: Sequence[Plot]
    sources: Table
    sources_note: str
    lost: Plot | None
    slices: Table | None
    slices_note: str
    tasks: Table | None
    audit: Sequence[Table]
    audit_plots: Sequence[Plot]


def section(report: Report, found: ScenarioReport, mark: str) -> Section:
    """The section of a scenario.

    Args:
        report: The whole report.
        found: The scenario in it.
        mark: Letters that begin every id in it; another for each section of a page.
    """
    table, note = sources_table(report, found)
    main, shown = main_plot(report, found, mark), found.impressions
    if shown is None:
        accuracy, plot = _ranked(report, found), _recall_plot(found, mark)
        parts, told = _found_parts(report, found), f"{_ACTIVITY}, popularity how many users had "
        told += "acted on a target."
    else:
        accuracy, plot = _put_in_order(report, found), _reliability_plot(found, mark)
        parts, told = _shown_parts(shown), f"{_ACTIVITY}."
    return Section(
        scenario=found.scenario,
        mark=mark,
        summary=summary(report, found),
        compared=OTHER in found.systems,
        accuracy=accuracy,
        plots=[main, plot],
        sources=table,
        sources_note=note,
        lost=lost_plot(report, found, mark),
        slices=parts,
        slices_note=told,
        tasks=_tasks(found),
        audit=audit_tables(report, found),
        audit_plots=audit_plots(report, found, mark),
    )


def _ranked(report: Report, found: ScenarioReport) -> list[Table]:
    first, *others = report.k
    return [
        _accuracy(found, first, folded=False),
        *(_accuracy(found, k, folded=True) for k in others),
        _beyond(found, first),
    ]


def _accuracy(found: ScenarioReport, k: int, folded: bool) -> Table:
    rows = []
    for name, system in found.systems.items():
        cells = [valued(system.metrics[f"{metric}@{k}"]) for metric in _ACCURACY]
        if not folded:
            cells[1:1] = compared(found, name)
        rows.append(Row(name, kind_of(name), cells))
    columns = ["system", *(METRICS[metric][0] for metric in _ACCURACY)]
    caption = f"Accuracy in the first {k} ranks, with 95\u00a0% intervals"
    if not folded:
        columns[2:2] = [f"NDCG vs {ENGINE}", "p"]
    return Table(caption, columns, rows, folded)


def _beyond(found: ScenarioReport, k: int) -> Table:
    rows = []
    for name, system in found.systems.items():
        cells = [valued(system.metrics[f"{metric}@{k}"], 3) for metric in _LISTS]
        cells += [Cell(decimal(system.catalogue[f"{metric}@{k}"], 3)) for metric in _CATALOGUE]
        rows.append(Row(name, kind_of(name), cells))
    columns = ("system", *(METRICS[metric][0] for metric in (*_LISTS, *_CATALOGUE)))
    return Table(f"Beyond accuracy, in the first {k} ranks", columns, rows, folded=True)


def _found_parts(report: Report, found: ScenarioReport) -> Table | None:
    parts = [(one.kind, one.part, one.pairs, one.recall) for one in found.slices]
    caption = f"Share of the pairs found in the first {report.k[0]} ranks, by part"
    return parts_table(parts, caption, "pairs")


def _recall_plot(found: ScenarioReport, mark: str) -> Plot:
    lines = _lines(found, ("engine", "baseline", "part"))
    axes, title = ("recall", "precision"), "Precision over recall by system"
    return Plot(
        "Precision over recall, a point for each length of list from 1 to "
        f"{len(found.systems[ENGINE].curve)}.",
        Markup(curves(lines, axes, title, f"{mark}c")),
    )


def _put_in_order(report: Report, found: ScenarioReport) -> list[Table]:
    """The order within lists, and the worth as probabilities."""
    ranked = ("gauc", *(f"ndcg@{k}" for k in report.k), "mrr", "auc")
    first, second = [], []
    for name, system in found.systems.items():
        cells = [valued(system.metrics[metric]) for metric in ranked]
        cells[1:1] = compared(found, name)
        first.append(Row(name, kind_of(name), cells))
        cells = [valued(system.metrics[metric]) for metric in ("information", "log_loss")]
        cells += [Cell(decimal(system.catalogue[number], 4)) for number in _NUMBERS]
        second.append(Row(name, kind_of(name), cells))
    columns = ["system", *(metric_name(metric) for metric in ranked)]
    columns[2:2] = [f"GAUC vs {ENGINE}", "p"]
    names = ("information", "log_loss", *_NUMBERS)
    return [
        Table("Order of what was shown, with 95\u00a0% intervals", columns, first),
        Table(
            "Scores as probabilities, by curves that were fitted on the other half of the users",
            ("system", *(SHOWN_METRICS[name][0] for name in names)),
            second,
        ),
    ]


def _tasks(found: ScenarioReport) -> Table | None:
    """What predicted tasks are worth; None without any."""
    if not found.tasks:
        return None
    rows = []
    for task in found.tasks:
        cells = [Cell(task.model or "–"), Cell(f"{task.pairs:,}")]
        errors = task.rate, task.loss, task.base_loss, task.calibration_error, task.chance_error
        others = task.calibration_ratio, task.auc, task.gauc, task.fused_gauc
        cells += [Cell(decimal(value, decimals(value, 4, 3))) for value in errors]
        cells += [Cell(decimal(value)) for value in others]
        rows.append(Row(task.task, "part", cells))
    columns = (
        "task", "model", "pairs", "rate", "loss", "loss of the rate", "calibration error",
        "by chance alone", "predicted over true", "AUC", "GAUC", "GAUC of the fused score",
    )  # fmt: skip
    what = "what was shown" if found.tasks[0].shown else "every target, for up to a hundred users"
    return Table(f"Predicted tasks, on {what}", columns, rows)


def _shown_parts(shown: Impressions) -> Table | None:
    parts = [(one.kind, one.part, one.impressions, one.gauc) for one in shown.parts]
    return parts_table(parts, "GAUC by part", "impressions")


def _reliability_plot(found: ScenarioReport, mark: str) -> Plot:
    lines = _lines(found, ("engine", "baseline"))
    axes, title = ("probability", "share of successes"), "Reliability of probabilities by system"
    return Plot(
        "Reliability: the share of successes over the probability, in ten bins of equally many "
        "impressions. Points of right probabilities lie on the dashed line, up to chance.",
        Markup(curves(lines, axes, title, f"{mark}c", diagonal=True)),
    )


def _lines(found: ScenarioReport, kinds: Sequence[str]) -> list[Line]:
    """The curves of systems of these kinds, in this order, each curve once."""
    order = sorted(
        (name for name in found.systems if kind_of(name) in kinds),
        key=lambda name: kinds.index(kind_of(name)),
    )
    lines: dict[tuple[tuple[float, float], ...], Line] = {}
    for name in order:
        if curve := tuple(found.systems[name].curve):
            lines.setdefault(curve, Line(name, curve))
    return list(lines.values())[:LINES]
