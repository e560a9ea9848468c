"""Lists for many users: ids in from a file, results out to a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
from pydantic_core import to_json

from polyscene.data.readers import SUFFIXES, open_table
from polyscene.engine.answer import Answer
from polyscene.errors import DataError
from polyscene.logs import Task

__all__ = [
    "RESULT_FORMATS",
    "counted",
    "read_id_lines",
    "read_ids",
    "read_questions",
    "write_results",
]

RESULT_FORMATS = (".parquet", ".jsonl", ".csv")
"""Suffixes of files that results can be written to."""
_SCHEMA: dict[str, Any] = {
    "user_id": pl.String,
    "scenario": pl.String,
    "rank": pl.Int64,
    "item_id": pl.String,
    "score": pl.Float64,
    "sources": pl.String,
    "reason": pl.String,
    "context": pl.String,
    "propensity": pl.Float64,
}


def read_ids(path: Path, column: str) -> list[str]:
    """The distinct ids of one column of a CSV, JSON lines or Parquet file, in order.

    Raises:
        DataError: When the file cannot be read, lacks the column, or a row has no id.
    """
    return list(dict.fromkeys(str(row[column]) for row in _rows(path, column)))


def read_questions(path: Path) -> list[tuple[str, str | None]]:
    """The distinct pairs of the columns `user_id` and, where it has one, `context`, in order.

    Raises:
        DataError: When the file cannot be read, lacks the column `user_id`, or a row has no user.
    """
    pairs = ((str(row["user_id"]), row.get("context")) for row in _rows(path, "user_id"))
    return list(dict.fromkeys((u, None if c in (None, "") else str(c)) for u, c in pairs))


def _rows(path: Path, column: str) -> Iterator[dict[str, Any]]:
    """The rows of a file, each with an id in one column."""
    table = open_table(path)
    try:
        if table.columns and column not in table.columns:
            found = ", ".join(table.columns)
            raise DataError(f"{path}: no column {column!r}; it has: {found}")
        for batch in table.batches:
            if batch.problems:
                raise DataError(str(batch.problems[0]))
            for number, row in batch.rows:
                if row.get(column) in (None, ""):
                    raise DataError(f"{path}, row {number}: no {column}")
                yield row
    finally:
        table.close()


def read_id_lines(path: Path, column: str) -> list[str]:
    """The distinct ids of a text file with one a line, or of a column as `read_ids` reads it.

    Raises:
        DataError: When the file cannot be read or has no id, or as for `read_ids`.
    """
    if path.suffix.lower() in SUFFIXES:
        return read_ids(path, column)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text in UTF-8, one id a line") from error
    ids = dict.fromkeys(line.strip() for line in lines if line.strip())
    if not ids:
        raise DataError(f"{path}: no id; expected one a line")
    return list(ids)


def write_results(answers: Iterable[Answer], path: Path) -> int:
    """Write answers in the results format; returns the number of rows.

    `sources` is a JSON object in CSV and Parquet. The file appears when it is whole.

    Raises:
        DataError: When the suffix is none of `RESULT_FORMATS`, or the file cannot be written.
    """
    if path.suffix not in RESULT_FORMATS:
        raise DataError(f"cannot write {path}: allowed are {', '.join(RESULT_FORMATS)}")
    beside = path.with_name(f".{path.name}.partial")
    try:
        count = _write(answers, beside, path.suffix)
        beside.replace(path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # it is there only when writing failed half-way
            beside.unlink()
    return count


def counted(answers: Iterable[Answer], task: Task) -> Iterator[Answer]:
    """The same answers, each reported to a task as it passes."""
    for answer in answers:
        yield answer
        task.advance()


def _write(answers: Iterable[Answer], path: Path, suffix: str) -> int:
    if suffix == ".jsonl":
        count = 0
        with path.open("w", encoding="utf-8") as file:
            for answer in answers:
                for row in answer.rows():
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    count += 1
        return count
    with path.open("wb") as file:  # a path that cannot be written fails before the work
        columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA}
        for answer in answers:
            for name, values in answer.columns().items():
                columns[name] += values
        columns["sources"] = [to_json(one).decode() for one in columns["sources"]]
        frame = pl.DataFrame(columns, schema=_SCHEMA)
        if suffix == ".csv":
            frame.write_csv(file)
        else:
            frame.write_parquet(file)
    return len(frame)
