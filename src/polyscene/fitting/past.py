"""What is known of users: read from the store one by one, or from a dataset all at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from polyscene.data.dataset import Dataset, IdMap, IntArray, Links
from polyscene.data.schema import Event, User
from polyscene.fitting.places import Acts, StorePlaces, taken_in
from polyscene.represent.connections import BLOCKS, Connections
from polyscene.represent.deeds import Deeds, DeedsOfAll
from polyscene.represent.targets import Targets
from polyscene.storage import Store, notes_of

__all__ = [
    "DatasetPast", "Known", "Meeting", "Noted", "Past", "StorePast", "nobody", "noted_words",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Meeting:
    """An event on a person."""

    person: str
    action: str
    scenario: str | None


Noted = Mapping[str, Sequence[str]]
"""The interests of a user in words, by scenario."""


@dataclass(frozen=True, slots=True)
class Known:
    """Everything that an answer to one user may rest on."""

    user: User
    stored: bool
    """Whether the user exists in the store."""
    deeds: Deeds
    """What the user did with items."""
    meetings: Sequence[Meeting]
    """What the user did with people."""
    friends: Sequence[str]
    """The people that the user is connected with by relations."""
    apart: Sequence[str]
    """The people that the user has blocked or is blocked by."""
    noted: Noted = field(default_factory=dict)
    """What enrichment noted of their interests, where that counts."""


class Past(Protocol):
    """Where what is known of users comes from."""

    def of(self, user_id: str | None) -> Known:
        """What is known of a user; of None or an unknown id nothing."""

    def load(self, user_ids: Sequence[str]) -> None:
        """Make ready to be asked about these users."""

    def taken(self, acts: Acts) -> IntArray:
        """How many places of each item are taken, shape (items,)."""


class StorePast:
    """The past as the store has it now.

    Args:
        store: The store.
        items: The items of the model.
        noting: The scenarios in which noted interests count.
    """

    def __init__(self, store: Store, items: Targets, noting: Collection[str] = ()) -> None:
        self._store = store
        self._items = items
        self._noting = frozenset(noting)
        self._places: dict[Acts, StorePlaces] = {}

    def load(self, user_ids: Sequence[str]) -> None:
        """See `Past`; each user is read when asked about."""

    def of(self, user_id: str | None) -> Known:
        """See `Past`; read at once, but for notes where they count."""
        items = self._items
        held = None if user_id is None else self._store.person(user_id, BLOCKS)
        if held is None:
            return nobody(user_id)
        acts, around = held.acts, Connections(held.links)
        return Known(
            user=held.user,
            stored=True,
            deeds=Deeds.of_columns(
                acts.item_ids, acts.contexts, acts.actions, acts.scenarios,
                acts.timestamps, acts.values, items.ids, items.is_tag,
            ),
            meetings=[
                Meeting(name, action, scenario)
                for name, action, scenario in zip(
                    acts.item_ids, acts.actions, acts.scenarios, strict=True
                )
                if name not in items.ids
            ],
            friends=around.friends(held.user.user_id),
            apart=[*around.apart(held.user.user_id), *held.actors],
            noted=noted_words(self._store, self._noting, user_id).get(held.user.user_id, {}),
        )  # fmt: skip

    def taken(self, acts: Acts) -> IntArray:
        """See `Past`; as the store has it now."""
        places = self._places.setdefault(acts, StorePlaces(self._store, acts))
        return places.taken(self._items.ids)

    def grown(self, known: Known, events: Sequence[Event]) -> Known | None:
        """What is known of a user after further events, as `of` would read it.

        Args:
            known: What was known before.
            events: What the user did since, the last to arrive first.

        Returns:
            None where it has to be read: not all is about items of the model.
        """
        items = self._items
        if not known.stored or any(event.item_id not in items.ids for event in events):
            return None
        newest = Deeds.of(events, items.ids, items.is_tag)
        return replace(known, deeds=Deeds.joined([newest, known.deeds])[0])


class DatasetPast:
    """The past of all users in memory: for many answers at once, and for what was held out.

    Args:
        data: The events, their items numbered as the targets are.
        links: The relations.
        users: The records of the users with these ids.
        noted: The noted interests of users, by id, where they count.
    """

    def __init__(
        self,
        data: Dataset,
        links: Links,
        users: Callable[[Sequence[str]], Iterable[User]],
        noted: Mapping[str, Noted] | None = None,
    ) -> None:
        self._data = data
        self._users = users
        self._noted = noted or {}
        self._records: dict[str, User] = {}
        self._taken: dict[Acts, IntArray] = {}
        self._deeds = DeedsOfAll(data)
        self._around = Connections.of(links)
        events = np.flatnonzero(data.on_person)
        self._on_people = events[np.argsort(data.user[events], kind="stable")]
        self._starts = np.searchsorted(data.user[self._on_people], np.arange(len(data.users) + 1))
        codes = [code for code, action in enumerate(data.actions) if action in BLOCKS]
        self._blocks = self._on_people[np.isin(data.action[self._on_people], codes)]

    def load(self, user_ids: Sequence[str]) -> None:
        """See `Past`; the records of these users are read together."""
        unread = [name for name in user_ids if name not in self._records]
        if unread:
            self._records.update((user.user_id, user) for user in self._users(unread))

    def of(self, user_id: str | None) -> Known:
        """See `Past`."""
        if user_id is None:
            return nobody(None)
        self.load([user_id])
        user = self._records.get(user_id)
        if user is None:
            return nobody(user_id)
        row = self._data.users.row(user_id)
        return Known(
            user=user,
            stored=True,
            deeds=self._deeds[row],
            meetings=self._meetings(row),
            friends=self._around.friends(user_id),
            apart=[*self._around.apart(user_id), *self._blocking(row)],
            noted=self._noted.get(user_id, {}),
        )

    def taken(self, acts: Acts) -> IntArray:
        """See `Past`; by the events of the dataset."""
        if acts not in self._taken:
            self._taken[acts] = taken_in(self._data, acts)
        return self._taken[acts]

    def _meetings(self, row: int) -> list[Meeting]:
        data, names = self._data, (*self._data.scenarios, None)
        start, end = self._starts[row : row + 2].tolist() if row >= 0 else (0, 0)
        return [
            Meeting(
                data.users.ids[data.target[event]],
                data.actions[data.action[event]],
                names[data.scenario[event]],
            )
            for event in self._on_people[start:end]
        ]

    def _blocking(self, row: int) -> list[str]:
        data = self._data
        if not len(self._blocks):
            return []
        found = self._blocks[data.target[self._blocks] == row]
        return [data.users.ids[actor] for actor in np.unique(data.user[found])]


def noted_words(
    store: Store, scenarios: Collection[str], user_id: str | None = None
) -> dict[str, dict[str, Sequence[str]]]:
    """What was noted of the interests of one user, or of all, in some scenarios, by user."""
    found: dict[str, dict[str, Sequence[str]]] = {}
    for note in notes_of(store, "user", user_id) if scenarios else ():
        if note.facet == "tags" and note.scenario in scenarios:
            found.setdefault(note.subject, {})[note.scenario] = note.words
    return found


def nobody(user_id: str | None) -> Known:
    """What is known of somebody unknown."""
    user = User(user_id=user_id or "anonymous")
    return Known(user, False, Deeds.of((), IdMap(), np.zeros(0, np.bool_)), (), (), ())
