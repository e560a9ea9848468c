"""What is known of users, kept in memory for as long as it is true."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from polyscene.data.dataset import IntArray
from polyscene.data.schema import Event
from polyscene.errors import WorkspaceError
from polyscene.fitting.past import Known, StorePast, nobody
from polyscene.fitting.places import Acts
from polyscene.logs import get_logger
from polyscene.storage import Changes, Watch
from polyscene.tracing import carried

__all__ = ["Entry", "LivePast"]

_log = get_logger(__name__)
_LATE = "the store is slow or down: the answer may lack the latest events"
_MOST_SINCE = 100
"""Events that are kept of a user who does not ask."""
_MOST_MADE = 20
"""Things kept that were made for one user."""


@dataclass(frozen=True, slots=True)
class _Made:
    moment: float
    """When, by the monotonic clock."""
    what: Any
    size: int


@dataclass(slots=True)
class Entry:
    """What is known of one user, and what was made of it. It is dropped as a whole."""

    known: Known
    since: list[Event] = field(default_factory=list)
    """What the user did since, to be added when it is asked for; the last to arrive first."""
    answers: dict[Any, Any] = field(default_factory=dict)
    """Answers that hold as long as this does, by what was asked."""
    made: dict[Hashable, _Made] = field(default_factory=dict)
    """What was made of it; see `LivePast.remember`."""
    earlier: dict[Hashable, _Made] = field(default_factory=dict)
    """What was made of what was known before the user did what they did last."""

    @property
    def outdated(self) -> dict[Hashable, _Made]:
        """What becomes of all that was made when the user does something."""
        return {**self.earlier, **self.made}


class LivePast:
    """The past of users, read once and kept up with what they do.

    A look at the store before each use tells what was written, in this process or another; so an
    event that was acknowledged counts in the next answer. What a user did with items is added to
    what is kept; whom other records concern is read anew. Answers are made by one thread, but any
    thread may call `entry`.

    Args:
        past: Where it is read.
        watch: What tells who was written about.
        size: How many users are kept.
        patience_s: How long the store is waited for before answers go on without it.
        kept_s: How long anything made for a user is kept, at most.
        room: Bytes of what was made for users that are kept.
    """

    def __init__(
        self,
        past: StorePast,
        watch: Watch,
        size: int = 20_000,
        patience_s: float = 0.5,
        kept_s: float = 60.0,
        room: int = 128 * 2**20,
    ) -> None:
        self._past = past
        self._watch = watch
        self._size = size
        self._patience = patience_s
        self._entries: OrderedDict[str | None, Entry] = OrderedDict()
        self._last: dict[str, Known] = {}
        self._taken: dict[Acts, IntArray] = {}
        self._kept_s, self._room = kept_s, room
        self._since = -math.inf
        self._sizes: OrderedDict[str | None, int] = OrderedDict()
        self._filled = 0
        self._lock = threading.Lock()
        self._loaded: dict[str | None, Known] = {}  # what is made do with, for one answer
        self._used: dict[str | None, Known] = {}  # what answers rest on
        self._reading: set[str | None] = set()
        self._outdated: set[str | None] = set()
        self._change: Callable[[Known], Known] | None = None
        self._changed: frozenset[str | None] = frozenset()
        self._reader = ThreadPoolExecutor(4, "past")
        self._looker = ThreadPoolExecutor(1, "watch")
        self._looking: Future[Changes | None] | None = None  # a look that was not waited for
        self.late: list[str] = []
        """What went wrong since it was last emptied, for the notes of an answer."""

    def close(self) -> None:
        """Give up its threads."""
        self._reader.shutdown(wait=False, cancel_futures=True)
        self._looker.shutdown(wait=False, cancel_futures=True)

    def use(self, past: StorePast) -> None:
        """Read elsewhere from now on; all that is kept is dropped."""
        with self._lock:
            self._past = past
            self._taken.clear()  # the rows may be others
            self._drop_all()

    def entry(self, user_id: str | None) -> Entry | None:
        """What is kept of a user, if it is still true."""
        with self._lock:
            self._follow()
            found = self._entries.get(user_id)
            if found is None:
                return None
            if found.since:
                known = self._past.grown(found.known, found.since)
                if known is None:
                    self._drop(user_id)
                    return None
                found = Entry(known, earlier=found.outdated)
                self._put(user_id, found)
            self._entries.move_to_end(user_id)
            return found

    def load(self, user_ids: Sequence[str]) -> None:
        """See `Past`. Where the store fails or is late, what was known last, or nothing."""
        self._loaded = {}
        unknown = [name for name in dict.fromkeys(user_ids) if self.entry(name) is None]
        if unknown:
            found = self._read(unknown)
            self._loaded = {name: own for name, own in found.items() if name not in self._entries}

    def of(self, user_id: str | None) -> Known:
        """See `Past`. Where the store fails or is late, what was known last, or nothing."""
        found = self.entry(user_id)
        known = self._loaded.get(user_id) if found is None else found.known
        if known is None:
            known = self._read([user_id])[user_id]
        self._used[user_id] = known
        change = self._change if user_id in self._changed else None
        return known if change is None else change(known)

    def taken(self, acts: Acts) -> IntArray:
        """See `Past`. Where the store fails or is late, what was counted last, or nothing."""
        try:
            found = self._reader.submit(self._past.taken, acts).result(self._patience)
        except (TimeoutError, WorkspaceError) as error:
            _log.warning("the places that are taken could not be counted: %s", error or "too slow")
            self.late.append("the store is slow or down: what is full may be shown")
            return self._taken.get(acts, np.zeros(0, np.int64))
        self._taken[acts] = found
        return found

    def recalled(self, user_id: str | None, key: Hashable) -> Any:
        """What was made for a user and still holds, or None."""
        if user_id in self._changed:
            return None
        entry = self.entry(user_id)
        found = None if entry is None else entry.made.get(key)
        if entry is None or found is None or not self.holds(found.moment):
            return None
        self._used[user_id] = entry.known
        return found.what

    def earlier(self, user_id: str | None, key: Hashable) -> tuple[float, Any] | None:
        """When and what was made for a user before they did what they did last, or None."""
        if user_id in self._changed:
            return None
        entry = self.entry(user_id)
        found = None if entry is None else entry.earlier.get(key)
        if found is None or not self.holds(found.moment):
            return None
        return found.moment, found.what

    def remember(
        self,
        user_id: str | None,
        key: Hashable,
        made: Any,
        size: int,
        known: Known,
        moment: float | None = None,
    ) -> None:
        """Keep what was made for a user, until something is written about them.

        When there is no room, what was made longest ago is dropped.

        Args:
            user_id: The user.
            key: What to recall it by.
            made: What was made.
            size: Its bytes.
            known: What was known of the user then; when that no longer holds, or anything went
                wrong meanwhile, nothing is kept.
            moment: When that was made on which it rests, by the monotonic clock; now when omitted.
        """
        with self._lock:
            entry = self._entries.get(user_id)
            if self.late or entry is None or entry.known is not known or entry.since:
                return
            if len(entry.made) >= _MOST_MADE:
                self._empty(user_id)
            before = (entry.earlier.pop(key, None), entry.made.get(key))
            more = size - sum(own.size for own in before if own is not None)
            entry.made[key] = _Made(time.monotonic() if moment is None else moment, made, size)
            self._sizes[user_id] = self._sizes.pop(user_id, 0) + more
            self._filled += more
            while self._filled > self._room:
                self._empty(next(iter(self._sizes)))

    def begin(self) -> None:
        """Answers begin of which `unchanged` may be asked afterwards."""
        self._used.clear()

    def unchanged(self, user_id: str | None) -> Entry | None:
        """What is kept of a user, if the answers since `begin` rest on it and it is still true."""
        entry = self.entry(user_id)
        if entry is None or self.late or entry.known is not self._used.get(user_id):
            return None
        return entry

    @property
    def in_time(self) -> bool:
        """Whether what is kept is known to be true, as of the last use."""
        return self._looking is None

    def holds(self, moment: float) -> bool:
        """Whether what was made at a moment of the monotonic clock may still be given."""
        return moment > max(self._since, time.monotonic() - self._kept_s)

    def forget_made(self) -> None:
        """Give nothing again that was made before; what is known of users stays."""
        self._since = time.monotonic()

    def _empty(self, user_id: str | None) -> None:
        """Drop what was made for a user."""
        self._filled -= self._sizes.pop(user_id, 0)
        if user_id in self._entries:
            self._entries[user_id].made.clear()
            self._entries[user_id].earlier.clear()

    @contextmanager
    def changed(
        self, change: Callable[[Known], Known] | None, users: Collection[str | None]
    ) -> Iterator[None]:
        """Inside the block, what is known of these users is what `change` makes of it."""
        self._change, self._changed = change, frozenset(users if change is not None else ())
        try:
            yield
        finally:
            self._change, self._changed, self._loaded = None, frozenset(), {}

    def _read(self, user_ids: Sequence[str | None]) -> dict[str | None, Known]:
        """What is known of some users, read together."""
        with self._lock:
            self._reading, self._outdated = set(user_ids), set()
        found: dict[str | None, Known] = {}

        def read() -> None:
            for name in user_ids:
                found[name] = self._past.of(name)

        try:
            self._reader.submit(carried(read)).result(self._patience)
        except (TimeoutError, WorkspaceError) as error:
            _log.warning("what is known of users could not be read: %s", error or "too slow")
            self.late.append(_LATE)
        known = dict(found)
        with self._lock:
            self._follow()  # what came meanwhile may or may not have been read
            for name, own in known.items():
                if name not in self._outdated:
                    self._keep(name, own)
            self._reading = set()
        for name in user_ids:
            if name not in known:
                known[name] = self._last.get(name or "") or nobody(name)
        return known

    def _keep(self, user_id: str | None, known: Known) -> None:
        self._put(user_id, Entry(known))
        while len(self._entries) > self._size:
            self._put(next(iter(self._entries)), None)

    def _put(self, user_id: str | None, entry: Entry | None) -> Entry | None:
        """Keep an entry in place of the one there is, or none; returns that one."""
        if entry is None or not entry.earlier:
            self._filled -= self._sizes.pop(user_id, 0)
        before = self._entries.get(user_id)
        if entry is not None:
            self._entries[user_id] = entry
        elif before is not None:
            del self._entries[user_id]
        return before

    def _follow(self) -> None:
        """Drop what is no longer true, of what the store says in time."""
        if self._looking is not None:
            if not self._looking.done():
                self.late.append(_LATE)
                return
            self._apply(self._looking)  # as it was then: more may have been written since
            self._looking = None
        try:
            if not self._watch.moved():
                return
        except Exception as error:  # the store is down: what is kept is the best there is
            _log.warning("the store cannot be watched: %s", error)
            return
        look = self._looker.submit(self._watch.look)
        if wait([look], self._patience).done:
            self._apply(look)
            return
        _log.warning("the store cannot be watched: too slow")
        self.late.append(_LATE)
        self._looking = look

    def _apply(self, look: Future[Changes | None]) -> None:
        try:
            changes = look.result()
        except Exception as error:
            _log.warning("the store cannot be watched: %s", error)
            self.late.append(_LATE)
            return
        if changes is None:
            return
        if changes.everybody:
            self._drop_all()
            self._last.clear()  # it may hold somebody who was erased
            return
        self._outdated |= self._reading & {*changes.users, *changes.acted}
        for name in changes.acted:
            found = self._entries.get(name)
            if found is None:
                continue
            since = [*changes.done(name), *found.since]
            if len(since) > _MOST_SINCE:  # of somebody who does not ask: read when they do
                self._drop(name)
            else:
                self._put(name, Entry(found.known, since, earlier=found.outdated))
        for name in changes.users:
            self._drop(name)
        while len(self._last) > self._size:
            del self._last[next(iter(self._last))]

    def _drop(self, name: str | None) -> None:
        dropped = self._put(name, None)
        if dropped is not None and name is not None:
            self._last[name] = dropped.known

    def _drop_all(self) -> None:
        self._entries.clear()
        self._used.clear()
        self._sizes.clear()
        self._filled = 0
        self._outdated |= self._reading
