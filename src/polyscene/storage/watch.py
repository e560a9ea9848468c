"""What others have written: which users are concerned, and whether more has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from polyscene.data.schema import Event
from polyscene.storage import rows, tables

__all__ = ["Changes", "Watch"]

_MANY = 10_000
"""Events from which on everybody counts as concerned."""

_STATE = sa.select(
    tables.state.c.revision,
    tables.state.c.epoch,
    sa.select(sa.func.max(tables.events.c.seq)).scalar_subquery(),
)
_EVENTS = (
    sa.select(tables.events.c.user_id, tables.events.c.person_id, *rows.EVENT_COLUMNS)
    .where(tables.events.c.seq > sa.bindparam("seq"))
    .order_by(tables.events.c.seq)
    .limit(_MANY)
)
_USERS = (
    sa.select(tables.users.c.user_id)
    .where(tables.users.c.revision > sa.bindparam("revision"))
    .limit(_MANY)
)


@dataclass(frozen=True, slots=True)
class Changes:
    """What has been written since the last look."""

    users: Collection[str]
    """Who met somebody, was met, or has a new record."""
    acted: Mapping[str, Sequence[sa.Row[Any]]]
    """What others did with items, by user; see `done`."""
    everybody: bool
    """Whether it may concern anybody: relations, deletions, or very many events."""

    def done(self, user_id: str) -> list[Event]:
        """What one of those who acted did with items, the last to arrive first."""
        return [rows.event_of(row[2:]) for row in reversed(self.acted[user_id])]


class Watch:
    """Looks whether a store has changed. Not safe for use by several threads at once.

    On SQLite `moved` costs some microseconds while nothing is written, whoever writes, and reads a
    page at most: it asks the number of commits that the file has seen. On PostgreSQL only a look,
    a short query, tells.

    Args:
        engine: The engine of the store.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._connection = engine.connect()
        self._cheap = engine.dialect.name == "sqlite"
        self._commits: Any = None
        self._revision, self._epoch, self._seq = 0, 0, 0
        self.look()

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def moved(self) -> bool:
        """Whether a look could find something."""
        return not self._cheap or self._count() != self._commits

    def look(self) -> Changes | None:
        """What has been written since the last look; None for nothing."""
        commits = self._count() if self._cheap else None
        if self._cheap and commits == self._commits:
            return None
        try:
            found = self._changes()
        finally:
            self._connection.rollback()
        self._commits = commits  # only now: what failed is looked at again
        return found

    def _count(self) -> Any:
        # Asked of the driver itself: a transaction would hold the answer at its beginning.
        driver: Any = self._connection.connection.driver_connection
        return driver.execute("PRAGMA data_version").fetchone()[0]

    def _changes(self) -> Changes | None:
        execute = self._connection.execute
        revision, epoch, seq = execute(_STATE).one()
        seq = seq or 0
        if (revision, epoch) == (self._revision, self._epoch):
            return None
        users, acted = set[str](), dict[str, list[sa.Row[Any]]]()
        events = execute(_EVENTS, {"seq": self._seq}).all() if seq > self._seq else []
        for event in events:
            actor, person = event[:2]
            if person is not None:
                users |= {actor, person}
            acted.setdefault(actor, []).append(event)
        written = execute(_USERS, {"revision": self._revision}).scalars().all()
        users.update(written)
        many = len(events) == _MANY or len(written) == _MANY
        everybody = many or epoch != self._epoch
        self._revision, self._epoch, self._seq = revision, epoch, seq
        alone = {name: own for name, own in acted.items() if name not in users}
        return Changes(users, alone, everybody)
