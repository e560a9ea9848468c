"""What a page is made of, and the tables and plots that every section has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polyscene.evaluation.plots import Bar, bars
from polyscene.evaluation.run import Report, ScenarioReport
from polyscene.evaluation.systems import BASELINES, ENGINE
from polyscene.evaluation.words import decimal, metric_name, p_value, span
from polyscene.metrics.compare import Interval

__all__ = [
    "Cell",
    "Plot",
    "Row",
    "Table",
    "compared",
    "kind_of",
    "lost_plot",
    "main_plot",
    "overview",
    "parts_table",
    "sources_table",
    "valued",
]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    text: str
    below: str = ""
    """A second line in small letters."""
    share: float | None = None
    """Length of a bar under the text, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    name: str
    kind: str
    """How it is set: "engine", "baseline", "part", "rest", or "heading" without cells."""
    cells: Sequence[Cell] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption; the first column has the names of the rows."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing with its caption."""

    caption: str
    svg: Markup


def kind_of(system: str) -> str:
    """How a system is set: "engine", "baseline", "part" or "rest"."""
    if system == ENGINE:
        return "engine"
    if system in BASELINES:
        return "baseline"
    return "rest" if system.startswith("without ") else "part"


def valued(value: Interval, digits: int = 4) -> Cell:
    """A mean with its interval below."""
    return Cell(decimal(value.mean, digits), span(value.low, value.high, 3))


def compared(found: ScenarioReport, name: str) -> list[Cell]:
    """How a system stands to the engine by the main metric: difference and p."""
    if name not in found.against:
        return [Cell(""), Cell("")]
    other = found.against[name]
    return [
        _difference(-other.difference, -other.high, -other.low),
        Cell(p_value(other.p_value)),
    ]


def overview(report: Report) -> Table:
    """The main metric of the engine and the baselines in every scenario."""
    rows = []
    for found in report.scenarios:
        cells = [Cell(f"{found.users:,}"), Cell(f"{found.targets:,}")]
        cells += [valued(found.systems[name].metrics[report.main]) for name in (ENGINE, *BASELINES)]
        gain = found.against["popularity"]
        cells += [_difference(gain.difference, gain.low, gain.high), Cell(p_value(gain.p_value))]
        rows.append(Row(found.scenario, "part", cells))
    columns = ("users", "targets", ENGINE, *BASELINES, "gain over popularity", "p")
    caption = f"{metric_name(report.main)} in every scenario"
    return Table(caption, ("scenario", *columns), rows)


def sources_table(report: Report, found: ScenarioReport) -> tuple[Table, str]:
    """The sources with their weights and what each is worth, and how the weights came about."""
    fusion, name_of = found.fusion, metric_name(report.main)
    used, rows = found.systems[ENGINE].weights, []
    for name in sorted(fusion.weights, key=lambda name: -used.get(name, 0.0)):
        alone, without = found.systems.get(f"only {name}"), found.against.get(f"without {name}")
        cells = [
            Cell(f"{used.get(name, 0.0):g}"),
            Cell(decimal(fusion.alone[name]) if name in fusion.alone else "–"),
            Cell(decimal(alone.metrics[report.main].mean) if alone else "–"),
        ]
        if without is None:
            cells += [Cell("–"), Cell("–")]
        else:
            cells.append(_difference(without.difference, without.low, without.high))
            cells.append(Cell(p_value(without.p_value)))
        rows.append(Row(name, "part", cells))
    columns = (
        "source", "weight", "alone, in the fit", f"alone, {name_of}", "lost without it", "p",
    )  # fmt: skip
    if fusion.ndcg is None:
        note = (
            "The weights are as declared, or the usual ones: there was nothing to choose, or "
            "nothing to choose by."
        )
    else:
        note = (
            f"The fit chose the weights on {fusion.users:,} users, parts of whose data it held out "
            f"of what it learned from. There NDCG@10 was {decimal(fusion.ndcg)} for all "
            "sources together, and for each alone as in the table. A source of weight 0 only fills "
            "up lists."
        )
    return Table("Sources: weights, and what each is worth", columns, rows), note


def parts_table(
    parts: Iterable[tuple[str, str, int, Mapping[str, float]]], caption: str, counted: str
) -> Table | None:
    """The engine and the baselines in parts; None where there are no parts.

    Args:
        parts: By what each is taken, its name, how many things are in it, and the value of each
            system.
        caption: Of the table.
        counted: What the things are.
    """
    names, told = (ENGINE, *BASELINES), list(parts)
    known = [values[name] for *_, values in told for name in names if values[name] == values[name]]
    largest = max(known, default=0.0) or 1.0
    rows: list[Row] = []
    last = ""
    for kind, part, count, values in told:
        if kind != last:
            rows.append(Row(kind, "heading"))
            last = kind
        shares = [values[name] / largest for name in names]
        cells = [
            Cell(decimal(values[name], 3), share=share if share == share else 0.0)
            for name, share in zip(names, shares, strict=True)
        ]
        rows.append(Row(part, "part", [Cell(f"{count:,}"), *cells]))
    return Table(caption, ("part", counted, *names), rows) if rows else None


def main_plot(report: Report, found: ScenarioReport, mark: str) -> Plot:
    """The main metric of each system."""
    name_of = metric_name(report.main)
    values = {name: system.metrics[report.main] for name, system in found.systems.items()}
    rows = [Bar(name, one.mean, one.low, one.high, kind_of(name)) for name, one in values.items()]
    return Plot(
        f"{name_of} of each system; the lines are 95\u00a0% intervals.",
        Markup(bars(rows, name_of, f"{name_of} by system", f"{mark}n")),
    )


def lost_plot(report: Report, found: ScenarioReport, mark: str) -> Plot | None:
    """What is lost without each source; None without an ablation."""
    rows = [
        Bar(name.removeprefix("without "), one.difference, one.low, one.high, "engine")
        for name, one in found.against.items()
        if name.startswith("without ")
    ]
    if not rows:
        return None
    rows.sort(key=lambda bar: -bar.value)
    name_of = metric_name(report.main)
    return Plot(
        f"Ablation: {name_of} lost when one source is left out and the other weights stay; "
        "the lines are 95\u00a0% intervals.",
        Markup(bars(rows, f"{name_of} lost", f"{name_of} lost without each source", f"{mark}l")),
    )


def _difference(value: float, low: float, high: float) -> Cell:
    return Cell(decimal(value, sign=True), span(low, high, 3, sign=True))
