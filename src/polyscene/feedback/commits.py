"""Group commit: what many callers write at once is one transaction.

A commit that is flushed to disk costs milliseconds, whether it holds one event or a thousand. While
one is under way, the writes that arrive wait together, and are the next one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

from polyscene.data.schema import Event
from polyscene.errors import DataError, PolysceneError, WorkspaceError
from polyscene.logs import get_logger
from polyscene.storage import Store, StoreWriter

__all__ = ["Added", "Commits"]

ResultT = TypeVar("ResultT")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Added:
    """What came of some events."""

    accepted: int
    repeated: int
    """Left out, because an event of the same event_id was there already."""


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who waits for an outcome."""

    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What is to be written: events, or what a function writes."""

    caller: _Caller
    events: Sequence[Event] = ()
    work: Callable[[StoreWriter], Any] | None = None


class Commits:
    """Writes to a store in a thread of its own. Close it to write what waits.

    Args:
        store: The store.
        people: The scenarios that recommend people: events in others are on items.
        waiting: Events that may wait, at most.
    """

    def __init__(self, store: Store, people: Sequence[str], waiting: int = 200_000) -> None:
        self._store = store
        self._people = frozenset(people)
        self._most_waiting = waiting
        self._waiting: list[_Waiting] = []
        self._arrived = threading.Condition()
        self._closed = False
        self._count = 0
        self._thread = threading.Thread(target=self._run, name="commits", daemon=True)
        self._thread.start()
        self.observe: Callable[[int, float], None] = lambda events, seconds: None
        """Told of each transaction: its events, and how long it took."""

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._arrived:
            self._closed = True
            self._arrived.notify()
        self._thread.join()

    async def add(self, events: Sequence[Event]) -> Added:
        """Store events, all or none; when this returns, they are on disk.

        Raises:
            DataError: When a target or a context is unknown.
            WorkspaceError: When the store cannot be written, or too many wait for it.
        """
        if self._count + len(events) > self._most_waiting:
            raise WorkspaceError(
                f"{self._count} events wait to be written; send these again in a moment"
            )
        self._count += len(events)
        try:
            added: Added = await self._put(lambda caller: _Waiting(caller, events=events))
            return added
        finally:
            self._count -= len(events)

    async def write(self, work: Callable[[StoreWriter], ResultT]) -> ResultT:
        """What a function gives that writes in a transaction of its own.

        Raises:
            PolysceneError: What the function raises; nothing is written then.
        """
        result: ResultT = await self._put(lambda caller: _Waiting(caller, work=work))
        return result

    async def _put(self, waiting: Callable[[_Caller], _Waiting]) -> Any:
        loop = asyncio.get_running_loop()
        caller = _Caller(loop.create_future(), loop)
        with self._arrived:
            if self._closed:
                raise WorkspaceError("the service is stopping and writes nothing more")
            self._waiting.append(waiting(caller))
            self._arrived.notify()
        return await caller.done

    def _run(self) -> None:
        while some := self._take():
            for alone, group in groupby(some, key=lambda one: one.work is not None):
                if alone:
                    for one in group:
                        self._alone(one)
                else:
                    self._together(list(group))

    def _take(self) -> list[_Waiting]:
        """All that waits, once something does; nothing when closed."""
        with self._arrived:
            while not self._waiting and not self._closed:
                self._arrived.wait()
            some, self._waiting = self._waiting, []
        return some

    def _alone(self, one: _Waiting) -> None:
        outcome: Any
        try:
            with self._store.write() as writer:
                outcome = None if one.work is None else one.work(writer)
        except Exception as error:
            outcome = error
        _settle([(one.caller, outcome)])

    def _together(self, group: Sequence[_Waiting]) -> None:
        start = time.perf_counter()
        outcomes: Sequence[Added | Exception]
        try:
            with self._store.write() as writer:
                outcomes = _add(writer, [one.events for one in group], self._people)
        except Exception as error:
            if not isinstance(error, PolysceneError):
                _log.exception("events could not be written")
            outcomes = [error] * len(group)
        _settle([(one.caller, came) for one, came in zip(group, outcomes, strict=True)])
        self.observe(sum(len(one.events) for one in group), time.perf_counter() - start)


def _add(
    writer: StoreWriter, groups: Sequence[Sequence[Event]], people: frozenset[str]
) -> list[Added | DataError]:
    """Add each group whose targets are known; what came of each."""
    targets = {event.item_id for events in groups for event in events}
    items = writer.known_items(targets)
    outside = targets - items
    persons = writer.known_targets(outside) if outside else set()
    contexts = {event.context for events in groups for event in events if event.context is not None}
    contexts = writer.known_items(contexts) if contexts else contexts
    ids = [event.event_id for events in groups for event in events if event.event_id is not None]
    seen = writer.repeated(ids) if ids else set()
    outcomes: list[Added | DataError] = []
    accepted: list[Event] = []
    for events in groups:
        wrong = _wrong(events, items, persons, contexts, people)
        if wrong:
            outcomes.append(DataError(wrong))
            continue
        before = len(accepted)
        for event in events:
            if event.event_id is None:
                accepted.append(event)
            elif event.event_id not in seen:
                seen.add(event.event_id)
                accepted.append(event)
        new = len(accepted) - before
        outcomes.append(Added(new, len(events) - new))
    writer.add_events(accepted)
    return outcomes


def _wrong(
    events: Sequence[Event],
    items: set[str],
    persons: set[str],
    contexts: set[str],
    people: frozenset[str],
) -> str:
    """What is wrong with some events; "" for nothing."""
    actors = {event.user_id for event in events}
    for place, event in enumerate(events):
        known = event.item_id in items or (
            event.scenario in people and (event.item_id in persons or event.item_id in actors)
        )
        if not known:
            return (
                f"event {place}: unknown target {event.item_id!r}; "
                f"put the item (or, where people are recommended, the user) of that id first"
            )
        if event.context is not None and event.context not in contexts:
            return f"event {place}: unknown context {event.context!r}; put that item first"
    return ""


def _settle(outcomes: Sequence[tuple[_Caller, Any]]) -> None:
    """Tell the callers, one call a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for caller, outcome in outcomes:
        by_loop.setdefault(caller.loop, []).append((caller.done, outcome))
    for loop, some in by_loop.items():
        try:
            loop.call_soon_threadsafe(_finish, some)
        except RuntimeError:  # nobody waits any more
            _log.debug("the loop of a writer has ended")


def _finish(outcomes: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for done, outcome in outcomes:
        if done.done():
            continue
        if isinstance(outcome, Exception):
            done.set_exception(outcome)
        else:
            done.set_result(outcome)
