"""From what sources gave to the final place, step by step: the waterfall of a recommendation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from polyscene.component import FUSED_PLACE, FUSED_SCORE, VALUE, VALUE_PLACE, Candidates
from polyscene.settings import Scenario

__all__ = ["Waterfall", "waterfall"]


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
    reward: str
    """The declared reward: its expression, or sim times its type."""
    value: float | None
    """The value by the reward."""
    value_place: int | None
    """The place by it."""
    rules: tuple[str, ...]
    """What rules did."""
    score: float
    """The value after boosts and buries, as the answer has it."""
    place: int
    """The final place, after rules, diversity and near-duplicates."""


def waterfall(candidates: Candidates, position: int, spec: Scenario) -> Waterfall:
    """The waterfall of one of the targets that are shown.

    Args:
        candidates: What is shown, best first.
        position: Which of them.
        spec: The scenario.
    """
    steps = {name: float(column[position]) for name, column in candidates.steps.items()}
    fused, value = _known(steps.get(FUSED_SCORE)), _known(steps.get(VALUE))
    reward = spec.reward
    if isinstance(reward, dict):
        reward = f"sim * {reward.get('type', 'constant')}"
    return Waterfall(
        fused=fused,
        fused_place=None if fused is None else int(steps[FUSED_PLACE]),
        tasks={
            name: float(column[position])
            for name, column in candidates.tasks.items()
            if math.isfinite(column[position])
        },
        reward=reward,
        value=value,
        value_place=None if value is None else int(steps[VALUE_PLACE]),
        rules=tuple(candidates.marks.get(int(candidates.rows[position]), ())),
        score=float(candidates.scores[position]),
        place=position + 1,
    )


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
