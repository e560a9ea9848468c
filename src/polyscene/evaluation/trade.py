"""What variety or a share for every provider costs: a curve of NDCG over what is gained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from polyscene.data.dataset import IntArray
from polyscene.evaluation.measures import Context, hits_of
from polyscene.evaluation.providers import evenness
from polyscene.metrics import catalogue, ranking
from polyscene.metrics.compare import Interval, interval
from polyscene.settings import Scenario

__all__ = ["TRADES", "Knob", "Point", "Trade", "steps", "traded"]

Knob = Literal["diversity", "exposure", "equal-exposure"]
TRADES: tuple[Knob, ...] = get_args(Knob)
_STEPS: dict[Knob, tuple[float, ...]] = {
    "diversity": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9),
    "exposure": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "equal-exposure": (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
}
"""The settings of each knob that are measured."""


@dataclass(frozen=True, slots=True)
class Point:
    """The lists of one setting."""

    value: float
    """Strength of the diversity, or floor of the exposure."""
    ndcg: Interval
    """NDCG at the length of the lists."""
    diversity: Interval
    """1 − mean cosine between the texts of the targets of a list."""
    even: float
    """1 − Σ |exposure − catalogue| / 2 over providers, of all lists together: 1 when attention is
    in proportion to the catalogue, or with `equal-exposure` the same for every provider; NaN where
    targets have no provider."""
    within: float
    """The mean of the same over the lists one by one."""
    coverage: float
    """The share of the ranked targets that somebody is shown."""


@dataclass(frozen=True, slots=True)
class Trade:
    """What one knob costs and brings, from its lowest setting on."""

    knob: Knob
    what: str
    """What is turned, such as: mmr by text."""
    points: list[Point]


def steps(knobs: Sequence[Knob]) -> int:
    """How often the engine is asked for the curves of these knobs."""
    return sum(len(_STEPS[knob]) for knob in knobs)


def _turned(spec: Scenario, knob: Knob, value: float, field: str) -> Scenario:
    """A scenario with another strength of diversity, or floor of exposure."""
    update: dict[str, Any]
    if knob == "diversity":
        update = {"diversity": spec.diversity.model_copy(update={"strength": value})}
    else:
        parts = "equal" if knob == "equal-exposure" else "candidates"
        declared = {"floor": value, "by": field, "parts": parts}
        update = {"exposure": spec.exposure.model_copy(update=declared)}
    return spec.model_copy(update=update)


def traded(
    knob: Knob,
    spec: Scenario,
    field: str,
    providers: Sequence[tuple[str, ...]],
    context: Context,
    n: int,
    ask: Callable[[Scenario], IntArray],
) -> Trade:
    """The curve of a knob.

    Args:
        knob: What is turned.
        spec: The scenario as declared.
        field: By what providers are told apart.
        providers: The providers of each target.
        context: What lists are judged by.
        n: Length of the lists.
        ask: The lists of the engine under another declaration; rows, -1 past the last, (q, ≥ n).
    """
    points = []
    for value in _STEPS[knob]:
        lists = ask(_turned(spec, knob, value, field))[:, :n]
        points.append(_point(value, lists, providers, context, knob == "equal-exposure"))
    what = (
        f"{spec.diversity.method} by {spec.diversity.by}" if knob == "diversity" else f"by {field}"
    )
    return Trade(knob, what, points)


def _point(
    value: float,
    lists: IntArray,
    providers: Sequence[tuple[str, ...]],
    context: Context,
    equal: bool,
) -> Point:
    n, users = lists.shape[1], context.questions.users
    counts = np.asarray(context.relevant.getnnz(axis=1), np.int64)
    even, within = float("nan"), float("nan")
    if any(providers):
        even, within = evenness(providers, context.ranked, lists, equal)
    place = np.append(np.cumsum(context.ranked) - 1, -1)  # the last is that of -1
    return Point(
        value=value,
        ndcg=interval(ranking.ndcg(hits_of(lists, context.relevant), counts, n), users=users),
        diversity=interval(catalogue.intra_list_diversity(lists, context.vectors), users=users),
        even=even,
        within=within,
        coverage=catalogue.coverage(place[lists], int(context.ranked.sum())),
    )
