"""Locks between processes, on files: the kernel frees them, however their holder ends."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from polyscene.errors import BusyError

__all__ = ["held", "hold"]


def hold(path: Path, busy: str) -> IO[bytes]:
    """A lock, held until it is closed here and in every process that inherited it.

    Args:
        path: The file.
        busy: What to say where somebody holds it.

    Raises:
        BusyError: When somebody holds it.
    """
    lock = path.open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise BusyError(busy) from None
    return lock


def held(path: Path) -> bool:
    """Whether somebody holds a lock."""
    try:
        hold(path, "").close()
    except (BusyError, OSError):
        return True
    return False
