"""The memory of a service that runs for months; does something where the C library is glibc."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

__all__ = ["give_back", "one_heap"]

_ARENA_MAX = -8
"""M_ARENA_MAX of glibc's malloc.h."""
_ARENAS = 1


def one_heap() -> None:
    """Let the threads of this process share one heap, where glibc makes one for each of them.

    What a thread frees is used again by all. With a heap for each, memory grows for hours until
    each has had its largest answer, fit or import. To be called before threads start.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Give memory that nothing uses any more, such as a replaced model's, back to the system."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
