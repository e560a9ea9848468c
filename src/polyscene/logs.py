"""Logging and progress. The library logs and reports progress here; it never prints.

A caller that wants to see progress passes a `Progress`; the command line passes one that draws
bars, and `NO_PROGRESS` is silent.
"""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Protocol, Self

__all__ = ["NO_PROGRESS", "Progress", "Task", "get_logger"]


def get_logger(name: str) -> logging.Logger:
    """The logger of a module; handlers are the application's business."""
    return logging.getLogger(name)


class Task(Protocol):
    """One running piece of work with a known or unknown total. Use it as a context manager."""

    def advance(self, amount: int = 1) -> None:
        """Say that `amount` more units are done."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Progress(Protocol):
    """Where long work reports how far it is."""

    def task(self, label: str, total: int | None, unit: str) -> Task:
        """Start a task.

        Args:
            label: What is being done, such as "encode items".
            total: How many units there are, or None when unknown.
            unit: The name of a unit, such as "texts" or "bytes".
        """


class _SilentTask:
    def advance(self, amount: int = 1) -> None:
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class _SilentProgress:
    def task(self, label: str, total: int | None, unit: str) -> Task:
        return _SilentTask()


NO_PROGRESS: Progress = _SilentProgress()
"""Reports nothing."""
