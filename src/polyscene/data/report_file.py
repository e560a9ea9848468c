"""How loading files goes, in a JSON file that others may read meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from polyscene.data.report import FileReport
from polyscene.errors import DataError
from polyscene.logs import NO_PROGRESS, Progress, Task

__all__ = ["ReportFile"]

_EVERY_S = 0.5
"""Seconds between two writes of a running task."""


class ReportFile:
    """Progress that is written to a file, and in the end what came of it.

    The file has `state` (running, done, failed), `label`, `done` and `total` of the task under way
    in `unit`, `message`, and `files`: a `FileReport` each. It is replaced as a whole.

    Args:
        path: The file.
        progress: Where progress is told besides.
    """

    def __init__(self, path: Path, progress: Progress = NO_PROGRESS) -> None:
        self._path = path
        self._progress = progress
        self._content: dict[str, Any] = {
            "state": "running", "label": "", "done": 0, "total": None, "unit": "",
            "message": "", "files": [],
        }  # fmt: skip
        self._written = 0.0
        self._write()

    def task(self, label: str, total: int | None, unit: str) -> Task:
        """See `Progress`."""
        self._content |= {"label": label, "done": 0, "total": total, "unit": unit}
        self._write()
        return _Told(self, self._progress.task(label, total, unit))

    def advance(self, amount: int) -> None:
        """Note that more of the task is done."""
        self._content["done"] += amount
        if time.monotonic() - self._written > _EVERY_S:
            self._write()

    def finish(self, files: Sequence[FileReport], message: str = "") -> None:
        """Write what came of it.

        Args:
            files: What came of each file.
            message: Why it failed; "" where it did not.
        """
        reports = [asdict(file) | {"path": str(file.path)} for file in files]
        state = "failed" if message else "done"
        self._content |= {"state": state, "message": message, "files": reports}
        self._write()

    def _write(self) -> None:
        beside = self._path.with_name(f".{self._path.name}.partial")
        try:
            beside.write_text(json.dumps(self._content), "utf-8")
            beside.replace(self._path)
        except OSError as error:
            raise DataError(f"cannot write {self._path}: {error.strerror or error}") from error
        self._written = time.monotonic()


class _Told:
    """A task that is told to two."""

    def __init__(self, file: ReportFile, other: Task) -> None:
        self._file = file
        self._other = other

    def advance(self, amount: int = 1) -> None:
        self._file.advance(amount)
        self._other.advance(amount)

    def __enter__(self) -> Self:
        self._other.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._other.__exit__(kind, error, trace)
