"""Writing to the store, inside one transaction."""

from __future__ import annotations

import dataclasses
import json
import operator
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from polyscene.data.schema import Event, Item, Relation, User
from polyscene.data.tags import GivenTag
from polyscene.errors import DataError
from polyscene.storage import tables
from polyscene.storage.rows import Key, item_row, user_row

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
        self._turned = False

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
        added = self._insert_new(tables.relations, ("subject", "predicate", "object"), rows)
        if added:
            self._turn()
        return added

    def remove_relations(self, relations: Sequence[Relation]) -> int:
        """Remove relations; returns how many were there."""
        columns, removed = tables.relations.c, 0
        for one in relations:
            removed += self._connection.execute(
                sa.delete(tables.relations).where(
                    columns.subject == one.subject,
                    columns.predicate == one.predicate,
                    columns.object == one.object,
                )
            ).rowcount
        if removed:
            self._turn()
        return removed

    def remove_item(self, item_id: str) -> bool:
        """Remove an item with the events on it or about it; whether it was there.

        What is said of it by relations stays where a user has the same id.
        """
        events, items, users = tables.events.c, tables.items.c, tables.users.c
        relations = tables.relations.c
        execute = self._connection.execute
        if not self.known_items([item_id]):
            return False
        execute(
            sa.delete(tables.events).where(
                (events.item_id == item_id) | (events.context == item_id)
            )
        )
        if execute(sa.select(users.seq).where(users.user_id == item_id)).first() is None:
            execute(
                sa.delete(tables.relations).where(
                    (relations.subject == item_id) | (relations.object == item_id)
                )
            )
        execute(sa.delete(tables.reviews).where(tables.reviews.c.item_id == item_id))
        execute(sa.delete(tables.notes).where(_on(item_id, "item")))
        execute(sa.delete(tables.given_tags).where(tables.given_tags.c.item_id == item_id))
        execute(sa.delete(tables.items).where(items.item_id == item_id))
        self._known_items.discard(item_id)
        self._turn()
        return True

    def remove_events(self, user_id: str, target: str) -> int:
        """Remove what a user did with an item or a person; returns how many events that were."""
        events = tables.events.c
        on_target = (events.item_id == target) | (events.person_id == target)
        delete = sa.delete(tables.events).where((events.user_id == user_id) & on_target)
        removed = self._connection.execute(delete).rowcount
        if removed:
            self._turn()
        return removed

    def erase_user(self, user_id: str) -> dict[str, int]:
        """Remove everything that is held on a person; how much there was of each kind.

        Relations are theirs where no item has the same id, or where the other end is a user. In
        what was shown to others, their place as a target becomes empty.
        """
        execute, erased = self._connection.execute, {}
        events, relations, shown = tables.events, tables.relations, tables.impressions
        theirs = (relations.c.subject == user_id) | (relations.c.object == user_id)
        if self.known_items([user_id]):
            people = sa.select(tables.users.c.user_id)
            theirs = ((relations.c.subject == user_id) & relations.c.object.in_(people)) | (
                (relations.c.object == user_id) & relations.c.subject.in_(people)
            )
        for name, table, condition in (
            ("events", events, events.c.user_id == user_id),
            ("events on them", events, events.c.person_id == user_id),
            ("relations", relations, theirs),
            ("impressions", shown, shown.c.user_id == user_id),
            ("reviews", tables.reviews, tables.reviews.c.person_id == user_id),
            ("notes", tables.notes, _on(user_id, "user")),
            ("answers", tables.llm_answers, tables.llm_answers.c.subject == user_id),
            ("tags given", tables.given_tags, tables.given_tags.c.user_id == user_id),
            ("users", tables.users, tables.users.c.user_id == user_id),
        ):
            erased[name] = execute(sa.delete(table).where(condition)).rowcount
        erased["shown to others"] = self._blank_target(user_id)
        self._known_users.discard(user_id)
        self._turn()
        return erased

    def _blank_target(self, user_id: str) -> int:
        """Take a person out of the lists of people that others were shown."""
        shown = tables.impressions
        quoted = json.dumps(user_id, ensure_ascii=False)
        query = sa.select(shown.c.seq, shown.c.targets).where(
            sa.cast(shown.c.targets, sa.Text).contains(quoted, autoescape=True)
        )
        known, count = bool(self.known_items([user_id])), 0
        for seq, targets in [] if known else self._connection.execute(query).all():
            if user_id in targets:
                blank = [None if target == user_id else target for target in targets]
                self._connection.execute(
                    sa.update(shown).where(shown.c.seq == seq).values(targets=blank)
                )
                count += 1
        return count

    def repeated(self, event_ids: Collection[str]) -> set[str]:
        """Those of the ids that are the id of an event."""
        return self._existing(tables.events.c.event_id, set(event_ids), set())

    def add_impressions(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append what was shown, one row of the table `impressions` an answer."""
        if rows:
            statement = sa.insert(tables.impressions).values(dict.fromkeys(rows[0])).inline()
            self._execute_many(statement, list(rows))

    def put_given_tags(self, origin: str, given: Collection[GivenTag]) -> None:
        """Keep which users gave which tags to items; replaces what the origin had."""
        table = tables.given_tags
        self._connection.execute(sa.delete(table).where(table.c.origin == origin))
        rows = [{**dataclasses.asdict(one), "origin": origin} for one in given]
        self._insert_new(table, ("user_id", "item_id", "tag", "origin"), rows)

    def known_items(self, ids: Collection[str]) -> set[str]:
        """Those of the ids that are the id of an item."""
        return self._existing(tables.items.c.item_id, set(ids), self._known_items)

    def known_targets(self, ids: Collection[str]) -> set[str]:
        """Those of the ids that are the id of an item or of a user."""
        wanted = set(ids)
        items = self.known_items(wanted)
        people = self._existing(tables.users.c.user_id, wanted - items, self._known_users)
        return items | people

    def add_reviews(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append decisions, rows of the table `reviews`; their targets count as changed."""
        self._connection.execute(sa.insert(tables.reviews), list(rows))
        self._changed(tables.items, tables.items.c.item_id, {row["item_id"] for row in rows})
        self.changed_users({row["person_id"] for row in rows})

    def changed_users(self, user_ids: Collection[str | None]) -> None:
        """Count users as changed, since what is known of them beside their records has."""
        self._changed(tables.users, tables.users.c.user_id, user_ids)

    def _changed(self, table: sa.Table, key: Any, ids: Collection[str | None]) -> None:
        for chunk in chunks({one for one in ids if one is not None}):
            changed = sa.update(table).where(key.in_(chunk))
            self._connection.execute(changed.values(revision=self._touch()))

    def add_key(self, key: Key) -> None:
        """Keep a key of the service."""
        self._connection.execute(sa.insert(tables.keys), dataclasses.asdict(key))

    def revoke_key(self, key_id: str, now: float) -> bool:
        """Take a key out of use; whether it was in use."""
        columns = tables.keys.c
        revoke = sa.update(tables.keys).values(revoked_at=now)
        condition = (columns.key_id == key_id) & columns.revoked_at.is_(None)
        return self._connection.execute(revoke.where(condition)).rowcount > 0

    def _touch(self) -> int:
        """The revision of this transaction, counted up by its first real write."""
        if self._revision is None:
            column = tables.state.c.revision
            statement = sa.update(tables.state).values(revision=column + 1).returning(column)
            self._revision = int(self._connection.execute(statement).scalar_one())
        return self._revision

    def _turn(self) -> None:
        """Count a change that no record tells, once for this transaction."""
        if not self._turned:
            self._touch()
            column = tables.state.c.epoch
            self._connection.execute(sa.update(tables.state).values(epoch=column + 1))
            self._turned = True

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


def _on(subject: str, kind: str) -> sa.ColumnElement[bool]:
    """The notes on an item or a user."""
    return (tables.notes.c.kind == kind) & (tables.notes.c.subject == subject)


def _event_row(event: Event, on_item: bool) -> dict[str, Any]:
    row = dict(event.__dict__)
    row["person_id"] = None if on_item else event.item_id
    if not on_item:
        row["item_id"] = None
    return row
