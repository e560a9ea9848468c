"""What an answer consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from polyscene.engine.waterfall import Waterfall
from polyscene.explain.reasons import Evidence

__all__ = ["Answer", "Recommendation", "Understood"]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One target in an answer."""

    rank: int
    """From 1."""
    item_id: str
    """Id of the target; of a user where people are recommended."""
    title: str
    score: float
    """Satisfaction sim·f; comparable within one answer."""
    sources: dict[str, float]
    """What each source contributed to sim."""
    reason: str
    """Why, in one line in the user's language."""
    evidence: Evidence
    """What the reason is made of."""
    propensity: float = 1.0
    """The probability with which it stands at this rank; 1 where nothing is drawn."""
    waterfall: Waterfall | None = None
    """What every stage made of it; None without reasons, and for similar targets."""
    rank_before: int | None = None
    """Its rank before a language model put the list in order; None where none did."""
    worded: bool = False
    """Whether a language model worded the reason; the evidence is the same."""


@dataclass(frozen=True, slots=True)
class Understood:
    """What a request in plain words came to."""

    text: str
    """What was searched for."""
    filter: str
    """The condition that every target in the answer meets; "" for none."""
    by_model: bool
    """Whether a language model had a part in it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The recommendations for one question, best first."""

    request_id: str
    """Names this answer, so that events can say what led to them."""
    user_id: str | None
    scenario: str
    model: str
    """Version of the model that answered."""
    items: Sequence[Recommendation]
    notes: Sequence[str] = ()
    """What the reader should know, such as that the user is unknown."""
    context: str | None = None
    """Id of the item that was asked about."""
    language: str = ""
    """The language of the reasons; "" where there are none."""
    understood: Understood | None = None
    """What a request in plain words came to; None for other questions."""

    def columns(self) -> dict[str, list[Any]]:
        """The columns of the results format, a value for each recommendation."""
        items, count = self.items, len(self.items)
        return {
            "user_id": [self.user_id] * count,
            "scenario": [self.scenario] * count,
            "rank": [item.rank for item in items],
            "item_id": [item.item_id for item in items],
            "score": [item.score for item in items],
            "sources": [item.sources for item in items],
            "reason": [item.reason for item in items],
            "context": [self.context] * count,
            "propensity": [item.propensity for item in items],
        }

    def rows(self) -> list[dict[str, Any]]:
        """One flat record a recommendation, with these columns."""
        columns = self.columns()
        return [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The whole answer as plain values, ready for JSON."""
        return asdict(self)
