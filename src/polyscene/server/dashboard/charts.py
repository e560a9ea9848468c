"""Charts as numbers for SVG; the templates draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polyscene.engine import Recommendation

__all__ = ["Bar", "Step", "bars", "steps"]


@dataclass(frozen=True, slots=True)
class Bar:
    """A column of a chart 100 high."""

    label: str
    count: int
    x: float
    """Its left edge, in a chart 100 wide."""
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Step:
    """A row of a waterfall: a bar from `x` on, in a chart 100 wide."""

    label: str
    kind: str
    """part: what a source gave; sum: what came of it; task: a prediction; unlearned: a task that
    has none; rule: what it did."""
    value: float | None
    x: float = 0.0
    width: float = 0.0
    place: int | None = None
    """The place among the candidates after this step."""


def bars(counts: Sequence[tuple[str, int]]) -> list[Bar]:
    """Columns as high as their counts; the largest is 100 high."""
    most = max((count for _, count in counts), default=0) or 1
    step = 100 / max(1, len(counts))
    return [
        Bar(label, count, round(step * place + step * 0.1, 2), round(step * 0.8, 2),
            round(100 * count / most, 2))
        for place, (label, count) in enumerate(counts)
    ]  # fmt: skip


def steps(item: Recommendation) -> list[Step]:
    """From what the sources gave to the final place of a recommendation."""
    fall = item.waterfall
    if fall is None:
        return []
    parts = sorted(item.sources.items(), key=lambda one: -abs(one[1]))
    reached, ends = 0.0, [0.0, fall.fused or 0.0, fall.value or 0.0, fall.score]
    for _, part in parts:
        reached += part
        ends.append(reached)
    low, high = min(ends), max(ends)
    scale = 100 / (high - low) if high > low else 0.0

    def step(label: str, kind: str, start: float, end: float, place: int | None = None) -> Step:
        left, width = (min(start, end) - low) * scale, abs(end - start) * scale
        value = end - start
        return Step(label, kind, value, round(left, 2), round(width, 2), place)

    found, reached = [], 0.0
    for name, part in parts:
        found.append(step(name, "part", reached, reached + part))
        reached += part
    if fall.fused is not None:
        found.append(step("All sources", "sum", 0.0, fall.fused, fall.fused_place))
    found += [
        Step(name, "task", chance, 0.0, round(100 * min(1.0, max(0.0, chance)), 2))
        for name, chance in fall.tasks.items()
    ]
    found += [Step(name, "unlearned", None) for name in fall.unlearned]
    if fall.value is not None:
        found.append(step("Reward", "sum", 0.0, fall.value, fall.value_place))
    if fall.both_place is not None:
        back = fall.back or 0.0
        found.append(Step("In return", "sum", back, 0.0, round(100 * back, 2), fall.both_place))
    found += [Step(rule, "rule", None) for rule in fall.rules]
    found.append(step("Final", "sum", 0.0, fall.score, item.rank))
    return found
