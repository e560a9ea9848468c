"""Filling a list place by place: at each the best candidate that the rules allow there.

Rules that fix places (pins, quotas, maxima, duplicates) and wishes for the whole list (diversity,
calibration) meet here: what the wishes prefer is taken as far as the rules leave a choice, so that
every rule holds in the list that comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import IntArray, Mask
from polyscene.rerank.duplicates import Twins

__all__ = [
    "DIVERSE",
    "PINNED",
    "PINNED_ALONE",
    "ByValue",
    "Cap",
    "Choice",
    "Floor",
    "Preference",
    "select",
]

PINNED = "pinned"
"""What is said of a candidate that stands where a rule pins it."""
PINNED_ALONE = "by the pin alone"
"""What is said besides of one that its value would not have brought into the list."""
DIVERSE = "brought forward by diversity"
"""What is said of a candidate that stands before others of a higher value since it varies more."""
_DIVERSITY = "diversity"

Values = npt.NDArray[np.float64]


class Preference(Protocol):
    """What the next place would best be filled with."""

    def gains(self) -> Values:
        """What each candidate would add to the list so far, shape (m,)."""

    def add(self, position: int) -> None:
        """Take a candidate into the list."""


class ByValue:
    """The highest value first.

    Args:
        values: The values of the candidates, shape (m,).
    """

    def __init__(self, values: Values) -> None:
        self._values = values

    def gains(self) -> Values:
        """See `Preference`."""
        return self._values

    def add(self, position: int) -> None:
        """See `Preference`."""


@dataclass(frozen=True, slots=True)
class Floor:
    """At least so many of some candidates among the first places."""

    members: Mask
    """Which candidates count, shape (m,)."""
    steps: Sequence[tuple[int, int]]
    """(first places, least), both rising."""
    why: str
    """What is said of a candidate that stands in the list only because of it."""


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many candidates with the same value in a list."""

    members: Mapping[str, IntArray]
    """Positions of the candidates by value; a candidate may have several values."""
    most: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate that was chosen."""

    position: int
    why: str
    """`PINNED`, what a floor says, or "" where it is there by itself."""
    moved: Sequence[str] = ()
    """How the preference moved it from its place by value, and what it was put back by."""


def select(
    preference: Preference,
    size: int,
    n: int,
    *,
    pins: Mapping[int, int] | None = None,
    floors: Sequence[Floor] = (),
    caps: Sequence[Cap] = (),
    twins: Twins | None = None,
) -> list[Choice]:
    """Up to n of the candidates, each once.

    Pins stand at their places whatever the other rules say; next come the maxima and the removal of
    duplicates, in which pins count; then the floors, as far as candidates for them are left; then
    the preference. A list for which too few candidates are left has its pins at its end.

    A floor takes a place only when it must: when the places left until one of its steps are no more
    than what is still missing there (earliest deadline first). O(n · (m + steps)) besides the
    preference and the twins.

    Args:
        preference: What is best, apart from the rules.
        size: m, the number of candidates, which stand by value, best first.
        n: Length of the list.
        pins: Candidates by place, from 0.
        floors: The floors.
        caps: The maxima.
        twins: Which candidates repeat one that was taken; none yet.
    """
    filling = _Filling(preference, size, n, pins or {}, floors, caps, twins)
    for place in range(n):
        if not filling.fill(place):
            break
    return [filling.told(choice, place) for place, choice in enumerate(filling.chosen)]


class _Filling:
    """A list that is being filled."""

    def __init__(
        self,
        preference: Preference,
        size: int,
        n: int,
        pins: Mapping[int, int],
        floors: Sequence[Floor],
        caps: Sequence[Cap],
        twins: Twins | None,
    ) -> None:
        self.chosen: list[Choice] = []
        self._preference = preference
        self._twins = twins
        self._pins = {place: pins[place] for place in sorted(pins) if place < n}
        self._floors = _Floors(floors, self._pins, n)
        self._open = np.ones(size, np.bool_)
        self._caps = [_Count(cap) for cap in caps]
        self._ahead: set[int] = set()
        self._passed: dict[str, Mask] = {}
        for position in self._pins.values():
            self._take(position)

    def fill(self, place: int) -> bool:
        """Fill one place; whether there was something to fill it with."""
        if not self._open.any() and place not in self._pins and self._pins:
            place = next(iter(self._pins))  # what is left stands at the end
        if place in self._pins:
            self.chosen.append(Choice(self._pins.pop(place), PINNED))
            return True
        gains = self._preference.gains()
        while self._open.any():
            choice = self._best(place, gains)
            if self._twins is None or not self._twins.repeats(choice.position):
                self._note(choice)
                self.chosen.append(choice)
                self._floors.count(choice.position)
                self._take(choice.position)
                return True
            self._open[choice.position] = False
        return self.fill(place) if self._pins else False

    def told(self, choice: Choice, place: int) -> Choice:
        """A candidate of the list, with what moved it from where its value has it to its place."""
        position = choice.position
        if place < position and position in self._ahead:
            return replace(choice, moved=(DIVERSE,))
        if place > position:
            causes = [cause for cause, passed in self._passed.items() if passed[position]]
            return replace(choice, moved=tuple(f"put back by {cause}" for cause in causes))
        return choice

    def _note(self, choice: Choice) -> None:
        """Keep whom a candidate passes: those of a higher value that could stand in its place."""
        if not self._open[: choice.position].any():
            return  # as in every list that is by value alone
        passed = self._open.copy()
        passed[choice.position :] = False
        for position in np.flatnonzero(passed).tolist():
            if self._twins is None or not self._twins.repeats(position):
                break
            passed[position] = self._open[position] = False
        if not passed.any():
            return
        if not choice.why:
            self._ahead.add(choice.position)
        cause = choice.why or _DIVERSITY
        self._passed[cause] = self._passed.get(cause, False) | passed

    def _best(self, place: int, gains: Values) -> Choice:
        """The best of the candidates that may stand at a place."""
        gains = np.where(self._open, gains, -np.inf)
        best = int(np.argmax(gains))
        due = self._floors.due(place, self._open)
        if not due or any(floor.members[best] for floor in due):
            return Choice(best, "")
        held = np.any([floor.members for floor in due], axis=0)
        best = int(np.argmax(np.where(held, gains, -np.inf)))
        return Choice(best, next(floor.why for floor in due if floor.members[best]))

    def _take(self, position: int) -> None:
        """Close what may not stand in a list with this candidate."""
        self._preference.add(position)
        self._open[position] = False
        if self._twins is not None:
            self._twins.take(position)
        for cap in self._caps:
            for full in cap.take(position):
                self._open[full] = False


class _Count:
    """How often each value may still come."""

    def __init__(self, cap: Cap) -> None:
        self._cap = cap
        self._left = dict.fromkeys(cap.members, cap.most)
        self._values: dict[int, list[str]] = {}
        for value, positions in cap.members.items():
            for position in positions.tolist():
                self._values.setdefault(position, []).append(value)

    def take(self, position: int) -> Iterator[IntArray]:
        """Count a candidate; the candidates of each value that is now full."""
        for value in self._values.get(position, ()):
            self._left[value] -= 1
            if self._left[value] <= 0:
                yield self._cap.members[value]


class _Floors:
    """What the floors of a list still miss."""

    def __init__(self, floors: Sequence[Floor], pins: Mapping[int, int], n: int) -> None:
        self._floors = floors
        self._counts = [0] * len(floors)
        self._tops = [np.array([top for top, _ in floor.steps]) for floor in floors]
        self._least = [
            np.array(
                [
                    least - sum(bool(floor.members[p]) for place, p in pins.items() if place < top)
                    for top, least in floor.steps
                ]
            )
            for floor in floors
        ]
        self._deadlines = np.unique(np.concatenate([*self._tops, np.zeros(0, np.int64)]))
        free = np.array([place not in pins for place in range(n)], np.int64)
        self._free = np.concatenate([[0], np.cumsum(free)])

    def count(self, position: int) -> None:
        """Count a candidate that was chosen, and was not pinned."""
        for number, floor in enumerate(self._floors):
            self._counts[number] += bool(floor.members[position])

    def due(self, place: int, open_: Mask) -> list[Floor]:
        """The floors that the candidate at this place must serve, one of them at least."""
        deadlines = self._deadlines[self._deadlines > place]
        if not len(deadlines):
            return []
        missing = [
            self._missing(number, place, deadlines, int((floor.members & open_).sum()))
            for number, floor in enumerate(self._floors)
        ]
        left = self._free[deadlines] - self._free[place]
        demand = np.sum(missing, axis=0)
        tight = np.flatnonzero((demand > 0) & (demand >= left))
        if not len(tight):
            return []
        first = tight[0]
        return [floor for floor, own in zip(self._floors, missing, strict=True) if own[first] > 0]

    def _missing(self, number: int, place: int, deadlines: IntArray, available: int) -> IntArray:
        """How many a floor misses until each deadline, of those that are available."""
        tops, least = self._tops[number], self._least[number] - self._counts[number]
        wanted = np.maximum.accumulate(np.where(tops > place, np.maximum(least, 0), 0))
        reached = np.searchsorted(tops, deadlines, side="right") - 1
        return np.where(reached >= 0, np.minimum(wanted, available)[reached], 0)
