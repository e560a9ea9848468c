"""Id maps and the events of a workspace as arrays: what every learned part is fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from polyscene.data.lists import NO_LISTS, Lists
from polyscene.settings.scenario import TargetKind

__all__ = ["NO_LINKS", "Dataset", "IdMap", "Links", "Mask"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
"""Which of some things: events, items, ..."""


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
    is_tag: Mask
    """Whether each item is of kind tag, shape (items,)."""
    user: IntArray
    """Row of the acting user of each event."""
    target: IntArray
    """Row of the target of each event, in `items`, or in `users` where `on_person`."""
    on_person: Mask
    """Whether the target of an event is a person."""
    action: npt.NDArray[np.int32]
    """Code of the action of each event, an index into `actions`."""
    scenario: npt.NDArray[np.int32]
    """Code of the scenario of each event, an index into `scenarios`; -1 where it has none."""
    timestamp: FloatArray
    """Seconds since 1970-01-01 UTC; NaN where unknown."""
    value: FloatArray
    """Value of each event."""
    context: IntArray
    """Row in `items` of what each event was about; -1 where it names nothing."""
    actions: tuple[str, ...]
    """Names of the action codes."""
    scenarios: tuple[str, ...]
    """Names of the scenario codes."""
    request: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    """A number for each event that is equal where the request is, -1 where it names none. Empty
    where requests were not read."""
    position: FloatArray = field(default_factory=lambda: np.zeros(0))
    """The place, from 1, at which the target of each event stood in the list that it came of, NaN
    where the log does not say. Empty where lists were not read, or none was logged."""
    lists: Lists = NO_LISTS
    """The lists that were answered to these users, over the same rows. Empty where they were not
    read, or none was logged."""
    last: int = 0
    """The number that the store gave to the last event it had when this was read; 0 for none."""

    def __len__(self) -> int:
        return len(self.user)

    @property
    def on_tag(self) -> Mask:
        """Whether the target of each event is a tag, shape (events,)."""
        tags = np.append(self.is_tag, False)  # the last is that of an unknown item
        return np.asarray(~self.on_person & tags[np.where(self.on_person, -1, self.target)])

    def aimed(self, kind: TargetKind) -> Mask:
        """Which events are on what is learned from where targets of a kind are recommended.

        People, tags, and everything else are three worlds: what users do in one of them says
        nothing in the others. Shape (events,).
        """
        if kind == "person":
            return self.on_person
        return np.asarray(~self.on_person & (self.on_tag == (kind == "tag")))

    def take(self, events: IntArray | Mask) -> Dataset:
        """The same users and items with some of the events only; the lists stay as they are.

        Args:
            events: Which to keep: positions, or a mask.
        """
        return replace(
            self,
            user=self.user[events],
            target=self.target[events],
            on_person=self.on_person[events],
            action=self.action[events],
            scenario=self.scenario[events],
            timestamp=self.timestamp[events],
            value=self.value[events],
            context=self.context[events],
            request=self.request[events] if len(self.request) else self.request,
            position=self.position[events] if len(self.position) else self.position,
        )


@dataclass(frozen=True, slots=True)
class Links:
    """Relations between users, items, tags and whatever else has a name, as arrays of length L."""

    names: IdMap
    """Rows of everything that is linked."""
    subject: IntArray
    """Row of the subject of each relation."""
    predicate: npt.NDArray[np.int32]
    """Code of the predicate of each relation, an index into `predicates`."""
    object: IntArray
    """Row of the object of each relation."""
    predicates: tuple[str, ...]
    """Names of the predicate codes."""

    def __len__(self) -> int:
        return len(self.subject)

    def take(self, relations: IntArray | Mask) -> Links:
        """The same names with some of the relations only: positions, or a mask."""
        return replace(
            self,
            subject=self.subject[relations],
            predicate=self.predicate[relations],
            object=self.object[relations],
        )

    @classmethod
    def of(cls, triples: Iterable[tuple[str, str, str]]) -> Self:
        """From (subject, predicate, object)."""
        names, predicates = IdMap(), IdMap()
        codes = [(names.add(s), predicates.add(p), names.add(o)) for s, p, o in triples]
        table = np.array(codes, np.int64).reshape(-1, 3)
        return cls(
            names=names,
            subject=table[:, 0],
            predicate=table[:, 1].astype(np.int32),
            object=table[:, 2],
            predicates=tuple(predicates.ids),
        )


NO_LINKS = Links.of(())
"""No relations."""
