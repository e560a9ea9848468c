"""Vectors of one encoder in a SQLite file, shared by processes, expendable when damaged."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from polyscene.component import Vectors
from polyscene.logs import get_logger

__all__ = ["VectorFile"]

log = get_logger(__name__)

KEYS_A_STATEMENT = 500
BUSY_TIMEOUT_S = 30.0
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""Primary error codes that say the file is not ours or not whole. SQLITE_ERROR is a missing
table or column: the statements themselves are fixed."""

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT)",
    "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)",
)

ResultT = TypeVar("ResultT")


class _ForeignFileError(sqlite3.DatabaseError):
    """The file holds the vectors of another encoder."""


class VectorFile:
    """A persistent map from 32-byte keys to vectors.

    Whatever happens to the file, a caller at worst finds nothing in it: a damaged file is set
    aside with a warning and begun anew, and one that cannot be written is not used. Safe to share
    between threads, processes and forks.

    Args:
        folder: Where the file is; created when needed.
        encoder_id: The encoder whose vectors it holds; each id has a file of its own.
    """

    def __init__(self, folder: Path, encoder_id: str) -> None:
        slug = re.sub(r"[^a-z0-9]+", "-", encoder_id.lower()).strip("-")[:40].strip("-")
        digest = hashlib.sha256(encoder_id.encode("utf-8", "surrogatepass")).hexdigest()
        self.path = folder / f"{slug}-{digest[:24]}.sqlite"
        self._encoder_id = encoder_id
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._inherited: sqlite3.Connection | None = None
        self._opened: tuple[int, int] = (0, 0)  # process, inode
        self._unusable = False

    def dim(self) -> int | None:
        """Number of components of the vectors, or None when there are none yet."""

        def read(connection: sqlite3.Connection) -> int | None:
            row = connection.execute("SELECT value FROM meta WHERE name = 'dim'").fetchone()
            return int(row[0]) if row and str(row[0]).isdigit() else None

        return self._guarded(read, None)

    def read(self, keys: Sequence[bytes], dim: int) -> dict[bytes, Vectors]:
        """The vectors of those keys that are there and whole: unit or zero, of `dim` components."""

        def fetch(connection: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
            rows: list[tuple[bytes, bytes]] = []
            for start in range(0, len(keys), KEYS_A_STATEMENT):
                some = keys[start : start + KEYS_A_STATEMENT]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, vector FROM vectors WHERE key IN ({marks})"
                rows.extend(connection.execute(query, some))
            return rows

        nothing: list[tuple[bytes, bytes]] = []
        rows = [row for row in self._guarded(fetch, nothing) if len(row[1]) == 4 * dim]
        if not rows:
            return {}
        matrix = np.frombuffer(b"".join(blob for _, blob in rows), dtype="<f4").reshape(-1, dim)
        with np.errstate(over="ignore", invalid="ignore"):
            norms = np.einsum("ij,ij->i", matrix, matrix)
        whole = (np.abs(norms - 1.0) < 1e-3) | (norms == 0.0)
        return {key: matrix[row] for row, (key, _) in enumerate(rows) if whole[row]}

    def write(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keep vectors, shape (number of keys, dim); committed when this returns."""
        blobs = np.ascontiguousarray(vectors, dtype="<f4")
        rows = [(key, blobs[row].tobytes()) for row, key in enumerate(keys)]

        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(
                    "INSERT OR REPLACE INTO meta VALUES ('dim', ?)", (str(vectors.shape[1]),)
                )
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

        self._guarded(insert, None)

    def remove(self, keys: Sequence[bytes]) -> int:
        """Remove vectors, overwriting them on disk; returns how many there were."""

        def delete(connection: sqlite3.Connection) -> int:
            connection.execute("PRAGMA secure_delete = ON")
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                removed = sum(
                    connection.execute("DELETE FROM vectors WHERE key = ?", (key,)).rowcount
                    for key in keys
                )
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return removed

        return self._guarded(delete, 0)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None and self._opened[0] == os.getpid():
                self._connection.close()
            self._connection = None

    def _guarded(
        self, action: Callable[[sqlite3.Connection], ResultT], otherwise: ResultT
    ) -> ResultT:
        """What `action` gives, once more on a fresh file after damage; else `otherwise`."""
        with self._lock:
            for _ in range(2):
                if self._unusable:
                    return otherwise
                try:
                    return action(self._open())
                except sqlite3.Error as error:
                    if _is_damage(error):
                        self._set_aside(error)
                    else:
                        self._give_up(error)
                except OSError as error:
                    self._give_up(error)
            return otherwise

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._opened[0] == os.getpid():
            return self._connection
        self._inherited = self._connection  # closing it here would disturb the parent process
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        self._connection = connection
        self._opened = (os.getpid(), self.path.stat().st_ino)
        _use_wal(connection)
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA:
                connection.execute(statement)
            connection.execute(
                "INSERT OR IGNORE INTO meta VALUES ('encoder', ?)", (self._encoder_id,)
            )
        row = connection.execute("SELECT value FROM meta WHERE name = 'encoder'").fetchone()
        if row is None or row[0] != self._encoder_id:
            raise _ForeignFileError("it belongs to another encoder")
        return connection

    def _set_aside(self, error: sqlite3.Error) -> None:
        inode = self._opened[1]
        self.close()
        try:
            if self.path.stat().st_ino != inode:
                return  # another process has replaced the damaged file already
            aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
            self.path.rename(aside)
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        except FileNotFoundError:
            return
        except OSError as failure:
            self._give_up(failure)
            return
        log.warning(
            "the embedding cache %s is damaged (%s); it was set aside as %s and is built anew",
            self.path,
            error,
            aside.name,
        )

    def _give_up(self, error: Exception) -> None:
        self.close()
        self._unusable = True
        log.warning(
            "the embedding cache %s cannot be used (%s); going on without it", self.path, error
        )


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, _ForeignFileError) or (code is not None and code & 0xFF in DAMAGE)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work at once; every commit survives the end of the process."""
    connection.execute("PRAGMA synchronous = NORMAL")
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            # SQLite does not wait for a lock here, whatever its timeout.
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
