"""What the overview shows, from the store and the counters."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from polyscene.server.telemetry import Telemetry
from polyscene.storage import Counts, Store, tables

__all__ = ["DAYS", "Figures", "Latency", "Shown", "figures", "latency"]

DAYS = 30
"""How many days are looked at."""
_DAY_S = 86_400
_ANSWERS = 5_000
"""Latest answers that coverage is counted in."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of the answers of a scenario."""

    scenario: str
    answers: int
    acted: int
    """Answers that an event names."""

    @property
    def rate(self) -> float:
        """Answers that were acted on, of all."""
        return self.acted / self.answers if self.answers else 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The state of a service at a glance."""

    counts: Counts
    events: Sequence[tuple[str, int]]
    """Day and events, oldest first."""
    answers: Sequence[tuple[str, int]]
    """Day and answers, oldest first."""
    shown: Sequence[Shown]
    """By scenario, most answers first."""
    covered: int
    """Different targets in the latest answers."""
    counted: int
    """How many answers that is."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long requests took here since the start."""

    requests: int
    median_s: float | None
    """At most so long took half of them; None without requests, or past the last limit."""
    slowest_s: float | None
    """At most so long took 99 in 100."""


def figures(store: Store, now: float | None = None) -> Figures:
    """The figures of the last days. O(events and answers of those days).

    Args:
        store: The store.
        now: Until when; until now when omitted.
    """
    moment = time.time() if now is None else now
    first = (int(moment) // _DAY_S - DAYS + 1) * _DAY_S
    with store.read() as connection:
        events = _by_day(connection, tables.events.c.timestamp, first, moment)
        answers = _by_day(connection, tables.impressions.c.timestamp, first, moment)
        shown = _shown(connection, first)
        latest = sa.select(tables.impressions.c.targets)
        latest = latest.order_by(tables.impressions.c.seq.desc()).limit(_ANSWERS)
        targets = list(connection.scalars(latest))
    covered = len({target for one in targets for target in one})
    return Figures(store.counts(), events, answers, shown, covered, len(targets))


def _by_day(
    connection: sa.Connection, column: sa.Column[Any], first: int, moment: float
) -> list[tuple[str, int]]:
    day = sa.cast(sa.func.floor(column / _DAY_S), sa.Integer)
    query = sa.select(day, sa.func.count()).where(column >= first, column <= moment).group_by(day)
    found = {int(number): count for number, count in connection.execute(query)}
    days = range(first // _DAY_S, first // _DAY_S + DAYS)
    return [(f"{datetime.fromtimestamp(n * _DAY_S, UTC):%m-%d}", found.get(n, 0)) for n in days]


def _shown(connection: sa.Connection, first: int) -> list[Shown]:
    shown, events = tables.impressions.c, tables.events.c
    since = shown.timestamp >= first
    answers = sa.select(shown.scenario, sa.func.count()).where(since).group_by(shown.scenario)
    acted = (
        sa.select(shown.scenario, sa.func.count(sa.distinct(shown.request_id)))
        .join(tables.events, events.request_id == shown.request_id)
        .where(since)
        .group_by(shown.scenario)
    )
    done = {name: count for name, count in connection.execute(acted)}
    rows = [Shown(name, count, done.get(name, 0)) for name, count in connection.execute(answers)]
    return sorted(rows, key=lambda one: -one.answers)


def latency(telemetry: Telemetry) -> Latency:
    """How long requests of the interface took in this process, by the limits of the histogram."""
    below: Counter[float] = Counter()
    for metric in telemetry.seconds.collect():
        for sample in metric.samples:
            if sample.name.endswith("_bucket") and sample.labels["route"].startswith("/v1/"):
                below[float(sample.labels["le"])] += int(sample.value)
    total = below.get(float("inf"), 0)

    def limit(share: float) -> float | None:
        reached = (edge for edge in sorted(below) if total and below[edge] >= share * total)
        edge = next(reached, float("inf"))
        return None if edge == float("inf") else edge

    return Latency(total, limit(0.5), limit(0.99))
