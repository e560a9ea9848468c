"""What users did, as arrays: the events of one user, of some, and of all of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import Dataset, IdMap, IntArray, Mask
from polyscene.data.schema import Event

__all__ = ["Deeds", "DeedsOfAll"]


@dataclass(frozen=True, slots=True)
class Deeds:
    """The events of one user on items as parallel arrays of length E.

    Order matters only among events without a time: the first of them is the latest.
    """

    rows: IntArray
    """Rows of the items; -1 for items the model does not know."""
    on_tag: Mask
    """Which of them are tags."""
    context: IntArray
    """Rows of what the events were about; -1 for nothing, or what the model does not know."""
    action: npt.NDArray[np.int32]
    scenario: npt.NDArray[np.int32]
    timestamp: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    actions: tuple[str, ...]
    scenarios: tuple[str, ...]

    @classmethod
    def of(cls, events: Sequence[Event], items: IdMap, is_tag: Mask) -> Self:
        """From records, newest first; events on people are left out.

        Args:
            events: The events of the user.
            items: Rows of the items.
            is_tag: Which of them are tags, shape (items,).
        """
        return cls.of_columns(
            [event.item_id for event in events],
            [event.context for event in events],
            [event.action for event in events],
            [event.scenario for event in events],
            [event.timestamp for event in events],
            [event.value for event in events],
            items,
            is_tag,
        )

    @classmethod
    def of_columns(
        cls,
        item_ids: Sequence[str],
        contexts: Sequence[str | None],
        actions: Sequence[str],
        scenarios: Sequence[str | None],
        timestamps: Sequence[float | None],
        values: Sequence[float],
        items: IdMap,
        is_tag: Mask,
    ) -> Self:
        """`of` from the fields of the events, each of length E."""
        done: dict[str, int] = {}
        where: dict[str | None, int] = {None: -1}
        rows = items.rows(item_ids)
        return cls(
            rows=rows,
            on_tag=np.append(is_tag, False)[rows],  # the last is that of -1
            context=items.rows(context or "" for context in contexts),
            action=np.array([done.setdefault(one, len(done)) for one in actions], np.int32),
            scenario=np.array(
                [where.setdefault(one, len(where) - 1) for one in scenarios], np.int32
            ),
            timestamp=np.array(timestamps, np.float64),  # NaN for None
            value=np.array(values, np.float64),
            actions=tuple(done),
            scenarios=tuple(name for name in where if name is not None),
        )

    @classmethod
    def joined(cls, parts: Sequence[Deeds]) -> tuple[Deeds, IntArray]:
        """Those of several users one after the other.

        Returns:
            The deeds, and where those of each user begin; last where all end.
        """
        ends = np.cumsum([0, *(len(part.rows) for part in parts)])
        told = [part for part in parts if len(part.rows)]
        if len(told) < 2:
            return (told or list(parts) or [cls.of((), IdMap(), np.zeros(0, np.bool_))])[0], ends
        action, actions = _recoded([(part.action, part.actions) for part in told])
        scenario, scenarios = _recoded([(part.scenario, part.scenarios) for part in told])
        return cls(
            rows=np.concatenate([part.rows for part in told]),
            on_tag=np.concatenate([part.on_tag for part in told]),
            context=np.concatenate([part.context for part in told]),
            action=action,
            scenario=scenario,
            timestamp=np.concatenate([part.timestamp for part in told]),
            value=np.concatenate([part.value for part in told]),
            actions=actions,
            scenarios=scenarios,
        ), ends

    def take(self, kept: slice | Mask) -> Deeds:
        """Some of them, in their order.

        Args:
            kept: Which; a mask has shape (E,).
        """
        return Deeds(
            self.rows[kept],
            self.on_tag[kept],
            self.context[kept],
            self.action[kept],
            self.scenario[kept],
            self.timestamp[kept],
            self.value[kept],
            self.actions,
            self.scenarios,
        )


class DeedsOfAll:
    """The deeds of every user of a dataset on items, by row.

    Args:
        data: The events.
    """

    def __init__(self, data: Dataset) -> None:
        events = np.flatnonzero(~data.on_person)
        times = np.nan_to_num(data.timestamp[events], nan=-np.inf)
        events = events[np.lexsort((-events, -times, data.user[events]))]
        self._starts = np.searchsorted(data.user[events], np.arange(len(data.users) + 1))
        self._all = Deeds(
            data.target[events],
            data.on_tag[events],
            data.context[events],
            data.action[events],
            data.scenario[events],
            data.timestamp[events],
            data.value[events],
            data.actions,
            data.scenarios,
        )

    def __getitem__(self, user: int) -> Deeds:
        """The deeds of the user at a row, the latest first; of nobody, with -1, none."""
        start, end = self._starts[user : user + 2].tolist() if user >= 0 else (0, 0)
        return self._all.take(slice(start, end))

    def active(self) -> IntArray:
        """Rows of the users who acted on an item, ascending."""
        return np.flatnonzero(np.diff(self._starts))


def _recoded(
    parts: Sequence[tuple[npt.NDArray[np.int32], tuple[str, ...]]],
) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """Codes, each with its names, as codes of the same names; -1 stays."""
    names = parts[0][1]
    if all(own is names for _, own in parts):
        return np.concatenate([codes for codes, _ in parts]), names
    known = IdMap()
    tables = [np.array([*map(known.add, own), -1], np.int32) for _, own in parts]
    moved = [table[codes] for (codes, _), table in zip(parts, tables, strict=True)]
    return np.concatenate(moved), tuple(known.ids)
