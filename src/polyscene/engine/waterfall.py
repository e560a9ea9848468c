"""From what sources gave to the final place, step by step: the waterfall of a recommendation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyscene.component import (
    BACK,
    BOTH_PLACE,
    FUSED_PLACE,
    FUSED_SCORE,
    VALUE,
    VALUE_PLACE,
    Candidates,
)
from polyscene.settings import Scenario

__all__ = ["OTHERS", "Waterfall", "waterfalls"]

OTHERS = "others moved or left out"
"""What is said of a target that no rule touched, and that stands elsewhere than by its value."""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """What every stage made of a target; places count from 1 among the candidates.

    What only fills a list up, or was pinned without being a candidate, has no score and value.
    """

    fused: float | None
    """The fused score: the sum of what the sources contributed."""
    fused_place: int | None
    """The place by it."""
    tasks: Mapping[str, float]
    """The predicted tasks, where they were asked for."""
    unlearned: tuple[str, ...]
    """The tasks of the reward of which too little is known; the similarity stands in for them."""
    reward: str
    """The declared reward: its expression, or sim times its type."""
    value: float | None
    """The value by the reward."""
    value_place: int | None
    """The place by it."""
    rules: tuple[str, ...]
    """What rules, diversity, exposure and draws did; `OTHERS` where they moved others alone."""
    score: float
    """The value after boosts and buries, as the answer has it."""
    place: int
    """The final place, after rules, diversity and near-duplicates."""
    back: float | None = None
    """What the person would say of the one who asks, 0 to 1; None for nothing."""
    both_place: int | None = None
    """The place by what both sides say; None for whom was not asked."""


def waterfalls(candidates: Candidates, spec: Scenario) -> list[Waterfall]:
    """The waterfall of each target that is shown.

    Args:
        candidates: What is shown, best first.
        spec: The scenario.
    """
    reward = spec.reward
    if isinstance(reward, dict):
        reward = f"sim * {reward.get('type', 'constant')}"
    steps, unknown = candidates.steps, [None] * len(candidates)
    names = (FUSED_SCORE, FUSED_PLACE, VALUE, VALUE_PLACE, BACK, BOTH_PLACE)
    told = [_known(steps[name].tolist()) if name in steps else unknown for name in names]
    tasks = {name: _known(column.tolist()) for name, column in candidates.tasks.items()}
    rows, scores = candidates.rows.tolist(), candidates.scores.tolist()
    return [
        Waterfall(
            fused=fused,
            fused_place=_whole(fused_place),
            tasks={
                name: found for name, own in tasks.items() if (found := own[position]) is not None
            },
            unlearned=tuple(
                name for name, own in tasks.items() if value is not None and own[position] is None
            ),
            reward=reward,
            value=value,
            value_place=_whole(value_place),
            rules=tuple(candidates.marks.get(row, ()))
            or _others(position + 1, value_place if both_place is None else both_place),
            score=score,
            place=position + 1,
            back=back,
            both_place=_whole(both_place),
        )
        for position, (
            row,
            score,
            fused,
            fused_place,
            value,
            value_place,
            back,
            both_place,
        ) in enumerate(zip(rows, scores, *told, strict=True))
    ]


def _others(place: int, before: float | None) -> tuple[str, ...]:
    return () if before in (None, place) else (OTHERS,)


def _whole(place: float | None) -> int | None:
    return None if place is None else int(place)


def _known(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
