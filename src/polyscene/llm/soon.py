"""Answers that somebody waits for: within a time, or the next time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from pydantic import BaseModel

from polyscene.closing import Closing
from polyscene.errors import PolysceneError
from polyscene.llm.model import Failure, LanguageModel, Outcome, Request
from polyscene.llm.prompt import Prompt

__all__ = ["Soon"]

AnswerT = TypeVar("AnswerT", bound=BaseModel)

_WAITING = 16
"""Questions in the background, at most, for each that the model takes at once."""


class Soon(Closing):
    """Asks a language model in the background. Safe to share between threads.

    Args:
        model: The model; the caller closes it.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: dict[str, Future[Outcome[Any]]] = {}

    def ask(
        self, name: str, prompt: Prompt, requests: Sequence[Request[AnswerT]], budget_s: float
    ) -> list[Outcome[AnswerT]]:
        """What comes of each question within a time, in order.

        What is remembered is there at once. The rest is asked in the background, goes on there
        when the time is over, and is remembered for the next time. Where too much is under way
        already, nothing more is asked.

        Args:
            name: Of the job that each question is.
            prompt: The prompt.
            requests: The questions.
            budget_s: How long to wait, in seconds; 0 takes only what is remembered.
        """
        known = self.model.job(name).remembered(prompt, requests)
        begun = {
            key: self._begun(key, name, prompt, request)
            for (key, outcome), request in zip(known, requests, strict=True)
            if outcome is None
        }
        wait([future for future in begun.values() if future is not None], timeout=budget_s)
        return [_come(begun[key]) if outcome is None else outcome for key, outcome in known]

    def close(self) -> None:
        """Wait for what is being answered; what was not begun is dropped."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)
        with self._lock:
            self._under_way.clear()

    def _begun(
        self, key: str, name: str, prompt: Prompt, request: Request[AnswerT]
    ) -> Future[Outcome[AnswerT]] | None:
        """The question in the background; None where there is no room for it."""

        def work() -> Outcome[AnswerT]:
            try:
                return self.model.job(name).ask(prompt, [request])[0]
            finally:
                with self._lock:
                    self._under_way.pop(key, None)

        concurrency = self.model.chat.concurrency
        with self._lock:
            if key in self._under_way:
                return self._under_way[key]
            if len(self._under_way) >= _WAITING * concurrency:
                return None
            if self._pool is None:
                self._pool = ThreadPoolExecutor(concurrency, "llm-soon")
            self._under_way[key] = self._pool.submit(work)
            return self._under_way[key]


def _come(future: Future[Outcome[AnswerT]] | None) -> Outcome[AnswerT]:
    """What has come of a question."""
    if future is None:
        return Outcome(None, Failure.LATE, "the language model is busy")
    if not future.done():
        return Outcome(None, Failure.LATE, "the language model did not answer in time")
    try:
        return future.result()
    except PolysceneError as error:
        return Outcome(None, Failure.UNAVAILABLE, str(error))
