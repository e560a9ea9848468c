"""A pause after failures, so that a service that is down is not asked again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from polyscene.errors import LanguageModelError

__all__ = ["Breaker"]


class Breaker:
    """A circuit breaker. Safe to share between threads.

    After `failures` failures in a row everything is refused for `pause_s` seconds. Then one request
    is let through: if it succeeds all are, if not the next pause begins.

    Args:
        failures: How many failures in a row begin a pause.
        pause_s: How long it is.
        clock: Replaces `time.monotonic` in tests.
    """

    def __init__(
        self, failures: int, pause_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._allowed = failures
        self._pause_s = pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._until = 0.0
        self._trying = False

    def enter(self) -> None:
        """Ask whether a request may be sent.

        Raises:
            LanguageModelError: During a pause.
        """
        with self._lock:
            if self._failures < self._allowed:
                return
            left = self._until - self._clock()
            if left > 0 or self._trying:
                raise LanguageModelError(
                    f"not asked: {self._failures} requests in a row have failed; the next is "
                    f"tried in {max(left, 0.0):.0f} s"
                )
            self._trying = True

    def leave(self, succeeded: bool) -> None:
        """Say what came of a request that was let through."""
        with self._lock:
            self._trying = False
            if succeeded:
                self._failures = 0
                return
            self._failures += 1
            self._until = self._clock() + self._pause_s
