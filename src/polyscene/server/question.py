"""What can be asked of the service, in the form that the answering thread takes."""

from __future__ import annotations

from dataclasses import dataclass

from polyscene.data.schema import Event

__all__ = ["Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question for a list. It is hashable, so that an answer can be kept under it."""

    scenario: str
    n: int = 10
    user: str | None = None
    text: str | None = None
    """What is looked for, in words, in place of what the user states."""
    events: tuple[Event, ...] = ()
    """What was done just now, latest last; they are not stored."""
    filter: str | None = None
    """A condition; only targets of which it is true are shown."""
    exclude: tuple[str, ...] = ()
    """Ids of targets that are not shown."""
    context: str | None = None
    language: str | None = None
    reasons: bool = True
    explain: bool = False
    """Whether the evidence of each reason is given."""

    @property
    def keepable(self) -> bool:
        """Whether its answer may be kept for the next one who asks the same."""
        return not self.events and self.text is None and len(self.exclude) <= 20
