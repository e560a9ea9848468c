"""Connections to the database of a store, and what its errors mean to a person."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from polyscene.errors import WorkspaceError
from polyscene.extras import require
from polyscene.storage import migrations

__all__ = ["WRITE", "connect", "roomy", "translated"]

LOCK_TIMEOUT_S = 10
"""How long a writer waits for another process that writes; `?timeout=` in the URL changes it."""

WRITE = {"polyscene_write": True}
"""Execution options of a connection whose transaction takes the write lock at its start."""

_PAGES, _MANY_PAGES = -8192, -65536
"""KiB of pages that a connection keeps for itself; beyond that they come from the system's cache of
the file, which all share. Many while much is written: the indexes of a few million events."""

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    # FULL syncs the log at every commit, so that an acknowledged write also survives a power
    # cut; NORMAL survives only the death of the process. Measured: 4.0 against 1.0 ms a commit.
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA cache_size={_PAGES}",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA secure_delete=ON",  # what is deleted is overwritten, so that an erasure is one
)


def connect(url: str) -> sa.Engine:
    """An engine on the store at an SQLAlchemy URL, created or migrated as needed.

    Raises:
        WorkspaceError: When it cannot be opened or written, is locked, is not a store, or was
            written by a newer version.
    """
    parsed = _parse(url)
    name = parsed.render_as_string(hide_password=True)
    options: dict[str, Any] = {}
    if parsed.get_backend_name() == "sqlite":
        _check_file(parsed)
        if "timeout" not in parsed.query:
            options["connect_args"] = {"timeout": LOCK_TIMEOUT_S}
    engine = sa.create_engine(
        parsed,
        json_serializer=partial(json.dumps, ensure_ascii=False, separators=(",", ":")),
        max_overflow=64,
        **options,
    )
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    try:
        with translated(name):
            _migrate(engine, name)
    except WorkspaceError:
        engine.dispose()
        raise
    return engine


@contextmanager
def roomy(connection: sa.Connection) -> Iterator[None]:
    """Inside the block, a connection to SQLite may keep many pages in memory."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA cache_size={_MANY_PAGES}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA cache_size={_PAGES}")


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        raise WorkspaceError(
            f"not a store URL: {url!r}; expected sqlite:///path/to/store.db or "
            f"postgresql://user@host/database"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        require("psycopg", "postgres", "a store on PostgreSQL")
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise WorkspaceError(
            f"unknown kind of store {backend!r}; the store is on sqlite or postgresql"
        )
    return parsed


def _check_file(url: sa.URL) -> None:
    """Refuse what SQLite itself would only report as "unable to open database file"."""
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        return
    path = Path(url.database)
    if not path.parent.is_dir():
        raise WorkspaceError(f"cannot create the store {path}: no folder {path.parent}")
    if path.is_dir():
        raise WorkspaceError(f"cannot open the store {path}: it is a folder, not a file")
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.R_OK | os.W_OK):
            raise WorkspaceError(
                f"the store {path} cannot be read and written: check the permissions of {place}"
            )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not send BEGIN: _begin_sqlite does
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that begins as a reader and then writes fails at once when another has
    # written meanwhile; taking the lock first makes it wait instead.
    write = connection.get_execution_options().get("polyscene_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _migrate(engine: sa.Engine, name: str) -> None:
    with engine.connect() as connection:
        if migrations.current_version(connection, name) == migrations.VERSIONS[-1]:
            return
    with engine.connect().execution_options(**WRITE) as connection, connection.begin():
        # Another process may have done it while this one waited for the lock.
        if migrations.current_version(connection, name) != migrations.VERSIONS[-1]:
            migrations.upgrade(connection)


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn errors of the database into errors that say what to do.

    Args:
        name: The store, for the message.

    Raises:
        WorkspaceError: In place of the database's own error. An `IntegrityError` passes: it is
            a mistake of this program, not of the workspace.
    """
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise WorkspaceError(f"the store {name} {_meaning(str(error.orig))}") from error


def _meaning(message: str) -> str:
    meanings = {
        "locked": "is being written by another process; try again when that has finished",
        "unable to open": "cannot be opened; check that its folder exists and may be written",
        "not a database": "is not an SQLite database; move the file away or name another one",
        "malformed": "is damaged; restore it from a copy, or ingest the files again",
        "readonly": "is read-only; polyscene needs to write to it and to its folder",
        "disk is full": "cannot grow: the disk is full",
    }
    for sign, meaning in meanings.items():
        if sign in message:
            return f"{meaning} ({message})"
    return f"failed: {message}"
