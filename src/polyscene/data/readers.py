"""Files as streams of rows: CSV, TSV, JSON lines and Parquet, in bounded memory.

A reader does not judge values; it says what is wrong with the form of a file. A problem without
a row number concerns the whole file, and is the last thing that a stream yields.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import polars as pl

from polyscene.data.report import Problem
from polyscene.errors import DataError

__all__ = ["SUFFIXES", "Batch", "Row", "Table", "open_table", "shortened"]

Row = tuple[int, dict[str, Any]]
"""The number of a record, the first being 1, and its values by column; missing ones left out."""

MAX_CELL = 32 * 1024 * 1024
"""Characters of a CSV cell or JSON line, at most; more is a quote that was never closed."""
MAX_BATCH_BYTES = 16 * 1024 * 1024
"""A batch ends when it has read this much, however few its rows."""

_BOMS = {  # UTF-32 first: its mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


@dataclass(slots=True)
class Batch:
    """Some rows of a file, and what was wrong with the form of others."""

    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    amount: int = 0
    """How much was read for it, in the unit of its table."""


@dataclass(slots=True)
class Table:
    """An open file."""

    path: Path
    columns: list[str] | None
    """The columns in order; None where each row names its own (JSON lines)."""
    batches: Iterator[Batch]
    total: int | None
    """How much there is to read."""
    unit: str
    """Of what: "bytes" or "rows"."""
    close: Callable[[], None] = lambda: None
    """Closes the file, for who does not read to the end."""


class _FormError(Exception):
    """Ends the reading of a file; carries what came and what was expected."""

    def __init__(self, value: str, expected: str, column: str | None = None) -> None:
        self.value, self.expected, self.column = value, expected, column

    def at(self, path: Path, row: int | None = None) -> Problem:
        return Problem(str(path), row, self.column, self.value, self.expected)


def shortened(value: Any) -> str:
    """How a value is shown in a report: as Python writes it, in at most 80 characters."""
    if isinstance(value, str | bytes):
        value = value[:80]
    elif isinstance(value, list | tuple):
        value = value[:40]
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def open_table(
    path: Path, *, encoding: str = "utf-8", batch_size: int = 10_000, raw_tsv: bool = False
) -> Table:
    """A file as a stream of batches, by its suffix (see `SUFFIXES`).

    A file that cannot be read at all gives a table of one batch with one problem. Bytes that
    are wrong in the encoding come as lone surrogates, which no record accepts, so that the
    report can name their cell.

    Args:
        path: The file.
        encoding: Of CSV, TSV and JSON lines; a byte order mark of UTF-8 is dropped.
        batch_size: Rows of a batch, at most.
        raw_tsv: Whether it is tab-separated without quotes, whatever its suffix.

    Raises:
        DataError: When no encoding of that name exists.
    """
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise DataError(
            f"unknown encoding {encoding!r}; use a name such as utf-8, gb18030 or latin-1"
        ) from None
    try:
        reader = _read_raw_tsv if raw_tsv else SUFFIXES.get(path.suffix.lower())
        if reader is None:
            raise _FormError(repr(path.suffix), f"a file with a suffix of {', '.join(SUFFIXES)}")
        if not path.is_file():
            what = "a folder" if path.is_dir() else "nothing at that path"
            raise _FormError(what, "a file that exists")
        if path.stat().st_size == 0:
            raise _FormError("an empty file", "at least one record")
        return reader(path, "utf-8-sig" if name == "utf-8" else name, batch_size)
    except _FormError as problem:
        found = problem.at(path)
    except OSError as error:
        found = Problem(str(path), None, None, error.strerror or str(error), "a readable file")
    return Table(path, [], iter([Batch(problems=[found])]), None, "bytes")


def _open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    with path.open("rb") as file:
        start = file.read(4)
    if encoding.startswith("utf-8"):
        for mark, name in _BOMS.items():
            if start.startswith(mark):
                raise _FormError(
                    f"a file in {name}",
                    f"a file in UTF-8; convert it, or name its encoding ({name.lower()})",
                )
    return path.open(encoding=encoding, errors="surrogateescape", newline="")


def _position(file: io.TextIOWrapper) -> Callable[[], int]:
    """What tells how many bytes were read; `tell` of text is slow, and forbidden in a loop."""
    return cast(io.BufferedReader, file.buffer).tell


def _batched(
    path: Path,
    rows: Iterator[tuple[int, dict[str, Any] | _FormError]],
    position: Callable[[], int],
    batch_size: int,
) -> Iterator[Batch]:
    """Collect rows until a batch has `batch_size` of them or has read `MAX_BATCH_BYTES`."""
    batch = Batch()
    start = position()
    try:
        for number, row in rows:
            if isinstance(row, _FormError):
                batch.problems.append(row.at(path, number))
            else:
                batch.rows.append((number, row))
            here = position()
            full = len(batch.rows) + len(batch.problems) >= batch_size
            if full or here - start > MAX_BATCH_BYTES:
                batch.amount = here - start
                yield batch
                batch, start = Batch(), here
    except _FormError as problem:
        batch.problems.append(problem.at(path))
    except UnicodeDecodeError as error:
        came = shortened(error.object[error.start : error.end])
        batch.problems.append(_FormError(came, f"text in {error.encoding}").at(path))
    except OSError as error:
        batch.problems.append(_FormError(str(error), "a file readable to its end").at(path))
    batch.amount = position() - start
    if batch.rows or batch.problems:
        yield batch


def _read_csv(path: Path, encoding: str, batch_size: int) -> Table:
    return _read_delimited(path, encoding, batch_size, ",", csv.QUOTE_MINIMAL)


def _read_tsv(path: Path, encoding: str, batch_size: int) -> Table:
    return _read_delimited(path, encoding, batch_size, "\t", csv.QUOTE_MINIMAL)


def _read_raw_tsv(path: Path, encoding: str, batch_size: int) -> Table:
    return _read_delimited(path, encoding, batch_size, "\t", csv.QUOTE_NONE)


def _read_delimited(
    path: Path, encoding: str, batch_size: int, delimiter: str, quoting: Literal[0, 3]
) -> Table:
    # The limit belongs to the whole process, so it is only ever raised.
    if csv.field_size_limit() < MAX_CELL:
        csv.field_size_limit(MAX_CELL)
    file = _open_text(path, encoding)
    try:
        cells = _records(csv.reader(file, delimiter=delimiter, quoting=quoting, strict=True))
        columns = _header(next(cells, []))
    except UnicodeDecodeError as error:
        file.close()
        raise _FormError("a header in another encoding", f"text in {error.encoding}") from None
    except BaseException:
        file.close()
        raise

    def batches() -> Iterator[Batch]:
        with file:
            yield from _batched(path, _csv_rows(cells, columns), _position(file), batch_size)

    return Table(path, columns, batches(), path.stat().st_size, "bytes", file.close)


def _records(reader: Any) -> Iterator[list[str]]:
    """The records of a CSV file that are not blank lines."""
    try:
        yield from filter(None, reader)
    except csv.Error as error:
        raise _FormError(
            f"{error} (up to line {reader.line_num})",
            "CSV whose quotes are closed and doubled inside a cell",
        ) from None


def _header(cells: list[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    if not any(columns):
        raise _FormError("blank lines", "a header with the names of the columns")
    if "" in columns:
        raise _FormError(
            f"no name for column {columns.index('') + 1}", "a name for every column of the header"
        )
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    if repeated:
        raise _FormError("the same name twice in the header", "each column once", repeated[0])
    return columns


def _csv_rows(
    records: Iterator[list[str]], columns: list[str]
) -> Iterator[tuple[int, dict[str, Any] | _FormError]]:
    width = len(columns)
    number = 0
    for number, cells in enumerate(records, 1):
        if len(cells) != width:
            yield number, _FormError(f"{len(cells)} cells", f"{width} cells, as in the header")
        elif "" in cells:
            yield (
                number,
                {name: cell for name, cell in zip(columns, cells, strict=True) if cell != ""},
            )
        else:
            yield number, dict(zip(columns, cells, strict=True))
    if number == 0:
        raise _FormError("a header and nothing below it", "at least one record")


def _read_jsonl(path: Path, encoding: str, batch_size: int) -> Table:
    file = _open_text(path, encoding)

    def batches() -> Iterator[Batch]:
        with file:
            yield from _batched(path, _json_rows(file), _position(file), batch_size)

    return Table(path, None, batches(), path.stat().st_size, "bytes", file.close)


def _json_rows(file: io.TextIOWrapper) -> Iterator[tuple[int, dict[str, Any] | _FormError]]:
    number = 0
    while line := file.readline(MAX_CELL):
        if len(line) == MAX_CELL:
            raise _FormError(shortened(line), f"lines of fewer than {MAX_CELL} characters")
        if line.isspace():
            continue
        number += 1
        if number == 1 and line.lstrip().startswith("["):
            raise _FormError("a JSON array", "JSON lines: one object in each line, no commas")
        yield number, _json_row(line.strip())
    if number == 0:
        raise _FormError("blank lines", "at least one record")


def _json_row(line: str) -> dict[str, Any] | _FormError:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return _FormError(shortened(line), "a JSON object in one line")
    if not isinstance(row, dict):
        return _FormError(shortened(line), "a JSON object, in {...}")
    if None in row.values():
        return {name: value for name, value in row.items() if value is not None}
    return row


def _read_parquet(path: Path, encoding: str, batch_size: int) -> Table:
    expected = "a whole Parquet file"
    try:
        frame = pl.scan_parquet(path, low_memory=True, glob=False)
        schema = frame.collect_schema()
        total = frame.select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _FormError(_first_line(error), expected) from None
    if total == 0:
        raise _FormError("columns without rows", "at least one record")
    columns = schema.names()
    frame = frame.with_columns(
        [pl.col(name).cast(kind) for name, kind in _plain_types(schema).items()]
    )

    def batches() -> Iterator[Batch]:
        number = 0
        try:
            for part in frame.collect_batches(chunk_size=batch_size, maintain_order=True):
                share = min(1.0, MAX_BATCH_BYTES / max(1, part.estimated_size()))
                for piece in part.iter_slices(max(1, int(min(batch_size, len(part)) * share))):
                    rows = list(enumerate(_dicts(piece), number + 1))
                    number += len(rows)
                    yield Batch(rows, amount=len(rows))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            yield Batch(problems=[_FormError(_first_line(error), expected).at(path)])

    return Table(path, columns, batches(), total, "rows")


def _plain_types(schema: pl.Schema) -> dict[str, type[pl.DataType]]:
    """What to turn the types that no record field knows into."""
    plain: dict[str, type[pl.DataType]] = {}
    for name, kind in schema.items():
        if isinstance(kind, pl.Date | pl.Time | pl.Categorical | pl.Enum):
            plain[name] = pl.String
        elif isinstance(kind, pl.Decimal):
            plain[name] = pl.Float64
    return plain


def _dicts(frame: pl.DataFrame) -> Iterable[dict[str, Any]]:
    rows = frame.to_dicts()
    if any(column.null_count() for column in frame):
        return [{name: value for name, value in row.items() if value is not None} for row in rows]
    return rows


def _first_line(error: BaseException) -> str:
    return shortened(str(error).strip().split("\n", 1)[0].rsplit(": ", 1)[-1])


SUFFIXES: dict[str, Callable[[Path, str, int], Table]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
}
"""The formats by suffix."""
