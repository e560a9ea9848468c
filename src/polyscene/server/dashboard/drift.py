"""Whether what users do has moved since the fit."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from polyscene.metrics.drift import popularity_shift
from polyscene.server.dashboard.figures import LATEST
from polyscene.storage import Store, tables

__all__ = ["DAYS_BEFORE", "LEAST", "Drift", "drifts"]

DAYS_BEFORE = 30
"""Days before the fit that count as before."""
LEAST = 100
"""Events that are needed on each side."""
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Drift:
    """How much what is popular in a scenario has moved."""

    scenario: str
    before: int
    """Events of the 30 days before the fit."""
    after: int
    """Events since, of the last day."""
    shift: float | None
    """The population stability index; None with fewer than `LEAST` events on a side."""
    new: float | None
    """Share of the events since on targets that had none before; None as above."""


def drifts(store: Store, fitted_at: float, now: float | None = None) -> list[Drift]:
    """The drift of each scenario that events name, most events before the fit first.

    Before is the 30 days before the fit, after is the last day, but not before the fit. Of both
    the latest million events to arrive are looked at.

    Args:
        store: The store.
        fitted_at: When the model was fitted, seconds since 1970-01-01 UTC.
        now: The end of the last day; now when omitted.
    """
    moment = time.time() if now is None else now
    before = _counts(store, fitted_at - DAYS_BEFORE * _DAY_S, fitted_at)
    after = _counts(store, max(fitted_at, moment - _DAY_S), moment)
    found = []
    for scenario in before.keys() | after.keys():
        one, other = before.get(scenario, {}), after.get(scenario, {})
        targets = sorted(one.keys() | other.keys())
        old = np.array([one.get(target, 0) for target in targets], np.int64)
        new = np.array([other.get(target, 0) for target in targets], np.int64)
        enough = old.sum() >= LEAST and new.sum() >= LEAST
        shift = popularity_shift(old, new) if enough else math.nan
        found.append(
            Drift(
                scenario, int(old.sum()), int(new.sum()), shift if enough else None,
                float(new[old == 0].sum() / new.sum()) if enough else None,
            )
        )  # fmt: skip
    return sorted(found, key=lambda drift: (-drift.before, drift.scenario))


def _counts(store: Store, start: float, end: float) -> dict[str, dict[str, int]]:
    """By scenario, how many events each target had from one moment to another."""
    events = tables.events.c
    target = sa.func.coalesce(events.item_id, events.person_id)
    found: dict[str, dict[str, int]] = {}
    with store.read() as connection:
        last = connection.scalar(sa.select(sa.func.max(events.seq))) or 0
        query = (
            sa.select(events.scenario, target, sa.func.count())
            .where(
                events.seq > last - LATEST, events.timestamp > start, events.timestamp <= end,
                events.scenario.is_not(None),
            )
            .group_by(events.scenario, target)
        )  # fmt: skip
        for scenario, name, count in connection.execute(query):
            found.setdefault(scenario, {})[name] = count
    return found
