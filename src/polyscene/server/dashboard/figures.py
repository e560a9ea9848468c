"""What the overview shows, from the store and the counters.

All but the time of requests is counted in the store, so that a restart changes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from polyscene.server.telemetry import Telemetry
from polyscene.settings import Scenario
from polyscene.storage import Counts, Store, tables

__all__ = ["DAYS", "LATEST", "Day", "Figures", "Latency", "Shown", "figures", "latency"]

DAYS = 30
"""How many days are looked at."""
LATEST = 1_000_000
"""Latest events and answers that are counted, each."""
_DAY_S = 86_400
_ANSWERS = 5_000
"""Latest answers of a scenario that coverage is counted in."""


@dataclass(frozen=True, slots=True)
class Day:
    """What came of the answers of a day."""

    label: str
    answers: int
    clicked: int
    converted: int

    def share(self, name: str) -> float:
        """Clicked or converted, of all answers of the day."""
        count: int = getattr(self, name)
        return count / self.answers if self.answers else 0.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of the answers of a scenario."""

    scenario: str
    days: Sequence[Day]
    """Oldest first."""
    covered: int
    """Different targets in its latest answers."""
    counted: int
    """How many answers that is."""

    @property
    def answers(self) -> int:
        """All answers."""
        return sum(day.answers for day in self.days)

    @property
    def clicked(self) -> float:
        """Share of the answers that an event of interest names."""
        return self._share(sum(day.clicked for day in self.days))

    @property
    def converted(self) -> float:
        """Share of the answers that an event of the last task names."""
        return self._share(sum(day.converted for day in self.days))

    def highest(self, name: str) -> float:
        """The highest share of a day, clicked or converted; 1 where all are 0."""
        return max((day.share(name) for day in self.days), default=0.0) or 1.0

    def _share(self, count: int) -> float:
        return count / self.answers if self.answers else 0.0


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
    cut: bool
    """Whether there are more events or answers than are counted."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long requests took here since the start."""

    requests: int
    median_s: float | None
    """At most so long took half of them; None without requests, or past the last limit."""
    slowest_s: float | None
    """At most so long took 99 in 100."""


def figures(store: Store, scenarios: Mapping[str, Scenario], now: float | None = None) -> Figures:
    """The figures of the last days. O(events and answers of those days), at most `LATEST` each.

    Args:
        store: The store.
        scenarios: What is declared, which says what actions mean.
        now: Until when; until now when omitted.
    """
    moment = time.time() if now is None else now
    first = (int(moment) // _DAY_S - DAYS + 1) * _DAY_S
    shown, events = tables.impressions, tables.events
    with store.read() as connection:
        from_event, from_answer = _first(connection, events), _first(connection, shown)
        late = (events.c.seq > from_event, events.c.timestamp.between(first, moment))
        happened = _by_day(connection, sa.select(_day(events)).where(*late))
        late = (shown.c.seq > from_answer, shown.c.timestamp.between(first, moment))
        days = _by_scenario(connection, scenarios, late)
        latest = {name: _latest(connection, name) for name in days}
    numbers = range(first // _DAY_S, first // _DAY_S + DAYS)
    labels = [f"{datetime.fromtimestamp(n * _DAY_S, UTC):%m-%d}" for n in numbers]
    answered = Counter[int]()
    for found in days.values():
        answered.update({number: counts[0] for number, counts in found.items()})
    rows = [
        Shown(
            name,
            [
                Day(label, *found.get(n, (0, 0, 0)))
                for n, label in zip(numbers, labels, strict=True)
            ],
            len({target for targets in latest[name] for target in targets}),
            len(latest[name]),
        )
        for name, found in days.items()
    ]
    return Figures(
        counts=store.counts(),
        events=[(label, happened.get(n, 0)) for n, label in zip(numbers, labels, strict=True)],
        answers=[(label, answered[n]) for n, label in zip(numbers, labels, strict=True)],
        shown=sorted(rows, key=lambda one: (-one.answers, one.scenario)),
        cut=max(from_event, from_answer) > 0,
    )


def _first(connection: sa.Connection, table: sa.Table) -> int:
    """The number after which rows are counted."""
    return max(0, (connection.scalar(sa.select(sa.func.max(table.c.seq))) or 0) - LATEST)


def _day(table: sa.Table) -> sa.ColumnElement[int]:
    return sa.cast(sa.func.floor(table.c.timestamp / _DAY_S), sa.Integer)


def _by_day(connection: sa.Connection, days: sa.Select[Any]) -> dict[int, int]:
    column = days.selected_columns[0]
    query = days.add_columns(sa.func.count()).group_by(column)
    return {int(number): count for number, count in connection.execute(query)}


def _by_scenario(
    connection: sa.Connection, scenarios: Mapping[str, Scenario], late: Sequence[Any]
) -> dict[str, dict[int, tuple[int, int, int]]]:
    """By scenario and day: the answers, those that were clicked, and those that converted."""
    shown, events = tables.impressions, tables.events
    day, scenario = _day(shown), shown.c.scenario
    query = sa.select(scenario, day, sa.func.count()).where(*late).group_by(scenario, day)
    found: dict[str, dict[int, list[int]]] = {}
    for name, number, count in connection.execute(query):
        found.setdefault(name, {})[int(number)] = [count, 0, 0]
    named = sa.func.count(sa.distinct(shown.c.request_id))
    for place, actions_of in ((1, _of_interest), (2, _of_success)):
        means = [
            (scenario == name) & events.c.action.in_(actions_of(spec))
            for name, spec in scenarios.items()
        ]
        query = (
            sa.select(scenario, day, named)
            .join(events, events.c.request_id == shown.c.request_id)
            .where(*late, sa.or_(sa.false(), *means))
            .group_by(scenario, day)
        )
        for name, number, count in connection.execute(query):
            found[name][int(number)][place] = count
    return {
        name: {number: (counts[0], counts[1], counts[2]) for number, counts in days.items()}
        for name, days in found.items()
    }


def _latest(connection: sa.Connection, scenario: str) -> list[Sequence[str | None]]:
    """The targets of the latest answers of a scenario."""
    columns = tables.impressions.c
    query = sa.select(columns.targets).where(columns.scenario == scenario)
    return list(connection.scalars(query.order_by(columns.seq.desc()).limit(_ANSWERS)))


def _of_interest(spec: Scenario) -> list[str]:
    """The actions that count as a click: those of positive weight."""
    return [name for name, meaning in spec.actions.items() if meaning.weight > 0]


def _of_success(spec: Scenario) -> list[str]:
    """What counts as a conversion: the action of the last declared task, else of most weight."""
    if spec.to_predict:
        return [spec.to_predict[-1].action]
    most = max((meaning.weight for meaning in spec.actions.values()), default=0.0)
    return [name for name, meaning in spec.actions.items() if meaning.weight == most > 0]


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
