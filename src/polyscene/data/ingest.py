"""Loading files: rows are read, validated and written in batches, one transaction a file."""

from __future__ import annotations

import gc
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from polyscene.data.known import KnownTargets
from polyscene.data.readers import Batch, open_table
from polyscene.data.report import FileReport, IngestReport, Problem
from polyscene.data.sink import Sink, Writer
from polyscene.data.tags import GivenTag
from polyscene.data.validation import KINDS, Kind, Validator
from polyscene.errors import IngestError
from polyscene.logs import NO_PROGRESS, Progress, get_logger

__all__ = [
    "OnError",
    "Part",
    "Paths",
    "Sink",
    "Writer",
    "ingest",
    "ingest_file",
    "ingest_parts",
    "ingest_records",
]

OnError = Literal["fail", "skip"]
"""What a bad row does: nothing of its file is kept, or it alone is left out."""
Paths = Path | str | Sequence[Path | str] | None
"""One file, several, or none."""

SHOWN_PROBLEMS = 5
"""How many problems the message of an `IngestError` spells out."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of records from a set of files that an importer reads."""

    kind: Kind
    path: Path
    """The file it comes from, for the report."""
    batches: Iterable[Batch]
    """Rows with the columns of that kind."""
    given: Collection[GivenTag] | None = None
    """The tags that users gave, which stand in these rows; None where tags are nobody's own."""


def ingest(
    sink: Sink,
    *,
    items: Paths = None,
    users: Paths = None,
    events: Paths = None,
    relations: Paths = None,
    on_error: OnError = "fail",
    people: Collection[str] | None = None,
    encoding: str = "utf-8",
    progress: Progress = NO_PROGRESS,
    batch_size: int = 10_000,
) -> IngestReport:
    """Load files: items, then users, relations and events, each file in its own transaction.

    Args:
        sink: Where to.
        items: Files of items.
        users: Files of users.
        events: Files of events.
        relations: Files of relations.
        on_error: See `ingest_file`.
        people: See `ingest_file`.
        encoding: Of the text files.
        progress: Where to report progress.
        batch_size: Rows validated and written at a time.

    Raises:
        IngestError: When a file could not be loaded. The files before it are kept.
    """
    report = IngestReport()
    files: tuple[tuple[Kind, Paths], ...] = (
        ("items", items),
        ("users", users),
        ("relations", relations),
        ("events", events),
    )
    for kind, paths in files:
        for path in _paths(paths):
            try:
                done = ingest_file(
                    path, kind, sink, on_error=on_error, people=people, encoding=encoding,
                    progress=progress, batch_size=batch_size,
                )  # fmt: skip
            except IngestError as error:
                error.report.files[:0] = report.files
                raise
            report.files.append(done)
    return report


def _paths(paths: Paths) -> list[Path]:
    if paths is None:
        return []
    return [Path(paths)] if isinstance(paths, Path | str) else [Path(path) for path in paths]


def ingest_file(
    path: Path | str,
    kind: Kind,
    sink: Sink,
    *,
    on_error: OnError = "fail",
    people: Collection[str] | None = None,
    encoding: str = "utf-8",
    progress: Progress = NO_PROGRESS,
    batch_size: int = 10_000,
) -> FileReport:
    """Load one file in one transaction.

    Args:
        path: A CSV, TSV, JSON lines or Parquet file.
        kind: What it holds.
        sink: Where to.
        on_error: "fail" keeps nothing of a file with a bad row; "skip" leaves out the bad rows
            and counts them. A file that cannot be read as a whole fails with either.
        people: The scenarios whose targets are people: only there may the `item_id` of an event
            be the id of a user. None allows it everywhere, which with ids such as 1, 2, 3 can
            take a missing item for a person.
        encoding: Of CSV, TSV and JSON lines.
        progress: Where to report progress.
        batch_size: Rows validated and written at a time.

    Raises:
        IngestError: When nothing of the file was kept; its report lists the problems.
        DataError: When no encoding of that name exists.
    """
    path = Path(path)
    loading = _Loading(path, kind, on_error, people)
    table = open_table(path, encoding=encoding, batch_size=batch_size)
    try:
        if table.columns:
            for problem in loading.validator.check_columns(table.columns):
                loading.refuse(problem)
        if loading.whole:
            loading.run(sink, table.batches, progress, table.total, table.unit)
    finally:
        table.close()
    return loading.finish()


def ingest_records(
    batches: Iterable[Batch],
    kind: Kind,
    sink: Sink,
    *,
    path: Path,
    on_error: OnError = "fail",
    people: Collection[str] | None = None,
    progress: Progress = NO_PROGRESS,
    given: tuple[str, Collection[GivenTag]] | None = None,
) -> FileReport:
    """Load batches of rows, such as an importer makes, in one transaction.

    Args:
        batches: The rows, with the columns of their kind.
        kind: What they are.
        sink: Where to.
        path: The file they come from, for the report.
        on_error: See `ingest_file`.
        people: See `ingest_file`.
        progress: Where to report progress.
        given: An origin and the tags that users gave, to be kept with the rows they stand in.

    Raises:
        IngestError: When nothing was kept; its report lists the problems.
    """
    loading = _Loading(path, kind, on_error, people, given)
    loading.run(sink, batches, progress, None, "bytes")
    return loading.finish()


def ingest_parts(
    parts: Iterable[Part],
    sink: Sink,
    *,
    on_error: OnError = "fail",
    people: Collection[str] | None = None,
    progress: Progress = NO_PROGRESS,
    origin: str = "",
) -> IngestReport:
    """Load what an importer reads, each part in its own transaction.

    Args:
        parts: What `Importer.read` returns.
        sink: Where to.
        on_error: See `ingest_file`.
        people: See `ingest_file`.
        progress: Where to report progress.
        origin: What `Part.given` is kept under: the name of the format.

    Raises:
        IngestError: When a part could not be loaded. The parts before it are kept.
        DataError: When a file that the importer needs is missing or wrong.
    """
    report = IngestReport()
    for part in parts:
        try:
            done = ingest_records(
                part.batches, part.kind, sink, path=part.path, on_error=on_error, people=people,
                progress=progress, given=None if part.given is None else (origin, part.given),
            )  # fmt: skip
        except IngestError as error:
            error.report.files[:0] = report.files
            raise
        report.files.append(done)
    return report


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Leave garbage collection to the caller for a while.

    Rows are millions of objects without cycles. Left alone, the collector takes a quarter of the
    time of an ingest to walk through everything else again and again; a look at the young
    objects after each batch finds the few cycles that there are.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _DiscardError(Exception):
    """Raised inside a transaction to drop it."""


class _Loading:
    """The loading of one file."""

    def __init__(
        self,
        path: Path,
        kind: Kind,
        on_error: OnError,
        people: Collection[str] | None,
        given: tuple[str, Collection[GivenTag]] | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
        if on_error not in ("fail", "skip"):
            raise ValueError(f"on_error is fail or skip, not {on_error!r}")
        self.report = FileReport(path, kind)
        self.validator = Validator(kind, str(path))
        self.whole = True
        """Whether the file as a whole can be read."""
        self._kind = kind
        self._targets = KnownTargets(people, str(path))
        self._given = given
        self._skip = on_error == "skip"
        self._started = time.perf_counter()

    def run(
        self,
        sink: Sink,
        batches: Iterable[Batch],
        progress: Progress,
        total: int | None,
        unit: str,
    ) -> None:
        """Read, validate and write every batch; drop it all if the file must not be kept."""
        label = f"ingest {self.report.path.name}"
        try:
            with (
                _collector_paused(),
                progress.task(label, total, unit) as task,
                sink.write() as writer,
            ):
                if self._given is not None:
                    writer.put_given_tags(*self._given)
                for batch in batches:
                    self._load(batch, writer)
                    task.advance(batch.amount)
                    gc.collect(1)
                if self._failed:
                    raise _DiscardError
        except _DiscardError:
            pass

    def refuse(self, problem: Problem) -> None:
        """Note a problem; one without a row is that of the whole file."""
        self.report.add(problem)
        if problem.row is None:
            self.whole = False

    def finish(self) -> FileReport:
        """The report of a file that was kept.

        Raises:
            IngestError: When it was not.
        """
        report = self.report
        report.notes += self.validator.notes
        report.seconds = time.perf_counter() - self._started
        if self._failed:
            report.loaded = report.repeated = 0
            raise IngestError(_message(report), IngestReport([report]))
        _log.info(
            "%s: %d %s loaded, %d skipped, %d repeated in %.1f s", report.path, report.loaded,
            report.kind, report.skipped, report.repeated, report.seconds,
        )  # fmt: skip
        return report

    @property
    def _failed(self) -> bool:
        return not self.whole or (bool(self.report.problems) and not self._skip)

    def _load(self, batch: Batch, writer: Writer) -> None:
        rows, records, problems = self.validator.records(batch.rows)
        problems += batch.problems
        if self._kind == "events":
            records, unknown = self._targets.kept(rows, records, writer)
            problems += unknown
        for problem in sorted(problems, key=lambda problem: problem.row or 0):
            self.refuse(problem)
        bad = {problem.row for problem in problems} - {None}
        self.report.rows += len(records) + len(bad)
        self.report.skipped += len(bad)
        new = self._write(records, writer) if records else 0
        self.report.loaded += new
        self.report.repeated += len(records) - new

    def _write(self, records: list[Any], writer: Writer) -> int:
        """Write records; returns how many were not there already."""
        if self._kind == "events":
            return writer.add_events(records)
        if self._kind == "relations":
            return writer.put_relations(records)
        if self._kind == "items":
            writer.put_items(records)
        else:
            writer.put_users(records)
        return len(records)


def _message(report: FileReport) -> str:
    count = len(report.problems) + report.more_problems
    lines = [
        f"{report.path}: {count} problem{'s' if count != 1 else ''}; nothing of the file was kept"
    ]
    lines += [f"  {problem}" for problem in report.problems[:SHOWN_PROBLEMS]]
    if count > SHOWN_PROBLEMS:
        lines.append(f"  and {count - SHOWN_PROBLEMS} more")
    return "\n".join(lines)
