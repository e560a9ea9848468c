"""Threads of this process, and BLAS without threads of its own.

Several threads, each with a single-threaded BLAS, are the fastest and by far the steadiest on a
busy machine (docs/benchmarks.md). Small products only wait for threads in any case.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any, TypeVar

__all__ = ["THREADS", "ahead", "single_threaded_blas", "workers"]

R = TypeVar("R")
T = TypeVar("T")

THREADS = min(8, os.cpu_count() or 1)
"""How many threads `workers` has."""

_lock = threading.Lock()
_pool: tuple[int, ThreadPoolExecutor] | None = None
_inside = 0
_limit: AbstractContextManager[Any] = nullcontext()


def workers() -> ThreadPoolExecutor:
    """The threads of this process, for work that waits for none of them.

    A forked child has its own.
    """
    global _pool
    with _lock:
        if _pool is None or _pool[0] != os.getpid():
            pool = ThreadPoolExecutor(THREADS, thread_name_prefix="polyscene")
            _pool = (os.getpid(), pool)
        return _pool[1]


def ahead(work: Callable[[T], R], things: Iterable[T]) -> Generator[R]:
    """The results of some work in order, those of the next things being made meanwhile.

    As many as there are threads are made at once, each with a single-threaded BLAS. The things are
    taken from their source by the caller's thread.
    """

    def quietly(thing: T) -> R:
        with single_threaded_blas():
            return work(thing)

    pool, waiting = workers(), deque[Future[R]]()
    try:
        for thing in things:
            waiting.append(pool.submit(quietly, thing))
            if len(waiting) > THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:  # what nobody takes any more
            future.cancel()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS to one thread.

    The limit belongs to the process, so the first of several concurrent callers sets it and the
    last lifts it: each on its own would restore what another had set.
    """
    global _inside, _limit
    with _lock:
        if _inside == 0:
            _limit = _controller().limit(limits=1)
            _limit.__enter__()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limit.__exit__(None, None, None)


@cache
def _controller() -> Any:
    """Kept, for finding the libraries takes longer than a short text."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
