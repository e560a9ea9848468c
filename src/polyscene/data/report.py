"""What came of loading files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["MAX_PROBLEMS", "FileReport", "IngestReport", "Problem"]

MAX_PROBLEMS = 100
"""How many problems of one file are kept; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file."""

    file: str
    row: int | None
    """Number of the record, the first after a header being 1; None for the file as a whole."""
    column: str | None
    value: str
    """What came, shortened to 80 characters."""
    expected: str

    def __str__(self) -> str:
        place = [self.file]
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.column is not None:
            place.append(f"column {self.column}")
        return f"{', '.join(place)}: got {self.value}; expected {self.expected}"


@dataclass(slots=True)
class FileReport:
    """What came of one file."""

    path: Path
    kind: str
    """items, users, events or relations."""
    rows: int = 0
    loaded: int = 0
    skipped: int = 0
    repeated: int = 0
    """Events that were there already by their event_id."""
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)
    more_problems: int = 0
    """Problems beyond the first `MAX_PROBLEMS`."""
    notes: list[str] = field(default_factory=list)
    """Things worth knowing that are not errors."""

    def add(self, problem: Problem) -> None:
        """Keep a problem, or count it when there are many."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        else:
            self.more_problems += 1


@dataclass(slots=True)
class IngestReport:
    """What came of all files of one ingest, in order."""

    files: list[FileReport] = field(default_factory=list)

    @property
    def loaded(self) -> int:
        """Records loaded from all files."""
        return sum(file.loaded for file in self.files)

    @property
    def skipped(self) -> int:
        """Records left out of all files."""
        return sum(file.skipped for file in self.files)
