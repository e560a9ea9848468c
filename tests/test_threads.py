"""Threads of the process, and BLAS without threads of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import threadpoolctl

from polyscene.threads import THREADS, ahead, single_threaded_blas


def blas_threads() -> list[int]:
    return [p["num_threads"] for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]


def test_results_come_in_order_from_other_threads() -> None:
    """However long each takes; the things are taken by the caller."""
    taken: list[threading.Thread] = []
    slow = threading.Event()

    def things() -> Iterator[int]:
        for thing in range(20):
            taken.append(threading.current_thread())
            yield thing

    def work(thing: int) -> tuple[int, bool]:
        if thing == 0:
            slow.wait(0.05)
        return thing, threading.current_thread() is threading.main_thread()

    assert list(ahead(work, things())) == [(thing, False) for thing in range(20)]
    assert set(taken) == {threading.main_thread()}
    assert list(ahead(work, iter(()))) == []


def test_no_more_is_taken_than_threads_can_work_on() -> None:
    taken: list[int] = []

    def things() -> Iterator[int]:
        for thing in range(50):
            taken.append(thing)
            yield thing

    found = ahead(abs, things())
    assert next(found) == 0
    assert len(taken) == THREADS + 1
    found.close()
    assert len(taken) == THREADS + 1


def test_an_error_reaches_the_caller() -> None:
    def work(thing: int) -> int:
        raise ValueError(f"no {thing}")

    with pytest.raises(ValueError, match="no 3"):
        list(ahead(work, [3, 4, 5]))


def test_blas_has_one_thread_inside_and_its_threads_afterwards() -> None:
    before = blas_threads()
    with single_threaded_blas():
        with single_threaded_blas():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
        assert all(one == {1} for one in ahead(lambda _: set(blas_threads()), range(5)))
    assert blas_threads() == before
