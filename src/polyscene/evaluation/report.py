"""The report as files: JSON for programs, one page of HTML for people."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from polyscene.errors import DataError
from polyscene.evaluation.plots import LINES, Bar, Line, bars, curves, need_matplotlib
from polyscene.evaluation.run import Report, ScenarioReport
from polyscene.evaluation.systems import BASELINES, ENGINE
from polyscene.evaluation.words import (
    METRICS,
    PROTOCOL_WORDS,
    decimal,
    p_value,
    percent,
    span,
    summary,
)

__all__ = ["check_report", "write_html", "write_json"]

_ACCURACY = ("ndcg", "recall", "precision", "hit_rate", "mrr", "map")
_LISTS = ("novelty", "diversity", "serendipity")
_CATALOGUE = ("coverage", "gini")


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    below: str = ""
    """A second line in small letters."""
    share: float | None = None
    """Length of a bar under the text, 0 to 1."""


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    kind: str
    """How it is set: "engine", "baseline", "part", "rest", or "heading" without cells."""
    cells: Sequence[_Cell] = ()


@dataclass(frozen=True, slots=True)
class _Table:
    caption: str
    columns: Sequence[str]
    rows: Sequence[_Row]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class _Plot:
    caption: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class _Section:
    """What the page shows of a scenario."""

    scenario: str
    mark: str
    summary: str
    accuracy: Sequence[_Table]
    plots: Sequence[_Plot]
    sources: _Table
    sources_note: str
    lost: _Plot | None
    slices: _Table | None


def check_report(json: Path | None = None, html: Path | None = None) -> None:
    """Check, before the long work, that a report can be written to these files.

    Raises:
        DataError: When there is no folder, or no right to write.
        MissingExtraError: When the page needs matplotlib, and it is not installed.
    """
    for path in (json, html):
        if path is not None:
            _check_writable(path)
    if html is not None:
        need_matplotlib()


def write_json(report: Report, path: Path) -> None:
    """Write a report as JSON. The file appears when it is whole.

    Raises:
        DataError: When the file cannot be written.
    """
    _write(path, report.to_json())


def write_html(report: Report, path: Path) -> None:
    """Write a report as one self-contained page. The file appears when it is whole.

    Raises:
        DataError: When the file cannot be written.
        MissingExtraError: When matplotlib is not installed.
    """
    need_matplotlib()
    pages = Environment(
        loader=PackageLoader("polyscene.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [_section(report, found, f"s{n}") for n, found in enumerate(report.scenarios, 1)]
    text = pages.get_template("report.html").render(
        report=report,
        sections=sections,
        overview=_overview(report) if len(sections) > 1 else None,
        protocol=PROTOCOL_WORDS[report.protocol].format(share=percent(report.share)),
        metrics=list(METRICS.values()),
        lines=range(LINES),
    )
    _write(path, text)


def _section(report: Report, found: ScenarioReport, mark: str) -> _Section:
    first, engine = report.k[0], found.systems[ENGINE]
    table, note = _sources(report, found)
    return _Section(
        scenario=found.scenario,
        mark=mark,
        summary=summary(report, found),
        accuracy=[
            _accuracy(found, first, folded=False),
            *(_accuracy(found, k, folded=True) for k in report.k[1:]),
            _beyond(found, first),
        ],
        plots=[
            _ndcg_plot(found, first, mark),
            _Plot(
                f"Precision over recall, a point for each length of list from 1 to "
                f"{len(engine.curve)}.",
                Markup(curves(_lines(found), "Precision over recall by system", f"{mark}c")),
            ),
        ],
        sources=table,
        sources_note=note,
        lost=_lost_plot(found, first, mark),
        slices=_slices(report, found),
    )


def _kind(system: str) -> str:
    if system == ENGINE:
        return "engine"
    if system in BASELINES:
        return "baseline"
    return "rest" if system.startswith("without ") else "part"


def _overview(report: Report) -> _Table:
    metric, rows = f"ndcg@{report.k[0]}", []
    for found in report.scenarios:
        cells = [_Cell(f"{found.users:,}"), _Cell(f"{found.targets:,}")]
        for name in (ENGINE, *BASELINES):
            value = found.systems[name].metrics[metric]
            cells.append(_Cell(decimal(value.mean), span(value.low, value.high, 3)))
        gain = found.against["popularity"]
        cells += [_difference(gain.difference, gain.low, gain.high), _Cell(p_value(gain.p_value))]
        rows.append(_Row(found.scenario, "part", cells))
    columns = ("users", "targets", ENGINE, *BASELINES, "gain over popularity", "p")
    return _Table(f"NDCG@{report.k[0]} in every scenario", ("scenario", *columns), rows)


def _accuracy(found: ScenarioReport, k: int, folded: bool) -> _Table:
    rows = []
    for name, system in found.systems.items():
        values = [system.metrics[f"{metric}@{k}"] for metric in _ACCURACY]
        cells = [_Cell(decimal(one.mean), span(one.low, one.high, 3)) for one in values]
        if not folded:
            cells[1:1] = _compared(found, name)
        rows.append(_Row(name, _kind(name), cells))
    columns = ["system", *(METRICS[metric][0] for metric in _ACCURACY)]
    caption = f"Accuracy in the first {k} ranks, with 95\u00a0% intervals"
    if not folded:
        columns[2:2] = [f"NDCG vs {ENGINE}", "p"]
    return _Table(caption, columns, rows, folded)


def _compared(found: ScenarioReport, name: str) -> list[_Cell]:
    """How a system stands to the engine: difference and p."""
    if name not in found.against:
        return [_Cell(""), _Cell("")]
    other = found.against[name]
    difference = _difference(-other.difference, -other.high, -other.low)
    return [difference, _Cell(p_value(other.p_value))]


def _beyond(found: ScenarioReport, k: int) -> _Table:
    rows = []
    for name, system in found.systems.items():
        cells = [
            _Cell(decimal(value.mean, 3), span(value.low, value.high, 3))
            for value in (system.metrics[f"{metric}@{k}"] for metric in _LISTS)
        ]
        cells += [_Cell(decimal(system.catalogue[f"{metric}@{k}"], 3)) for metric in _CATALOGUE]
        rows.append(_Row(name, _kind(name), cells))
    columns = ("system", *(METRICS[metric][0] for metric in (*_LISTS, *_CATALOGUE)))
    return _Table(f"Beyond accuracy, in the first {k} ranks", columns, rows, folded=True)


def _sources(report: Report, found: ScenarioReport) -> tuple[_Table, str]:
    """The sources with their weights and what each is worth, and how the weights came about."""
    fusion, first = found.fusion, report.k[0]
    used, rows = found.systems[ENGINE].weights, []
    for name in sorted(fusion.weights, key=lambda name: -used.get(name, 0.0)):
        alone, without = found.systems.get(f"only {name}"), found.against.get(f"without {name}")
        rows.append(
            _Row(
                name,
                "part",
                [
                    _Cell(f"{used.get(name, 0.0):g}"),
                    _Cell(decimal(fusion.alone[name]) if name in fusion.alone else "–"),
                    _Cell(decimal(alone.metrics[f"ndcg@{first}"].mean) if alone else "–"),
                    _Cell("–")
                    if without is None
                    else _difference(without.difference, without.low, without.high),
                    _Cell("–" if without is None else p_value(without.p_value)),
                ],
            )
        )
    columns = (
        "source", "weight", "alone, in the fit", f"alone, NDCG@{first}", "lost without it", "p",
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
    return _Table("Sources: weights, and what each is worth", columns, rows), note


def _slices(report: Report, found: ScenarioReport) -> _Table | None:
    if not found.slices:
        return None
    names = (ENGINE, *BASELINES)
    largest = max((one.recall[name] for one in found.slices for name in names), default=0.0)
    rows, kind = [], ""
    for one in found.slices:
        if one.kind != kind:
            kind = one.kind
            rows.append(_Row(kind, "heading"))
        cells = [_Cell(f"{one.pairs:,}")]
        cells += [
            _Cell(decimal(one.recall[name], 3), share=one.recall[name] / (largest or 1.0))
            for name in names
        ]
        rows.append(_Row(one.part, "part", cells))
    caption = f"Share of the pairs found in the first {report.k[0]} ranks, by part"
    return _Table(caption, ("part", "pairs", *names), rows)


def _ndcg_plot(found: ScenarioReport, k: int, mark: str) -> _Plot:
    values = {name: system.metrics[f"ndcg@{k}"] for name, system in found.systems.items()}
    rows = [Bar(name, one.mean, one.low, one.high, _kind(name)) for name, one in values.items()]
    return _Plot(
        f"NDCG@{k} of each system; the lines are 95\u00a0% intervals.",
        Markup(bars(rows, f"NDCG@{k}", f"NDCG@{k} by system", f"{mark}n")),
    )


def _lost_plot(found: ScenarioReport, k: int, mark: str) -> _Plot | None:
    rows = [
        Bar(name.removeprefix("without "), one.difference, one.low, one.high, "engine")
        for name, one in found.against.items()
        if name.startswith("without ")
    ]
    if not rows:
        return None
    rows.sort(key=lambda bar: -bar.value)
    return _Plot(
        f"Ablation: NDCG@{k} lost when one source is left out and the other weights stay; "
        "the lines are 95\u00a0% intervals.",
        Markup(bars(rows, f"NDCG@{k} lost", f"NDCG@{k} lost without each source", f"{mark}l")),
    )


def _lines(found: ScenarioReport) -> list[Line]:
    """The curves of the engine, the baselines and single sources, each curve once."""
    kinds = ("engine", "baseline", "part", "rest")
    order = sorted(found.systems, key=lambda name: kinds.index(_kind(name)))
    lines: dict[tuple[tuple[float, float], ...], Line] = {}
    for name in order:
        curve = tuple(found.systems[name].curve)
        if _kind(name) != "rest":
            lines.setdefault(curve, Line(name, curve))
    return list(lines.values())[:LINES]


def _difference(value: float, low: float, high: float) -> _Cell:
    return _Cell(decimal(value, sign=True), span(low, high, 3, sign=True))


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _is_stream(path: Path) -> bool:
    """Whether it is there and cannot be replaced: a device, a pipe, a link."""
    return path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir())


def _check_writable(path: Path) -> None:
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not _is_stream(path):
            _beside(path).touch()
            _beside(path).unlink()
    except OSError as error:
        raise _cannot(path, error) from error


def _write(path: Path, text: str) -> None:
    beside = _beside(path)
    try:
        if _is_stream(path):
            path.write_text(text, encoding="utf-8")
            return
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):  # it is there only when writing failed half-way
            beside.unlink()
        raise _cannot(path, error) from error


def _cannot(path: Path, error: OSError) -> DataError:
    return DataError(f"cannot write {path}: {error.strerror or error}")
