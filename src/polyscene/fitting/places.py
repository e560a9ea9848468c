"""How many places of each target are taken: the users whose last word on it takes one."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from polyscene.data.dataset import Dataset, IdMap, IntArray
from polyscene.settings import Attend
from polyscene.storage import Store

__all__ = ["Acts", "StorePlaces", "taken_in"]


@dataclass(frozen=True, slots=True)
class Acts:
    """The actions that take a place, and those that free it again."""

    takes: frozenset[str]
    frees: frozenset[str]

    @classmethod
    def of(cls, attend: Attend) -> Acts:
        """Those that a scenario declares."""
        return cls(frozenset(attend.takes), frozenset(attend.frees))

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        return self.takes | self.frees


class StorePlaces:
    """Counts the places in a store: all events once, later only those that came since.

    Args:
        store: The store.
        acts: What takes and frees places.
    """

    def __init__(self, store: Store, acts: Acts) -> None:
        self._store = store
        self._acts = acts
        self._seen = (-1, 0)
        self._last: dict[str, dict[str, tuple[float, bool]]] = defaultdict(dict)
        self._counts: dict[str, int] = {}
        self._found = np.zeros(0, np.int64)
        self._lock = threading.Lock()

    def taken(self, items: IdMap) -> IntArray:
        """How many places of each item are taken now, shape (items,).

        One short query while nothing is written.

        Raises:
            WorkspaceError: When the store cannot be read.
        """
        with self._lock:
            if self._follow() or len(self._found) != len(items):
                self._found = np.zeros(len(items), np.int64)
                rows = items.rows(self._counts)
                counts = np.fromiter(self._counts.values(), np.int64, len(self._counts))
                self._found[rows[rows >= 0]] = counts[rows >= 0]
            return self._found

    def _follow(self) -> bool:
        """Count what came since; whether anything did."""
        seen, events = self._store.acts(self._acts.names, self._seen)
        anew = seen[0] != self._seen[0]
        if anew:  # something was deleted: these are all events
            self._last.clear()
            self._counts.clear()
        self._seen = seen
        changed = set()
        for item, user, action, timestamp in events:
            when = -math.inf if timestamp is None else timestamp
            users = self._last[item]
            if when >= users.get(user, (-math.inf, False))[0]:
                users[user] = when, action in self._acts.takes
                changed.add(item)
        for item in changed:
            self._counts[item] = sum(holds for _, holds in self._last[item].values())
        return anew or bool(changed)


def taken_in(data: Dataset, acts: Acts) -> IntArray:
    """How many places of each item are taken in a dataset, shape (items,). O(events · log)."""
    codes = [code for code, action in enumerate(data.actions) if action in acts.names]
    takes = np.array([action in acts.takes for action in data.actions], np.bool_)
    on_item = ~data.on_person & (data.target >= 0)
    events = np.flatnonzero(on_item & np.isin(data.action, codes))
    when = np.nan_to_num(data.timestamp[events], nan=-np.inf)
    events = events[np.lexsort((when, data.user[events], data.target[events]))]
    item, user = data.target[events], data.user[events]
    last = np.append((np.diff(item) != 0) | (np.diff(user) != 0), True)[: len(events)]
    held = item[last][takes[data.action[events[last]]]]
    return np.bincount(held, minlength=len(data.items)).astype(np.int64)
