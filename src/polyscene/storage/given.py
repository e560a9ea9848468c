"""Tags that users gave, and a store as it would be without some of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from polyscene.data.schema import Item, User
from polyscene.data.tags import GivenTag, TagCounts
from polyscene.storage import tables
from polyscene.storage.person import Person
from polyscene.storage.store import EVENT_ROWS, RecordT, Store
from polyscene.storage.writer import CHUNK

__all__ = ["Untold", "given_tags"]

_COLUMNS = tuple(tables.given_tags.c[name] for name in GivenTag.__dataclass_fields__)


def given_tags(store: Store, user_id: str | None = None) -> Iterator[GivenTag]:
    """Stream the tags that users gave, sorted by user, item and tag.

    Args:
        store: The store.
        user_id: Only those of this user; None for all.
    """
    return _streamed(store, None if user_id is None else tables.given_tags.c.user_id == user_id)


def _streamed(store: Store, condition: sa.ColumnElement[bool] | None) -> Iterator[GivenTag]:
    query = sa.select(*_COLUMNS).order_by(*tables.given_tags.primary_key)
    if condition is not None:
        query = query.where(condition)
    with store.read() as connection:
        stream = connection.execution_options(yield_per=EVENT_ROWS).execute(query)
        yield from (GivenTag(*row) for row in stream)


class Untold(Store):
    """A store as it would be, had some tags not been given.

    Tags of items and of those who gave them are counted anew from what is left, as an importer
    counts them; tags that nobody is known to have given stay. All else is read from, and written
    to, the same database, as it is.

    Args:
        store: The store; it stays open with this one, and closes with it.
        users: Ids of users whose tags are left out.
        since: Seconds since 1970-01-01 UTC; tags of anybody given then or later are left out too.
            None for none.
    """

    def __init__(self, store: Store, users: Collection[str], since: float | None = None) -> None:
        super().__init__(store._engine)
        users = frozenset(users)
        columns, few = tables.given_tags.c, len(users) <= CHUNK and since is None
        theirs = columns.user_id.in_(users)
        on_same = columns.item_id.in_(sa.select(columns.item_id).where(theirs))
        given = list(_streamed(store, theirs | on_same if few else None))

        def out(one: GivenTag) -> bool:
            late = since is not None and one.timestamp is not None and one.timestamp >= since
            return late or one.user_id in users

        gone = [one for one in given if out(one)]
        self.givers = {one.user_id for one in gone}
        """Ids of those of whom a tag is left out."""
        items = {one.item_id for one in gone}
        on_items = [one for one in given if one.item_id in items]
        by_givers = [one for one in given if one.user_id in self.givers]
        left = [one for one in on_items if not out(one)]
        left_of = [one for one in by_givers if not out(one)]
        self._items = _told(TagCounts.of_items(on_items), TagCounts.of_items(left))
        self._users = _told(TagCounts.of_users(by_givers), TagCounts.of_users(left_of))

    def items(self, ids: Sequence[str] | None = None, *, after_revision: int = 0) -> Iterator[Item]:
        """As `Store.items`."""
        for item in super().items(ids, after_revision=after_revision):
            yield _without(item, self._items.get(item.item_id))

    def users(self, ids: Sequence[str] | None = None, *, after_revision: int = 0) -> Iterator[User]:
        """As `Store.users`."""
        for user in super().users(ids, after_revision=after_revision):
            yield _without(user, self._users.get(user.user_id))

    def item(self, item_id: str) -> Item | None:
        """As `Store.item`."""
        found = super().item(item_id)
        return None if found is None else _without(found, self._items.get(item_id))

    def user(self, user_id: str) -> User | None:
        """As `Store.user`."""
        found = super().user(user_id)
        return None if found is None else _without(found, self._users.get(user_id))

    def person(self, user_id: str, actions: Collection[str]) -> Person | None:
        """As `Store.person`."""
        found = super().person(user_id, actions)
        told = self._users.get(user_id)
        return None if found is None else replace(found, user=_without(found.user, told))

    def changed_items(self) -> list[Item]:
        """The items that are not as in the store."""
        return [
            changed
            for item in super().items(list(self._items))
            if (changed := _without(item, self._items[item.item_id])) != item
        ]


_Told = tuple[set[str], list[str]]
"""Every tag that was given to a thing, and those that it has without some of them."""


def _told(was: TagCounts, left: TagCounts) -> Mapping[str, _Told]:
    return {thing: (was.all(thing), left.top(thing)) for thing in was}


def _without(record: RecordT, told: _Told | None) -> RecordT:
    """The record with other tags, if any of those that were given stands in it."""
    if told is None or told[0].isdisjoint(record.tags):
        return record
    kept = [tag for tag in record.tags if tag not in told[0]]
    return record.model_copy(update={"tags": list(dict.fromkeys(kept + told[1]))})
