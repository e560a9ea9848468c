"""From ranked candidates to the list that is shown.

In this order: boosts and buries change the values; the list is then filled place by place by value
and diversity, with pins, maxima, quotas, exposure floors and the removal of duplicates as bounds
(see `polyscene.rerank.select`). At last some places may be drawn (see `polyscene.rerank.explore`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from polyscene.component import PROPENSITY, Candidates, History
from polyscene.data.dataset import IdMap, IntArray, Mask
from polyscene.data.schema import User
from polyscene.represent.columns import Columns
from polyscene.represent.space import TargetSpace
from polyscene.represent.targets import Targets
from polyscene.rerank.diversity import (
    Calibrated,
    Dpp,
    Likeness,
    Mmr,
    TextLikeness,
    WordLikeness,
    mix,
)
from polyscene.rerank.duplicates import Twins, distinct
from polyscene.rerank.explore import EXPLORED, drawn, more
from polyscene.rerank.exposure import exposure_floors
from polyscene.rerank.rules import Rules
from polyscene.rerank.select import PINNED, PINNED_ALONE, ByValue, Floor, Preference, select
from polyscene.settings import Scenario
from polyscene.settings.diversity import TEXT
from polyscene.tracing import traced

__all__ = ["Asked", "Reranker"]

_HEAD = 10
"""Candidates that are weighed for diversity, times the length of the list."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose list it is."""

    space: TargetSpace
    user: User
    now: float
    """Time of the question, seconds since 1970-01-01 UTC."""
    n: int
    """Length of the list."""
    pins: Mapping[int, int]
    """Rows of the pinned targets by place from 0; they are among the candidates."""
    history: History
    """What the user did."""
    items: Targets
    """The targets that the history is about."""
    seed: int = 0
    """Of what is drawn."""


class Reranker:
    """Applies what a scenario declares of its lists.

    Args:
        spec: The declaration.
    """

    def __init__(self, spec: Scenario) -> None:
        self._rules = Rules(spec.rules)
        self._diversity = spec.diversity
        self._exposure = spec.exposure
        self._explore = spec.explore
        self._plain = not (self._rules or spec.diversity.strength or spec.exposure.floor)
        # People who are alike are still different people.
        self._threshold = 1.0 if spec.target == "person" else spec.duplicates.threshold

    def pins(self, ids: IdMap, allowed: Mask, n: int) -> dict[int, int]:
        """The rows of the pinned targets that may be shown, by place from 0 in a list of n."""
        return self._rules.pins(ids, allowed, n)

    def first(self, n: int) -> int | None:
        """How many of the best candidates a list of n is made of, as a rule; None for all."""
        return 2 * n if self._plain and not more(self._explore, n) else None

    @traced("rerank")
    def __call__(self, pool: Candidates, asked: Asked) -> Candidates:
        """The list of up to n distinct targets, with what the rules did to each.

        Args:
            pool: The candidates by value, best first.
            asked: Whose list it is.
        """
        return self._listed(pool, asked, asked.n)

    def explored(self, pool: Candidates, asked: Asked) -> Candidates | None:
        """The list after the draws, with the step `PROPENSITY`; None where nothing is drawn.

        What is drawn among follows the list as the rules leave it: maxima and duplicates count over
        all of it.

        Args:
            pool: The candidates by value, best first.
            asked: Whose list it is.
        """
        extra = more(self._explore, asked.n)
        if not extra:
            return None
        longer = self._listed(pool, asked, asked.n + extra)
        place_of = {row: place for place, row in enumerate(longer.rows.tolist())}
        floors = self._floors(_columns(pool.rows, asked), asked)
        order, chances = drawn(
            self._explore,
            longer.scores.astype(np.float64),
            asked.n,
            asked.seed,
            fixed={place_of[row] for row in asked.pins.values()},
            floors=[np.isin(longer.rows, pool.rows[floor.members]) for floor in floors],
        )
        marks = dict(longer.marks)
        for place in np.flatnonzero(order >= asked.n).tolist():
            row = int(longer.rows[order[place]])
            marks[row] = (*marks.get(row, ()), EXPLORED)
        shown = replace(longer.take(order), marks=marks)
        shown.steps[PROPENSITY] = chances
        return shown

    def distinct(self, space: TargetSpace, rows: IntArray, n: int) -> IntArray:
        """Positions of the first n targets that repeat none before them."""
        keys = space.targets.text_keys[rows]
        return distinct(keys, space.vectors, rows, self._threshold, n)

    def lacks(self, shown: Candidates, wanted: int, asked: Asked) -> bool:
        """Whether a list is shorter than wanted, or misses a quota."""
        if len(shown) < wanted or not self._rules:
            return len(shown) < wanted
        return bool(self._rules.unmet(_columns(shown.rows, asked), asked.n))

    def helped(self, shown: Candidates, wanted: int, outside: IntArray, asked: Asked) -> bool:
        """Whether targets that were no candidates could bring a list nearer to what it lacks.

        Args:
            shown: The list.
            wanted: The length it should have.
            outside: The rows of those targets.
            asked: Whose list it is.
        """
        if not len(outside):
            return False
        listed, others = _columns(shown.rows, asked), _columns(outside, asked)
        free = self._rules.free(listed, others)
        if len(shown) < wanted and free.any():
            return True
        return any(
            (condition.holds(others, len(others)) & free).any()
            for condition in self._rules.unmet(listed, asked.n)
        )

    def _listed(self, pool: Candidates, asked: Asked, length: int) -> Candidates:
        """The list for a question, and what would follow it, up to a length of n or more."""
        if self._plain:
            return pool.take(self.distinct(asked.space, pool.rows, length))
        columns = _columns(pool.rows, asked)
        values, weighed = self._rules.weighed(pool.scores.astype(np.float64), columns)
        marks = dict(pool.marks)
        for row, own in weighed.items():
            marks[row] = (*marks.get(row, ()), *own)
        order = np.argsort(-values, kind="stable")
        pool = replace(pool.take(order), scores=values[order].astype(np.float32))
        return self._filled(pool, marks, asked, length)

    def _filled(
        self, pool: Candidates, marks: Mapping[int, tuple[str, ...]], asked: Asked, length: int
    ) -> Candidates:
        columns = _columns(pool.rows, asked)
        positions = {row: position for position, row in enumerate(pool.rows.tolist())}
        pins = {place: positions[row] for place, row in asked.pins.items()}
        keys = asked.space.targets.text_keys[pool.rows]
        choices = select(
            self._preference(pool, columns, asked),
            len(pool),
            length,
            pins=pins,
            floors=self._floors(columns, asked),
            caps=self._rules.caps(columns),
            twins=Twins(keys, asked.space.vectors, pool.rows, self._threshold),
        )
        found = dict(marks)
        for choice in choices:
            row = int(pool.rows[choice.position])
            why = [choice.why] if choice.why else []
            if choice.why == PINNED and choice.position >= asked.n:
                why.append(PINNED_ALONE)
            found[row] = (*found.get(row, ()), *why, *choice.moved)
        taken = pool.take(np.array([choice.position for choice in choices], np.int64))
        return replace(taken, marks={row: found[row] for row in taken.rows.tolist() if found[row]})

    def _floors(self, columns: Columns, asked: Asked) -> list[Floor]:
        """The quotas and the floors of exposure, in a list of n."""
        exposed = exposure_floors(self._exposure, columns, asked.n)
        return [*self._rules.floors(columns, asked.n), *exposed]

    def _preference(self, pool: Candidates, columns: Columns, asked: Asked) -> Preference:
        """What the next place would best be filled with, apart from the rules."""
        values, declared = pool.scores.astype(np.float64), self._diversity
        head, strength = _HEAD * asked.n, declared.strength
        if not strength or not len(pool):
            return ByValue(values)
        if declared.method == "calibrated":
            history = asked.history
            past = Columns(asked.items, history.rows, asked.user, asked.now)
            wanted = mix(past.words(declared.by), history.strengths)
            if not wanted:
                return ByValue(values)
            return Calibrated(values, strength, head, columns.words(declared.by), wanted)
        likeness: Likeness = (
            TextLikeness(asked.space.vectors, pool.rows, head)
            if declared.by == TEXT
            else WordLikeness(columns.words(declared.by), head)
        )
        method = Mmr if declared.method == "mmr" else Dpp
        return method(values, strength, head, likeness)


def _columns(rows: IntArray, asked: Asked) -> Columns:
    return Columns(asked.space.targets, rows, asked.user, asked.now)
