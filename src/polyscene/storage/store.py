"""The store: every record and event of a workspace."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import sqlalchemy as sa

from polyscene.closing import Closing
from polyscene.data.dataset import Dataset, IdMap, Links, Mask
from polyscene.data.schema import Event, Item, Relation, User
from polyscene.storage import rows, tables
from polyscene.storage.acts import read_acts
from polyscene.storage.answered import read_impressions, read_lists, read_outcomes
from polyscene.storage.arrays import read_events, read_maps, read_positions, read_requests
from polyscene.storage.connect import WRITE, connect, roomy, translated
from polyscene.storage.person import HISTORY, USER, Person, read_person
from polyscene.storage.watch import Watch
from polyscene.storage.writer import StoreWriter, chunks
from polyscene.tracing import step

__all__ = ["Counts", "Store"]

RecordT = TypeVar("RecordT", Item, User)

STREAM_ROWS = 1000
"""Records that a stream holds at a time."""
EVENT_ROWS = 20_000
"""Events that `Store.dataset` holds at a time."""

_ITEM = sa.select(*rows.ITEM_COLUMNS).where(tables.items.c.item_id == sa.bindparam("id"))
_HISTORY = (
    sa.select(*rows.EVENT_COLUMNS)
    .where(tables.events.c.user_id == sa.bindparam("user_id"))
    .order_by(*HISTORY)
)
_RECENT_HISTORY = _HISTORY.limit(sa.bindparam("n", type_=sa.Integer))


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a store holds."""

    items: int
    users: int
    events: int
    relations: int


class Store(Closing):
    """Every record and event of a workspace, in SQLite or PostgreSQL.

    Any number of threads and processes may read while one writes; each read sees the store as
    it was when the read began. Make one with `Store.open` and use it as a context manager.

    Args:
        engine: An engine from `connect`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._name = engine.url.render_as_string(hide_password=True)

    @classmethod
    def open(cls, url: str) -> Store:
        """The store at a URL, created when it does not exist, migrated when it is old.

        Args:
            url: "sqlite:///path/to/store.db" or "postgresql://user@host/database".

        Raises:
            WorkspaceError: When it cannot be opened or written, is locked, is not a store, or
                was written by a newer version.
        """
        return cls(connect(url))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator[StoreWriter]:
        """A transaction: all of it is kept when the block ends, nothing when it raises.

        When this returns, what was written is on disk.

        Raises:
            WorkspaceError: When another process keeps the store locked, or the disk is full.
        """
        with self.begin() as connection:
            yield StoreWriter(connection)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A writing transaction as a plain connection; see `write`."""
        with (
            step("store.write"),
            translated(self._name),
            self._engine.connect().execution_options(**WRITE) as connection,
            roomy(connection),
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees the store as it is at its first query.

        Raises:
            WorkspaceError: When the store cannot be read.
        """
        with step("store.read"), translated(self._name), self._engine.connect() as connection:
            yield connection

    def watch(self) -> Watch:
        """What tells which records others change from now on; close it after use."""
        return Watch(self._engine)

    def items(self, ids: Sequence[str] | None = None, *, after_revision: int = 0) -> Iterator[Item]:
        """Stream items in the order in which they first arrived.

        Args:
            ids: Only these; unknown ones are left out. None for all.
            after_revision: Only those written in a later revision.
        """
        return self._records(
            tables.items, tables.items.c.item_id, rows.ITEM_COLUMNS, rows.item_of, ids,
            after_revision,
        )  # fmt: skip

    def users(self, ids: Sequence[str] | None = None, *, after_revision: int = 0) -> Iterator[User]:
        """Stream users in the order in which they first arrived.

        Args:
            ids: Only these; unknown ones are left out. None for all.
            after_revision: Only those written in a later revision.
        """
        return self._records(
            tables.users, tables.users.c.user_id, rows.USER_COLUMNS, rows.user_of, ids,
            after_revision,
        )  # fmt: skip

    def item(self, item_id: str) -> Item | None:
        """The item of that id."""
        with self.read() as connection:
            row = connection.execute(_ITEM, {"id": item_id}).one_or_none()
        return None if row is None else rows.item_of(row)

    def user(self, user_id: str) -> User | None:
        """The user of that id."""
        with self.read() as connection:
            row = connection.execute(USER, {"id": user_id}).one_or_none()
        return None if row is None else rows.user_of(row)

    def item_ids(self) -> list[str]:
        """The ids of all items, in the order in which they first arrived."""
        with self.read() as connection:
            ids = sa.select(tables.items.c.item_id).order_by(tables.items.c.seq)
            return list(connection.scalars(ids))

    def user_ids(self) -> list[str]:
        """The ids of all users, in the order in which they first arrived."""
        with self.read() as connection:
            ids = sa.select(tables.users.c.user_id).order_by(tables.users.c.seq)
            return list(connection.scalars(ids))

    def _records(
        self,
        table: sa.Table,
        key: sa.Column[str],
        columns: tuple[sa.Column[Any], ...],
        build: Callable[[sa.Row[Any]], RecordT],
        ids: Sequence[str] | None,
        after_revision: int,
    ) -> Iterator[RecordT]:
        query = sa.select(*columns).order_by(table.c.seq)
        if after_revision:
            query = query.where(table.c.revision > after_revision)
        with self.read() as connection:
            if ids is None:
                stream = connection.execution_options(yield_per=STREAM_ROWS)
                yield from map(build, stream.execute(query))
                return
            numbers: set[int] = set()
            for chunk in chunks(ids):
                numbers.update(connection.scalars(sa.select(table.c.seq).where(key.in_(chunk))))
            for part in chunks(sorted(numbers)):
                yield from map(build, connection.execute(query.where(table.c.seq.in_(part))))

    def relations(
        self,
        predicate: str | None = None,
        *,
        subject: str | None = None,
        object: str | None = None,
    ) -> Iterator[Relation]:
        """Stream relations, sorted by subject, predicate and object.

        Args:
            predicate: Only those that say this.
            subject: Only those about this id.
            object: Only those that link to this id.
        """
        table = tables.relations
        query = sa.select(*rows.RELATION_COLUMNS).order_by(*table.primary_key)
        for column, wanted in (
            (table.c.subject, subject),
            (table.c.predicate, predicate),
            (table.c.object, object),
        ):
            if wanted is not None:
                query = query.where(column == wanted)
        with self.read() as connection:
            stream = connection.execution_options(yield_per=STREAM_ROWS)
            yield from map(rows.relation_of, stream.execute(query))

    def links(self) -> Links:
        """Relations as arrays."""
        table = tables.relations
        query = sa.select(table.c.subject, table.c.predicate, table.c.object)
        query = query.order_by(*table.primary_key)
        with self.read() as connection:
            stream = connection.execution_options(yield_per=EVENT_ROWS).execute(query)
            return Links.of((subject, predicate, target) for subject, predicate, target in stream)

    def history(self, user_id: str, limit: int | None = None) -> list[Event]:
        """The events of a user, newest first.

        Events with a timestamp come by it, and those of the same moment by arrival, the last
        first. Events without one count as older than all that have one, again the last to
        arrive first. O(length of the answer): an index holds the events in this order.

        Args:
            user_id: Who acted; an unknown user has no events.
            limit: At most so many; None for all.
        """
        with self.read() as connection:
            if limit is None:
                found = connection.execute(_HISTORY, {"user_id": user_id})
            else:
                found = connection.execute(_RECENT_HISTORY, {"user_id": user_id, "n": limit})
            return [rows.event_of(row) for row in found]

    def person(self, user_id: str, actions: Collection[str]) -> Person | None:
        """What an answer to a user rests on; None of somebody unknown.

        Args:
            user_id: The user.
            actions: What others may have done on the user, for `Person.actors`.
        """
        with self.read() as connection:
            return read_person(connection, user_id, actions)

    def events(self, after: int, n: int) -> list[tuple[int, Event]]:
        """The next events in order of arrival, each with its number.

        Args:
            after: The number of the last one before.
            n: How many, at most.
        """
        columns = tables.events.c
        query = sa.select(columns.seq, *rows.EVENT_COLUMNS).where(columns.seq > after)
        with self.read() as connection:
            found = connection.execute(query.order_by(columns.seq).limit(n))
            return [(row[0], rows.event_of(row[1:])) for row in found]

    def acts(
        self, actions: Collection[str], seen: tuple[int, int]
    ) -> tuple[tuple[int, int], Sequence[tuple[str, str, str, float | None]]]:
        """The events of some actions on items that came since a moment, in order of arrival.

        Args:
            actions: Names of actions.
            seen: The moment, as an earlier call returned it; (-1, 0) for the beginning.

        Returns:
            The moment now, and item, user, action and timestamp of each event. Where something was
            deleted meanwhile, the first number of the moment differs and these are all events.
        """
        with self.read() as connection:
            return read_acts(connection, actions, seen)

    def events_on(self, user_id: str) -> list[Event]:
        """The events of others on a person, in order of arrival."""
        columns = tables.events.c
        query = sa.select(*rows.EVENT_COLUMNS).where(columns.person_id == user_id)
        with self.read() as connection:
            return [rows.event_of(row) for row in connection.execute(query.order_by(columns.seq))]

    def settle(self) -> None:
        """Empty SQLite's log into the file, so that nothing deleted stays in it.

        Where somebody reads meanwhile, what they need stays until the next time.
        """
        if self._engine.dialect.name == "sqlite":
            with translated(self._name), self._engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def service_keys(self) -> list[rows.Key]:
        """The keys of the service, those out of use too, oldest first."""
        with self.read() as connection:
            query = sa.select(tables.keys).order_by(tables.keys.c.created_at)
            return [rows.Key(*row) for row in connection.execute(query)]

    def impressions(self, user_id: str | None = None) -> Iterator[rows.Impression]:
        """Stream what was shown, oldest first.

        Args:
            user_id: Only what this user was shown; None for all.
        """
        with self.read() as connection:
            stream = connection.execution_options(yield_per=STREAM_ROWS)
            yield from read_impressions(stream, user_id)

    def outcomes(self) -> Iterator[tuple[str, int, str | None, str | None]]:
        """Stream every shown target with what came of it: request, position, target, action.

        The position counts from 1. The action is that of an event on the target that names the
        request; None where there is none, a row each where there are several.
        """
        with self.read() as connection:
            yield from read_outcomes(connection, self.impressions())

    def dataset(self, *, requests: bool = False, lists: bool = False) -> Dataset:
        """All events as arrays, in order of arrival, with the id maps of all users and items.

        Memory is that of the answer and of one batch; a million events take a few seconds.

        Args:
            requests: Whether to read which request led to each event.
            lists: Whether to read the lists that were answered, and at which place of its request's
                list the target of each event stood.
        """
        with self.read() as connection:
            connection = connection.execution_options(yield_per=EVENT_ROWS)
            data = read_events(connection, *read_maps(connection))
            if lists:
                data = replace(data, position=read_positions(connection))
                data = read_lists(connection, data)
            return replace(data, request=read_requests(connection)) if requests else data

    def events_between(
        self, after: int, until: int, users: IdMap, items: IdMap, is_tag: Mask
    ) -> Dataset:
        """Some events as arrays over the rows given; a target that is none of these has row -1.

        Args:
            after: The number of the last event to leave out.
            until: The number of the last event to read.
            users: Rows of users.
            items: Rows of items.
            is_tag: Which of them are tags, shape (items,).
        """
        with self.read() as connection:
            batches = connection.execution_options(yield_per=EVENT_ROWS)
            return read_events(batches, users, items, is_tag, after, until)

    def last_event(self) -> int:
        """The number of the event that arrived last; 0 for none."""
        with self.read() as connection:
            return connection.scalar(sa.select(sa.func.max(tables.events.c.seq))) or 0

    def counts(self) -> Counts:
        """How many records and events there are."""
        with self.read() as connection:
            found = (
                connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
                for table in (tables.items, tables.users, tables.events, tables.relations)
            )
            return Counts(*found)

    def event_scenarios(self) -> dict[str, int]:
        """How many events there are by the scenario they name. O(events)."""
        column = tables.events.c.scenario
        query = sa.select(column, sa.func.count()).where(column.is_not(None)).group_by(column)
        with self.read() as connection:
            return {name: count for name, count in connection.execute(query)}

    def event_actions(self) -> set[str]:
        """The actions of all events. O(events)."""
        with self.read() as connection:
            return set(connection.scalars(sa.select(tables.events.c.action).distinct()))

    def revision(self) -> int:
        """How many transactions have written something; every record carries its own."""
        with self.read() as connection:
            return connection.scalar(sa.select(tables.state.c.revision)) or 0

    def fingerprint(self) -> str:
        """A short text that changes whenever a record or event does: store and revision."""
        with self.read() as connection:
            state = tables.state.c
            store_id, revision = connection.execute(sa.select(state.store_id, state.revision)).one()
            return f"{store_id}-{revision}"

    def epoch(self) -> int:
        """How many transactions have added relations or deleted something."""
        with self.read() as connection:
            return connection.scalar(sa.select(tables.state.c.epoch)) or 0
