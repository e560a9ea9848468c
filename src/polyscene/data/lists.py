"""Answered lists as arrays: what was shown, row by row, and what came of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # a dataset has lists
    from polyscene.data.dataset import FloatArray, IntArray, Mask

__all__ = ["NO_LISTS", "Lists", "last_touch"]


@dataclass(frozen=True, slots=True)
class Lists:
    """The R rows of answered lists, oldest list first and by position, and M responses to them."""

    user: IntArray
    """Row of the user of each row."""
    target: IntArray
    """Row of the target, in the items, or in the users where `on_person`; -1 where unknown."""
    on_person: Mask
    """Whether the target is a person."""
    scenario: npt.NDArray[np.int32]
    """Code of the scenario, an index into `scenarios`."""
    context: IntArray
    """Row in the items of what was asked about; -1 for nothing."""
    timestamp: FloatArray
    """When the list was answered, seconds since 1970-01-01 UTC."""
    position: FloatArray
    """The place of the target, from 1."""
    request: IntArray
    """A number for the list, ascending."""
    scenarios: tuple[str, ...]
    """Names of the scenario codes."""
    row: IntArray
    """Which row each response is to, shape (M,)."""
    action: npt.NDArray[np.int32]
    """Code of the action of each response, an index into `actions`; shape (M,)."""
    value: FloatArray
    """Value of each response, shape (M,)."""
    responded: FloatArray
    """When each response came, seconds since 1970-01-01 UTC, NaN where unknown; shape (M,)."""
    actions: tuple[str, ...]
    """Names of the action codes."""

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: Mask) -> Lists:
        """Some of the rows with the responses to them.

        Args:
            rows: Which to keep, shape (R,).
        """
        place, kept = np.cumsum(rows) - 1, rows[self.row]
        return replace(
            self.answered_by(kept),
            user=self.user[rows],
            target=self.target[rows],
            on_person=self.on_person[rows],
            scenario=self.scenario[rows],
            context=self.context[rows],
            timestamp=self.timestamp[rows],
            position=self.position[rows],
            request=self.request[rows],
            row=place[self.row[kept]],
        )

    def answered_by(self, responses: Mask) -> Lists:
        """All rows with some of the responses only.

        Args:
            responses: Which to keep, shape (M,).
        """
        return replace(
            self,
            row=self.row[responses],
            action=self.action[responses],
            value=self.value[responses],
            responded=self.responded[responses],
        )

    def in_scenario(self, name: str) -> Mask:
        """Which rows were answered in a scenario, shape (R,)."""
        here = np.array([other == name for other in self.scenarios], np.bool_)
        return np.asarray(here[self.scenario]) if len(here) else np.zeros(len(self), np.bool_)

    def within(self, names: Collection[str]) -> Lists:
        """The rows that were answered in some scenarios."""
        here = [self.in_scenario(name) for name in names]
        return self.take(np.logical_or.reduce([np.zeros(len(self), np.bool_), *here]))

    def did(self, action: str) -> Mask:
        """Which responses are of an action, shape (M,)."""
        code = self.actions.index(action) if action in self.actions else -1
        return np.asarray(self.action == code)


_NONE = np.zeros(0, np.int64)
NO_LISTS = Lists(
    user=_NONE, target=_NONE, on_person=np.zeros(0, np.bool_), scenario=np.zeros(0, np.int32),
    context=_NONE, timestamp=np.zeros(0), position=np.zeros(0), request=_NONE, scenarios=(),
    row=_NONE, action=np.zeros(0, np.int32), value=np.zeros(0), responded=np.zeros(0), actions=(),
)  # fmt: skip
"""No list."""


def last_touch(
    shown: IntArray, shown_at: FloatArray, done: IntArray, done_at: FloatArray, within_s: float
) -> IntArray:
    """For each event the last row that showed its pair before it, -1 for none. O(n log n).

    Args:
        shown: A number for the pair of user and target of each row, shape (R,).
        shown_at: When it was shown, shape (R,).
        done: The same number for each event, shape (E,).
        done_at: When it happened, NaN where unknown, shape (E,).
        within_s: How long before the event, at most.
    """
    keys, times = np.concatenate([shown, done]), np.concatenate([shown_at, done_at])
    of_event = np.arange(len(keys)) >= len(shown)
    order = np.lexsort((of_event, times, keys))  # a row before an event of the same moment
    places = np.where(of_event[order], -1, np.arange(len(order)))
    last = np.maximum.accumulate(places) if len(places) else places
    rows = order[np.maximum(last, 0)]
    near = (last >= 0) & (keys[rows] == keys[order]) & (times[order] - times[rows] <= within_s)
    found = np.full(len(keys), -1, np.int64)
    found[order[near]] = rows[near]
    return found[len(shown) :]
