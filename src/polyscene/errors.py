"""The error tree. Every error that Polyscene raises on purpose is one of these.

    PolysceneError
    ├── SettingsError          polyscene.toml or a component's options are wrong
    ├── WorkspaceError         the workspace is missing, unreadable or locked
    ├── DataError              a record or a file is wrong
    │   └── IngestError        a file could not be loaded; carries the report
    ├── NotFoundError          an id, scenario, model or component is unknown
    ├── NotFittedError         asked for an answer before `polyscene fit`
    ├── ModelError             a saved model cannot be read
    ├── EncoderError           text could not be encoded
    │   └── RemoteError        a remote service failed after all retries
    ├── LanguageModelError     a language model gave no answer
    │   └── BudgetError        the answer could cost more than is allowed
    ├── BusyError              what runs once at a time is under way, such as a fit
    ├── OverloadError          more is asked of a service than it can answer in time
    └── MissingExtraError      an optional dependency is not installed

A message says what came, what was allowed, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyscene.data.report import IngestReport

__all__ = [
    "BudgetError",
    "BusyError",
    "DataError",
    "EncoderError",
    "IngestError",
    "LanguageModelError",
    "MissingExtraError",
    "ModelError",
    "NotFittedError",
    "NotFoundError",
    "OverloadError",
    "PolysceneError",
    "RemoteError",
    "SettingsError",
    "WorkspaceError",
    "did_you_mean",
]


class PolysceneError(Exception):
    """Base of every error raised on purpose."""


class SettingsError(PolysceneError):
    """The settings are wrong: an unknown key, a bad value, an unknown preset or component."""


class WorkspaceError(PolysceneError):
    """The workspace directory or its store is missing, unreadable or not writable."""


class DataError(PolysceneError):
    """A record or a file does not have the form that `docs/formats.md` describes."""


class IngestError(DataError):
    """A file could not be loaded; nothing of it was kept.

    Attributes:
        report: What was loaded before this file, and every problem found in it.
    """

    def __init__(self, message: str, report: IngestReport) -> None:
        super().__init__(message)
        self.report = report


class NotFoundError(PolysceneError):
    """An item, user, scenario or component of that name does not exist."""


class NotFittedError(PolysceneError):
    """The workspace has no model yet."""


class ModelError(PolysceneError):
    """A saved model is damaged or was written by an incompatible version."""


class EncoderError(PolysceneError):
    """An encoder could not turn texts into vectors."""


class RemoteError(EncoderError):
    """A remote service failed after every retry.

    Attributes:
        status: The last HTTP status, or None when no answer came.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class LanguageModelError(PolysceneError):
    """A language model gave no answer.

    Attributes:
        refused: Whether it refused this one request; otherwise another may fail alike.
        unanswered: Whether no answer came at all, so that it may have been charged for.
    """

    def __init__(self, message: str, *, refused: bool = False, unanswered: bool = False) -> None:
        super().__init__(message)
        self.refused = refused
        self.unanswered = unanswered


class BudgetError(LanguageModelError):
    """A request was not sent because its answer could cost more than is allowed."""


class BusyError(PolysceneError):
    """What runs once at a time is under way already."""


class OverloadError(PolysceneError):
    """A service is asked more than it can answer in time; asking again later helps."""


class MissingExtraError(PolysceneError):
    """An optional dependency is not installed; the message has the exact pip line."""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """The sentence that ends an error about an unknown name.

    Args:
        word: What came.
        allowed: What would have been accepted.

    Returns:
        "did you mean 'x'?" when a close match exists, otherwise the list of what is allowed.
    """
    names = sorted(set(allowed))
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"allowed: {', '.join(names)}" if names else "nothing is allowed here"
