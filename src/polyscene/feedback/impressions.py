"""What was shown, written behind the answers: they do not wait for it."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from polyscene.errors import PolysceneError
from polyscene.logs import get_logger
from polyscene.storage import Impression, Store

__all__ = ["ImpressionLog"]

_log = get_logger(__name__)
_BATCH = 5_000


class ImpressionLog:
    """A bounded queue of impressions, written in batches by a thread of its own.

    A crash loses what was answered since the last write, at most `every_s` seconds. When the queue
    is full, because the store cannot keep up, the newest are dropped and counted.

    Args:
        store: The store.
        every_s: Seconds between two writes.
        size: Answers that may wait.
    """

    def __init__(self, store: Store, every_s: float = 1.0, size: int = 50_000) -> None:
        self._store = store
        self._every = every_s
        self._size = size
        self._waiting: deque[Impression] = deque()
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self.dropped = 0
        """Impressions that were not kept."""
        self.observe: Callable[[int], None] = lambda count: None
        """Told how many were written, at each try."""
        self._thread = threading.Thread(target=self._run, name="impressions", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, impression: Impression) -> None:
        """Keep what was shown; it takes a microsecond."""
        if len(self._waiting) >= self._size:
            self.dropped += 1
            return
        self._waiting.append(impression)

    def forget(self, user_id: str) -> None:
        """Drop what waits of a person, and take them out of what others were shown."""
        with self._writing:
            for _ in range(len(self._waiting)):
                one = self._waiting.popleft()
                if one.user_id != user_id:
                    targets = tuple(None if name == user_id else name for name in one.targets)
                    self._waiting.append(replace(one, targets=targets))

    def flush(self) -> None:
        """Write what waits now."""
        with self._writing:
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                try:
                    with self._store.write() as writer:
                        writer.add_impressions([_row(one) for one in some])
                except PolysceneError as error:
                    _log.warning("impressions could not be written, they wait: %s", error)
                    self._waiting.extendleft(reversed(some))
                    self.observe(0)
                    return
                self.observe(len(some))

    def close(self) -> None:
        """Write what waits and stop."""
        self._stop.set()
        self._thread.join()
        self.flush()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self.flush()
            except Exception:  # the thread must live: what waits is tried again
                _log.exception("impressions could not be written")


def _row(one: Impression) -> dict[str, Any]:
    return {
        "request_id": one.request_id,
        "user_id": one.user_id,
        "scenario": one.scenario,
        "context": one.context,
        "model": one.model,
        "variant": one.variant,
        "timestamp": one.timestamp,
        "targets": json.dumps(list(one.targets), ensure_ascii=False),
        "propensities": json.dumps(list(one.propensities)),
    }
