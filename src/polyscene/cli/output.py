"""What the commands print: tables, reports, progress bars, errors."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.progress import Task as RichTask
from rich.table import Table
from rich.text import Text

from polyscene.data.report import FileReport, IngestReport
from polyscene.engine import Answer, Engine
from polyscene.engine.names import unknown_names
from polyscene.logs import NO_PROGRESS, Progress, Task
from polyscene.metrics.bands import LEAST, Band

__all__ = [
    "Bars",
    "answer_table",
    "bands_table",
    "console",
    "error_console",
    "print_json",
    "print_report",
    "print_unknown",
    "progress_bars",
    "results_table",
    "score_text",
]  # fmt: skip

console = Console(highlight=False, soft_wrap=True)
error_console = Console(stderr=True, highlight=False, soft_wrap=True)


class _Rate(TextColumn):
    """Units a second of a task, or seconds a unit, by its own average."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: RichTask) -> Text:
        """The rate of one task."""
        speed = task.finished_speed or task.speed
        if speed is None:
            return Text("")
        unit = str(task.fields["unit"])
        if unit == "bytes":
            return Text(f"{decimal(int(speed))}/s", style="progress.data.speed")
        if 0 < speed < 1:
            return Text(f"{1 / speed:,.1f} s each", style="progress.data.speed")
        return Text(f"{speed:,.0f} {unit}/s", style="progress.data.speed")


class _BarTask:
    def __init__(self, bars: RichProgress, label: str, total: int | None, unit: str) -> None:
        self._bars = bars
        self._id = bars.add_task(label, total=total, unit=unit)

    def advance(self, amount: int = 1) -> None:
        self._bars.advance(self._id, amount)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()


class Bars:
    """Progress as bars with rate and time left, one after the other."""

    def task(self, label: str, total: int | None, unit: str) -> Task:
        """See `polyscene.logs.Progress`."""
        bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            *([MofNCompleteColumn()] if unit != "bytes" else []),
            _Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=error_console,
        )
        return _BarTask(bars, label, total, unit)


def progress_bars() -> Progress:
    """Bars where a person watches, silence where the error stream is a file or a pipe."""
    return Bars() if error_console.is_terminal else NO_PROGRESS


def print_json(data: Any, indent: int | None = 2) -> None:
    """Print plain values as one JSON document, escaped where the stream is not UTF-8."""
    escaped = not (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    sys.stdout.write(json.dumps(data, ensure_ascii=escaped, indent=indent) + "\n")


def print_report(report: IngestReport) -> None:
    """Print what came of each file, and what was wrong with it."""
    for file in report.files:
        print_file_report(file)


def print_file_report(file: FileReport) -> None:
    """Print what came of one file."""
    rate = file.loaded / file.seconds if file.seconds > 0 else 0
    extra = f", {file.repeated:,} already there" if file.repeated else ""
    extra += f", {file.skipped:,} skipped" if file.skipped else ""
    console.print(
        f"{file.path.name}: {file.loaded:,} {file.kind} loaded{extra} "
        f"in {file.seconds:.1f} s ({rate:,.0f}/s)",
        markup=False,
    )
    for note in file.notes:
        console.print(f"  note: {note}", markup=False)
    for problem in file.problems[:10]:
        console.print(f"  skipped: {problem}", markup=False)
    rest = len(file.problems[10:]) + file.more_problems
    if rest:
        console.print(f"  ... and {rest:,} more problems", markup=False)


def answer_table(answer: Answer, title: str | None = None) -> Table:
    """One answer as a table: rank, title, score, why."""
    table = Table(title=title, title_justify="left", title_style="bold", expand=False)
    table.add_column("#", justify="right")
    table.add_column("id", no_wrap=True)
    table.add_column("title", max_width=44, overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("why", max_width=64, overflow="fold")
    for item in answer.items:
        table.add_row(
            str(item.rank), Text(item.item_id), Text(item.title), score_text(item.score),
            Text(item.reason),
        )  # fmt: skip
    return table


def score_text(value: float, sign: str = "") -> str:
    """A score with three decimals, or with two digits where these would be lost: 8.5e-05.

    Args:
        value: The score.
        sign: "+" to write it before positive numbers too.
    """
    return f"{value:{sign}{'.3f' if value == 0 or abs(value) >= 0.001 else '.2g'}}"


def print_unknown(engine: Engine, scenarios: Collection[str] | None = None) -> None:
    """Notes of names in declarations that mean nothing, on the error stream."""
    for scenario, text in unknown_names(engine, scenarios):
        error_console.print(f"note: {scenario}: {text}", markup=False, highlight=False)


def results_table(rows: Iterable[Sequence[str]], columns: Sequence[str]) -> Table:
    """Plain rows under column names."""
    table = Table()
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def bands_table(bands: Sequence[Band]) -> Table:
    """What a method was worth by the length of the history, and where it is on."""
    rows = [
        (
            _lengths(band),
            f"{band.users}",
            f"{band.before:.3f}" if band.users else "",
            f"{band.after:.3f}" if band.users else "",
            f"{band.low:+.3f} to {band.high:+.3f}" if band.users >= LEAST else "too few users",
            "on" if band.gains else "off",
        )
        for band in bands
    ]
    return results_table(rows, ("history", "users", "before", "after", "95 %", "it is"))


def _lengths(band: Band) -> str:
    if band.most == band.least:
        return f"{band.least}"
    return f"{band.least}+" if band.most > 1000 else f"{band.least} to {band.most}"


class Timer:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def __str__(self) -> str:
        return f"{time.perf_counter() - self._start:.1f} s"
