"""The objective: what orders the candidates of a scenario.

A declared reward f makes it the satisfaction sim·f (see `polyscene.ranking.reward`); an expression
is the value itself. `similarity * log1p(price)` orders as the reward `log1p(price)` does.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

from polyscene.component import (
    FUSED_PLACE,
    FUSED_SCORE,
    VALUE,
    VALUE_PLACE,
    Candidates,
    Vectors,
    build,
)
from polyscene.data.dataset import IntArray
from polyscene.data.schema import User
from polyscene.errors import SettingsError
from polyscene.expressions import Expression
from polyscene.ranking.reward import Reward
from polyscene.represent.columns import Columns
from polyscene.represent.targets import Targets
from polyscene.settings import Scenario
from polyscene.settings.vocabulary import as_name

__all__ = ["Declared", "Objective", "Satisfaction", "objective", "ordered", "similarities"]

Values = npt.NDArray[np.float64]
_LARGEST = 1e30
"""The size of a value, at most: far below what a float32 can hold, so that what follows can."""


class Objective:
    """Gives each candidate its value."""

    def uses(self, name: str) -> bool:
        """Whether a column of that name has to be given, such as popularity or a task."""
        return False

    @abstractmethod
    def __call__(
        self,
        candidates: Candidates,
        targets: Targets,
        user: User,
        now: float,
        given: Mapping[str, Values],
    ) -> Values:
        """The values of the candidates, shape (m,); NaN or infinite where there is none.

        Args:
            candidates: The fused candidates.
            targets: The targets of the space.
            user: Who asks.
            now: Time of the question, seconds since 1970-01-01 UTC.
            given: Columns of shape (m,) by name: the popularity, and each task as predicted.
        """


class Satisfaction(Objective):
    """max(sim, 0) · f.

    Args:
        reward: The reward f.
    """

    def __init__(self, reward: Reward) -> None:
        self._reward = reward

    def __call__(
        self,
        candidates: Candidates,
        targets: Targets,
        user: User,
        now: float,
        given: Mapping[str, Values],
    ) -> Values:
        """See `Objective`."""
        worth = self._reward(targets, candidates.rows, now)
        return np.maximum(candidates.scores, 0.0) * worth


class Declared(Objective):
    """The value of an expression.

    Args:
        expression: The expression.
        sources: The sources of the scenario, whose parts it may name.
    """

    def __init__(self, expression: Expression, sources: Collection[str]) -> None:
        self._expression = expression
        self._sources = sources

    def uses(self, name: str) -> bool:
        """See `Objective`."""
        return self._expression.uses("", name)

    def __call__(
        self,
        candidates: Candidates,
        targets: Targets,
        user: User,
        now: float,
        given: Mapping[str, Values],
    ) -> Values:
        """See `Objective`."""
        computed = {**given, **similarities(candidates, self._sources)}
        columns = Columns(targets, candidates.rows, user, now, computed)
        return self._expression.numbers(columns, len(candidates))


def objective(scenario: str, spec: Scenario, predicted: Collection[str] = ()) -> Objective:
    """The objective that a scenario declares.

    Args:
        scenario: Its name.
        spec: Its declaration.
        predicted: The tasks whose probabilities will be given, as expressions write them.

    Raises:
        SettingsError: When the reward has an unknown type or option, or names a task that is not
            predicted.
    """
    where, reward = f"scenarios.{scenario}.reward", spec.reward
    expression = spec.formula
    if isinstance(reward, dict) or expression is None:
        options = dict(reward) if isinstance(reward, dict) else {}
        return Satisfaction(build(Reward, str(options.pop("type", "constant")), options, where))
    for name in sorted(spec.tasks):
        if expression.uses("", as_name(name)) and as_name(name) not in predicted:
            known = ", ".join(sorted(predicted)) or "none"
            raise SettingsError(
                f"{where}: the task {name!r} is not predicted by this model (predicted: {known}); "
                f"run: polyscene fit, or leave it out of the expression: {expression}"
            )
    return Declared(expression, tuple(spec.sources))


def similarities(candidates: Candidates, sources: Collection[str]) -> dict[str, Values]:
    """The fused score of each candidate in [0, 1], and what each source adds to it.

    Several sources are divided by the sum of their weights, which is the largest that a fused score
    can be; the scores of one alone by the largest of them, where that is above 1. What lies below 0
    counts as 0.

    Args:
        candidates: The fused candidates.
        sources: All sources of the scenario; those that found nothing add 0.
    """
    parts = {as_name(name): np.asarray(part, np.float64) for name, part in candidates.parts.items()}
    most = [float(part.max(initial=0.0)) for part in parts.values()]
    scale = sum(most) if len(parts) > 1 else max([1.0, *most])
    scale = scale or 1.0
    silent = np.zeros(len(candidates))
    found = {as_name(name): silent for name in sources}
    found |= {name: part / scale for name, part in parts.items()}
    fused = np.maximum(candidates.scores.astype(np.float64), 0.0)
    return found | {"similarity": np.minimum(fused / scale, 1.0)}


def ordered(
    candidates: Candidates, values: Values, steps: bool = False, first: int | None = None
) -> Candidates:
    """The candidates by their values, which become their scores; ties by fused score and row.

    A value that is missing or infinite breaks nothing: such candidates stand behind all others, by
    the fused score, and have the lowest of the other values, or 0. Values are cut at ±1e30.

    Args:
        candidates: The fused candidates.
        values: Shape (m,).
        steps: Whether to note the scores and places before and after.
        first: If given, only so many of the best are put in order, and those that equal the last
            of them; the others are left out.
    """
    sound = np.isfinite(values)
    if not sound.all():
        lowest = float(values[sound].min()) if sound.any() else 0.0
        values = np.where(sound, values, lowest)
    if first is not None and first < len(values):
        best = np.flatnonzero(values >= np.partition(values, -first)[-first])
        order = best[np.argsort(-values[best])]
    else:
        order = np.argsort(-values)
    falling = values[order]
    equal = np.flatnonzero(falling[1:] == falling[:-1])
    if len(equal):  # only what is equal has to be put in order again
        tied = np.zeros(len(order), np.bool_)
        tied[equal] = tied[equal + 1] = True
        places = np.flatnonzero(tied)
        some = order[places]
        keys = candidates.rows[some], -candidates.scores[some], ~sound[some], -values[some]
        order[places] = some[np.lexsort(keys)]
    scores = np.minimum(np.maximum(values, -_LARGEST), _LARGEST).astype(np.float32)
    valued = candidates.take(order)
    valued.scores = scores[order]
    if steps:
        noted = _steps(candidates.scores, scores, order)
        valued.steps = {name: column[order] for name, column in noted.items()}
    return valued


def _steps(fused: Vectors, values: Vectors, order: IntArray) -> dict[str, Values]:
    """The scores and places of all candidates by the fused score and by the value."""
    by_fused, by_value = np.empty(len(order)), np.empty(len(order))
    by_fused[np.argsort(-fused, kind="stable")] = by_value[order] = np.arange(1.0, len(order) + 1)
    return {
        FUSED_SCORE: fused.astype(np.float64),
        FUSED_PLACE: by_fused,
        VALUE: values.astype(np.float64),
        VALUE_PLACE: by_value,
    }
