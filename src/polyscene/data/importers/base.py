"""What importers have in common."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from polyscene.data.ingest import Part
from polyscene.data.readers import Batch, open_table
from polyscene.data.schema import MAX_ID_LENGTH, parse_timestamp
from polyscene.errors import DataError

__all__ = [
    "Importer",
    "detect_encoding",
    "event_id",
    "find_file",
    "mapped",
    "named_only",
    "optional_file",
    "read_batches",
    "read_dicts",
    "seconds",
]


class Importer(ABC):
    """Reads a folder in one format."""

    name: ClassVar[str]
    """Its name for `polyscene ingest --format`."""
    description: ClassVar[str]
    """What it reads, in one line."""

    @abstractmethod
    def read(self, path: Path) -> Iterator[Part]:
        """The parts of a folder, in the order in which they must be loaded.

        Raises:
            DataError: When a file that is needed is missing or wrong.
        """


def optional_file(folder: Path, *names: str) -> Path | None:
    """The first file of the folder that has one of the names; a name may have wildcards.

    Raises:
        DataError: When there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected one with {' or '.join(names)}")
    for name in names:
        found = sorted(path for path in folder.glob(name) if path.is_file())
        if found:
            return found[0]
    return None


def find_file(folder: Path, *names: str) -> Path:
    """As `optional_file`, for a file that must be there.

    Raises:
        DataError: When it is missing; it lists the names.
    """
    found = optional_file(folder, *names)
    if found is None:
        raise DataError(f"{folder}: found no {' or '.join(names)}")
    return found


def detect_encoding(path: Path) -> str:
    """UTF-8 if the whole file is valid in it, otherwise Latin-1, as in older data sets."""
    try:
        with path.open(encoding="utf-8") as file:
            while file.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def read_batches(
    path: Path,
    required: Collection[str] = (),
    *,
    encoding: str = "utf-8",
    raw_tsv: bool = False,
) -> Iterator[Batch]:
    """A file as batches, once it is known to have the columns that are needed.

    Args:
        path: The file.
        required: Columns that must be there.
        encoding: Of the file.
        raw_tsv: Whether it is tab-separated without quotes, whatever its suffix.

    Raises:
        DataError: When a column is missing; it names the columns that are there.
    """
    table = open_table(path, encoding=encoding, raw_tsv=raw_tsv)
    missing = [name for name in required if table.columns and name not in table.columns]
    if missing:
        table.close()
        raise DataError(
            f"{path}: no column {missing[0]!r}; the columns are {', '.join(table.columns or [])}"
        )
    return table.batches


def read_dicts(
    path: Path,
    required: Collection[str] = (),
    *,
    encoding: str = "utf-8",
    raw_tsv: bool = False,
) -> Iterator[dict[str, Any]]:
    """The rows of a file that only serves to complete other records, such as one of tags.

    Raises:
        DataError: At the first thing that is wrong with the file, or when a row lacks a value
            in a required column.
    """
    for batch in read_batches(path, required, encoding=encoding, raw_tsv=raw_tsv):
        if batch.problems:
            raise DataError(str(batch.problems[0]))
        for number, row in batch.rows:
            for name in required:
                if name not in row:
                    raise DataError(f"{path}, row {number}: no value in the column {name}")
            yield row


def mapped(
    batches: Iterable[Batch], change: Callable[[dict[str, Any]], dict[str, Any] | None]
) -> Iterator[Batch]:
    """The batches with each row changed, or left out where `change` returns None."""
    for batch in batches:
        rows = ((number, change(row)) for number, row in batch.rows)
        kept = [(number, row) for number, row in rows if row is not None]
        yield Batch(kept, batch.problems, batch.amount)


def named_only(path: Path, ids: Iterable[str], known: Collection[str]) -> Part:
    """Empty items for ids that only events name, so that the events have a target."""
    missing = dict.fromkeys(name for name in ids if name not in known)
    rows = [(number, {"item_id": name}) for number, name in enumerate(missing, 1)]
    return Part("items", path, [Batch(rows)])


def event_id(*parts: object) -> str:
    """An id made of parts, hashed when it would be too long for one."""
    text = "-".join(str(part) for part in parts)
    if len(text) <= MAX_ID_LENGTH:
        return text
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def seconds(value: Any) -> float | None:
    """A time that only completes other records, as `parse_timestamp`; None where it is none."""
    try:
        return None if value is None else parse_timestamp(value)
    except (ValueError, OverflowError):
        return None
