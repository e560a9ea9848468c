"""What others have written: which users are concerned, and whether more has changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from polyscene.storage import tables

__all__ = ["Changes", "Watch"]

_MANY = 10_000
"""Events from which on everybody counts as concerned."""

_STATE = sa.select(
    tables.state.c.revision,
    tables.state.c.epoch,
    sa.select(sa.func.max(tables.events.c.seq)).scalar_subquery(),
)
_EVENTS = (
    sa.select(tables.events.c.user_id, tables.events.c.person_id)
    .where(tables.events.c.seq > sa.bindparam("seq"))
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
    """Who acted, was acted on, or has a new record."""
    everybody: bool
    """Whether it may concern anybody: relations, deletions, or very many events."""


class Watch:
    """Looks whether a store has changed. Not safe for use by several threads at once.

    A look costs some microseconds on SQLite while nothing is written, whoever writes: it asks the
    number of commits that the file has seen. On PostgreSQL it is a short query.

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

    def look(self) -> Changes | None:
        """What has been written since the last look; None for nothing."""
        if self._cheap:
            # Asked of the driver itself: a transaction would hold the answer at its beginning.
            driver: Any = self._connection.connection.driver_connection
            commits = driver.execute("PRAGMA data_version").fetchone()[0]
            if commits == self._commits:
                return None
            self._commits = commits
        try:
            return self._changes()
        finally:
            self._connection.rollback()

    def _changes(self) -> Changes | None:
        execute = self._connection.execute
        revision, epoch, seq = execute(_STATE).one()
        seq = seq or 0
        if (revision, epoch) == (self._revision, self._epoch):
            return None
        users: set[str] = set()
        events = execute(_EVENTS, {"seq": self._seq}).all() if seq > self._seq else []
        for actor, person in events:
            users.add(actor)
            if person is not None:
                users.add(person)
        written = execute(_USERS, {"revision": self._revision}).scalars().all()
        users.update(written)
        many = len(events) == _MANY or len(written) == _MANY
        everybody = many or epoch != self._epoch
        self._revision, self._epoch, self._seq = revision, epoch, seq
        return Changes(users, everybody)
