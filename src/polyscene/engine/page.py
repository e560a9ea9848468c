"""Several scenarios on one page, with nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from polyscene.engine.answer import Answer
from polyscene.engine.recommender import Recommender
from polyscene.fitting.model import Model

__all__ = ["Page", "fill_page"]


@dataclass(frozen=True, slots=True)
class Page:
    """The answers of the scenarios of a page, in its order."""

    page: str
    """Name of the page."""
    user_id: str | None
    rows: Sequence[Answer]
    """An answer for each scenario; one that is empty says why in its notes."""

    def to_dict(self) -> dict[str, Any]:
        """The whole page as plain values, ready for JSON."""
        return asdict(self)


def fill_page(
    recommender: Recommender,
    model: Model,
    scenarios: Sequence[str],
    user: str | None,
    n: int,
    now: float,
) -> list[Answer]:
    """An answer for each scenario, none with a target that stands in one before it.

    The same target, and one with the same text, counts as shown.

    Args:
        recommender: What answers.
        model: Its model.
        scenarios: Names of the scenarios, from the top of the page.
        user: User id, or None for somebody unknown.
        n: Length of each list.
        now: Time of the question, seconds since 1970-01-01 UTC.
    """
    above = np.zeros(0, np.uint64)
    answers = []
    for scenario in scenarios:
        answer = next(recommender.answers([user], scenario, n, now, above=above))
        targets = model.space(scenario).targets
        rows = targets.ids.rows(item.item_id for item in answer.items)
        above = np.concatenate([above, targets.text_keys[rows]])
        answers.append(answer)
    return answers
