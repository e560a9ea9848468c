"""Decisions of people on what a scenario may show, as the store has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import sqlalchemy as sa

from polyscene.storage import tables
from polyscene.storage.store import Store
from polyscene.storage.writer import CHUNK

__all__ = ["DECISIONS", "Decision", "Review", "decided", "reviewed", "reviews_of"]

Decision = Literal["approve", "block", "reopen"]
"""approve: show it although it is on hold; block: do not show it; reopen: as if never decided."""
DECISIONS: tuple[Decision, ...] = get_args(Decision)


@dataclass(frozen=True, slots=True)
class Review:
    """One decision."""

    seq: int
    scenario: str
    target: str
    """Id of an item or, where people are recommended, of a user."""
    decision: str
    digest: str
    """Of the text that was decided on."""
    why: str
    """What the target was on hold for; "" where it was not."""
    decided_by: str
    """Name of a key of the service, or what else decided."""
    decided_at: float
    """Seconds since 1970-01-01 UTC."""


_TARGET = sa.func.coalesce(tables.reviews.c.item_id, tables.reviews.c.person_id)
_COLUMNS = (
    tables.reviews.c.seq,
    tables.reviews.c.scenario,
    _TARGET,
    *(tables.reviews.c[name] for name in ("decision", "digest", "why", "decided_by", "decided_at")),
)


def decided(store: Store, scenario: str, ids: Sequence[str] | None = None) -> Mapping[str, Review]:
    """The decisions of a scenario that count, by target. O(decisions of the scenario).

    Args:
        store: The store.
        scenario: Name of the scenario.
        ids: Targets that must be among the answer; others may be. None for all.
    """
    columns = tables.reviews.c
    latest = sa.select(sa.func.max(columns.seq)).where(columns.scenario == scenario)
    if ids is not None and len(ids) <= CHUNK // 2:
        latest = latest.where(columns.item_id.in_(ids) | columns.person_id.in_(ids))
    latest = latest.group_by(columns.item_id, columns.person_id)
    query = sa.select(*_COLUMNS).where(columns.seq.in_(latest), columns.decision != "reopen")
    with store.read() as connection:
        found = [Review(*row) for row in connection.execute(query)]
    return {review.target: review for review in found}


def reviewed(store: Store, scenario: str | None, before: int | None, n: int) -> list[Review]:
    """All decisions, newest first, those too that a later one replaced.

    Args:
        store: The store.
        scenario: Only of this one; None for all.
        before: Only those with a smaller number.
        n: How many, at most.
    """
    columns = tables.reviews.c
    query = sa.select(*_COLUMNS).order_by(columns.seq.desc()).limit(n)
    if scenario is not None:
        query = query.where(columns.scenario == scenario)
    if before is not None:
        query = query.where(columns.seq < before)
    with store.read() as connection:
        return [Review(*row) for row in connection.execute(query)]


def reviews_of(store: Store, user_id: str) -> list[Review]:
    """The decisions on whether a person is recommended, oldest first."""
    columns = tables.reviews.c
    query = sa.select(*_COLUMNS).where(columns.person_id == user_id).order_by(columns.seq)
    with store.read() as connection:
        return [Review(*row) for row in connection.execute(query)]
