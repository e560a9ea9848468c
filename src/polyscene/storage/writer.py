"""Writing to the store, inside one transaction."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from polyscene.data.schema import Event, Item, Relation, User
from polyscene.errors import DataError
from polyscene.storage import tables
from polyscene.storage.rows import item_row, user_row

__all__ = ["StoreWriter", "chunks"]

CHUNK = 500
"""How many ids one query names; SQLite allows 999 variables in its oldest builds."""

KNOWN_IDS = 1_000_000
"""How many ids a writer remembers as present, so as not to ask again for each batch."""


def chunks(ids: Collection[str] | Collection[int]) -> Iterator[list[Any]]:
    """The ids in lists short enough for one query."""
    everything = list(ids)
    for start in range(0, len(everything), CHUNK):
        yield everything[start : start + CHUNK]


class StoreWriter:
    """Writes records in the transaction that `Store.write` opened.

    Args:
        connection: The connection that is in that transaction.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._postgresql = connection.dialect.name == "postgresql"
        self._known_items: set[str] = set()
        self._known_users: set[str] = set()
        self._revision: int | None = None

    def put_items(self, items: Sequence[Item]) -> None:
        """Insert items, each replacing the whole record that had its id."""
        self._upsert(tables.items, "item_id", [item_row(item, self._touch()) for item in items])

    def put_users(self, users: Sequence[User]) -> None:
        """Insert users, each replacing the whole record that had its id."""
        self._upsert(tables.users, "user_id", [user_row(user, self._touch()) for user in users])

    def add_events(self, events: Sequence[Event]) -> int:
        """Append events; returns how many were new.

        An event whose `event_id` is there already is left out. The target is the item of that
        id or, where there is none, the user. Acting users without a record get an empty one, and
        may be the targets of other events in the same call.

        Raises:
            DataError: When a target is neither an item nor a user, or a context is no item; nothing
                of the call is added.
        """
        actors = dict.fromkeys(event.user_id for event in events)
        targets = {event.item_id for event in events}
        items = self.known_items(targets)
        people = targets - items
        people_known = self._existing(
            tables.users.c.user_id, people - actors.keys(), self._known_users
        )
        unknown = people - actors.keys() - people_known
        if unknown:
            raise DataError(
                f"event on the unknown target {min(unknown)!r}; ingest the item (or user) of "
                f"that id before its events"
            )
        contexts = {event.context for event in events if event.context is not None}
        if missing := contexts - self.known_items(contexts):
            raise DataError(
                f"event about the unknown context {min(missing)!r}; ingest the item of that id "
                f"before its events"
            )
        self._add_bare_users(actors)
        rows = [_event_row(event, event.item_id in items) for event in events]
        return self._insert_new(tables.events, ("event_id",), rows)

    def put_relations(self, relations: Sequence[Relation]) -> int:
        """Add relations; returns how many were new."""
        rows = [dict(relation.__dict__) for relation in relations]
        return self._insert_new(tables.relations, ("subject", "predicate", "object"), rows)

    def put_taggers(self, origin: str, users: Collection[str]) -> None:
        """Note whose free tags stand in the texts of records; replaces what the origin had."""
        table = tables.taggers
        self._connection.execute(sa.delete(table).where(table.c.origin == origin))
        rows = [{"origin": origin, "user_id": name} for name in sorted(set(users))]
        self._insert_new(table, ("origin", "user_id"), rows)

    def known_items(self, ids: Collection[str]) -> set[str]:
        """Those of the ids that are the id of an item."""
        return self._existing(tables.items.c.item_id, set(ids), self._known_items)

    def known_targets(self, ids: Collection[str]) -> set[str]:
        """Those of the ids that are the id of an item or of a user."""
        wanted = set(ids)
        items = self.known_items(wanted)
        people = self._existing(tables.users.c.user_id, wanted - items, self._known_users)
        return items | people

    def _touch(self) -> int:
        """The revision of this transaction, counted up by its first real write."""
        if self._revision is None:
            column = tables.state.c.revision
            statement = sa.update(tables.state).values(revision=column + 1).returning(column)
            self._revision = int(self._connection.execute(statement).scalar_one())
        return self._revision

    def _insert(self, table: sa.Table) -> Any:
        return postgresql.insert(table) if self._postgresql else sqlite.insert(table)

    def _upsert(self, table: sa.Table, key: str, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        insert = self._insert(table)
        changed = {
            column.name: insert.excluded[column.name]
            for column in table.c
            if column.name not in ("seq", key)
        }
        upsert = insert.on_conflict_do_update(index_elements=[key], set_=changed)
        self._connection.execute(upsert, rows)

    def _insert_new(self, table: sa.Table, key: tuple[str, ...], rows: list[dict[str, Any]]) -> int:
        if not rows:
            return 0
        insert = self._insert(table).on_conflict_do_nothing(index_elements=list(key))
        statement = insert.values(dict.fromkeys(rows[0])).inline()  # asks for no keys back
        added = self._execute_many(statement, rows).rowcount
        if added:
            self._touch()
        return int(added)

    def _execute_many(self, statement: Any, rows: list[dict[str, Any]]) -> sa.CursorResult[Any]:
        """Run a statement for plain rows: text (also for JSON) and numbers, as the driver takes.

        Half of the time of a million events would go into SQLAlchemy's handling of each
        parameter; the compiled statement takes them as they are.
        """
        compiled = statement.compile(dialect=self._connection.dialect)
        if not compiled.positional:
            return self._connection.exec_driver_sql(str(compiled), rows)
        values = operator.itemgetter(*compiled.positiontup)
        return self._connection.exec_driver_sql(str(compiled), [values(row) for row in rows])

    def _add_bare_users(self, ids: Iterable[str]) -> None:
        ids = dict.fromkeys(ids)
        known = self._existing(tables.users.c.user_id, set(ids), self._known_users)
        missing = [name for name in ids if name not in known]
        if not missing:
            return
        bare = user_row(User(user_id="-"), self._touch()) | {"tags": "[]", "attributes": "{}"}
        rows = [{**bare, "user_id": name} for name in missing]
        self._insert_new(tables.users, ("user_id",), rows)
        self._known_users.update(missing)

    def _existing(self, column: sa.Column[str], ids: set[str], known: set[str]) -> set[str]:
        """Those of the ids that stand in a column; `known` remembers them."""
        found = ids & known
        for chunk in chunks(ids - found):
            query = sa.select(column).where(column.in_(chunk))
            found.update(self._connection.execute(query).scalars())
        if len(known) > KNOWN_IDS:
            known.clear()
        known |= found
        return found


def _event_row(event: Event, on_item: bool) -> dict[str, Any]:
    row = dict(event.__dict__)
    row["person_id"] = None if on_item else event.item_id
    if not on_item:
        row["item_id"] = None
    return row
