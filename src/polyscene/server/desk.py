"""Questions on the way to the one thread that answers: what waits there is answered together.

Scores of many users come from one product of matrices, which takes little longer than that of one
user. Nobody waits for company; but all who come while the thread is busy are answered together.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

from polyscene.tracing import carried

__all__ = ["Desk"]

AskedT = TypeVar("AskedT")
GivenT = TypeVar("GivenT")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[AskedT, GivenT]):
    question: AskedT
    done: asyncio.Future[GivenT]
    answer: Callable[[Sequence[AskedT]], Sequence[GivenT | Exception]]
    """What answers, with its spans below that of this question."""


class Desk(Generic[AskedT, GivenT]):
    """Takes questions in an event loop and has them answered in a thread.

    Args:
        thread: The thread; other work may be given to it as well, and has its turn.
        answer: Answers some questions, each with a result or with what went wrong.
        most: Questions that are answered together, at most.
    """

    def __init__(
        self,
        thread: Executor,
        answer: Callable[[Sequence[AskedT]], Sequence[GivenT | Exception]],
        most: int = 32,
    ) -> None:
        self._thread = thread
        self._answer = answer
        self._most = most
        self._waiting: deque[_Waiting[AskedT, GivenT]] = deque()
        self._lock = threading.Lock()
        self._busy = False

    async def ask(self, question: AskedT) -> GivenT:
        """The answer to a question.

        Raises:
            Exception: What the answer says went wrong.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[GivenT] = loop.create_future()
        with self._lock:
            self._waiting.append(_Waiting(question, done, carried(self._answer)))
            idle, self._busy = not self._busy, True
        if idle:  # after what has come in the same turn of the loop
            loop.call_soon(self._thread.submit, self._work, loop)
        return await done

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer those who wait, once; who came meanwhile has a later turn."""
        with self._lock:
            count = min(self._most, len(self._waiting))
            some = [self._waiting.popleft() for _ in range(count)]
        some = [one for one in some if not one.done.cancelled()]
        try:
            found = some[0].answer([one.question for one in some]) if some else ()
        except Exception as error:
            found = [error] * len(some)
        loop.call_soon_threadsafe(_settle, [one.done for one in some], found)
        with self._lock:
            self._busy = bool(self._waiting)
        if self._busy:
            self._thread.submit(self._work, loop)


def _settle(waiting: Sequence[asyncio.Future[GivenT]], found: Sequence[GivenT | Exception]) -> None:
    for done, result in zip(waiting, found, strict=True):
        if done.done():
            continue
        if isinstance(result, Exception):
            done.set_exception(result)
        else:
            done.set_result(result)
