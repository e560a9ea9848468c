"""Id maps and the events of a workspace as arrays: what every learned part is fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Dataset", "IdMap"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class IdMap:
    """External ids and their row numbers, both ways. Rows are given in order of arrival."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._ids: list[str] = list(dict.fromkeys(ids))
        self._rows: dict[str, int] = {name: row for row, name in enumerate(self._ids)}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    @property
    def ids(self) -> Sequence[str]:
        """The ids by row."""
        return self._ids

    def add(self, name: str) -> int:
        """The row of an id, given now if it had none."""
        row = self._rows.setdefault(name, len(self._ids))
        if row == len(self._ids):
            self._ids.append(name)
        return row

    def row(self, name: str) -> int:
        """The row of an id, or -1 when it is unknown."""
        return self._rows.get(name, -1)

    def rows(self, names: Iterable[str]) -> IntArray:
        """The rows of ids, -1 for each that is unknown. Shape (number of names,)."""
        get = self._rows.get
        return np.fromiter((get(name, -1) for name in names), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Dataset:
    """All events of a workspace as parallel arrays of length E, in order of arrival."""

    users: IdMap
    """Rows of users; users are also the targets of events on people."""
    items: IdMap
    """Rows of items."""
    user: IntArray
    """Row of the acting user of each event."""
    target: IntArray
    """Row of the target of each event, in `items`, or in `users` where `on_person`."""
    on_person: npt.NDArray[np.bool_]
    """Whether the target of an event is a person."""
    action: npt.NDArray[np.int32]
    """Code of the action of each event, an index into `actions`."""
    scenario: npt.NDArray[np.int32]
    """Code of the scenario of each event, an index into `scenarios`; -1 where it has none."""
    timestamp: FloatArray
    """Seconds since 1970-01-01 UTC; NaN where unknown."""
    value: FloatArray
    """Value of each event."""
    actions: tuple[str, ...]
    """Names of the action codes."""
    scenarios: tuple[str, ...]
    """Names of the scenario codes."""

    def __len__(self) -> int:
        return len(self.user)
