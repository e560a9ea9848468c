"""What language models answered and what it cost, kept in the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from polyscene.errors import BudgetError
from polyscene.storage import Store, tables

__all__ = ["Account", "Kept", "Ledger", "Usage"]

CHUNK = 500
"""Keys that one query names."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who is asked what: the line of the ledger that a call is written on."""

    model: str
    prompt: str
    version: int


@dataclass(frozen=True, slots=True)
class Kept:
    """The outcome of a question that was asked before: an answer, or why there is none."""

    answer: str | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What was asked and spent."""

    calls: int = 0
    """Requests that were sent, repairs among them."""
    hits: int = 0
    """Questions that the cache answered."""
    repairs: int = 0
    """Requests sent because the answer before was not of the form asked for."""
    failures: int = 0
    """Questions without an answer in the end."""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    """In the currency of the prices."""

    @property
    def hit_rate(self) -> float | None:
        """The share of the questions that the cache answered; None where nothing was asked."""
        asked = self.hits + self.calls - self.repairs
        return self.hits / asked if asked else None


_COUNTS = tuple(Usage.__dataclass_fields__)


class Ledger:
    """The cache of answers and the book of what was spent. Safe to share between threads.

    Args:
        store: Where both are kept.
        clock: Seconds since 1970-01-01 UTC.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        with store.read() as connection:
            dialect = connection.dialect.name
        self._insert = postgresql.insert if dialect == "postgresql" else sqlite.insert

    def kept(self, keys: Collection[str]) -> dict[str, Kept]:
        """The outcomes of the questions that were asked before, by key."""
        columns, found, wanted = tables.llm_answers.c, {}, list(keys)
        query = sa.select(columns.key, columns.answer, columns.failure)
        with self._store.read() as connection:
            for start in range(0, len(wanted), CHUNK):
                part = query.where(columns.key.in_(wanted[start : start + CHUNK]))
                for key, answer, failure in connection.execute(part):
                    found[key] = Kept(answer, failure)
        return found

    def keep(self, key: str, account: Account, subject: str | None, kept: Kept) -> None:
        """Remember an outcome.

        Args:
            key: The hash of the question.
            account: Who was asked what.
            subject: The user it is about, with whom it is erased; None for nobody.
            kept: The outcome.
        """
        row = {
            "key": key, "model": account.model, "prompt": account.prompt,
            "version": account.version, "subject": subject, "answer": kept.answer,
            "failure": kept.failure, "created_at": self._clock(),
        }  # fmt: skip
        insert = self._insert(tables.llm_answers).values(row)
        changed = {name: insert.excluded[name] for name in row if name != "key"}
        with self._store.begin() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["key"], set_=changed))

    def about(self, subject: str) -> list[dict[str, Any]]:
        """What is remembered about a user, as plain values."""
        columns = tables.llm_answers.c
        names = ("model", "prompt", "version", "answer", "failure", "created_at")
        query = sa.select(*(columns[name] for name in names)).where(columns.subject == subject)
        with self._store.read() as connection:
            found = connection.execute(query.order_by(columns.created_at, columns.key))
            return [dict(row) for row in found.mappings()]

    def forget(self, subject: str) -> int:
        """Remove what is remembered about a user; returns how many outcomes."""
        table = tables.llm_answers
        with self._store.begin() as connection:
            return connection.execute(sa.delete(table).where(table.c.subject == subject)).rowcount

    def reserve(self, account: Account, cost: float, cap: float | None) -> str:
        """Write down what a call costs at most, before it is sent; returns the day of the line.

        What is written stays when this process dies, so the cap holds across processes and
        crashes.

        Raises:
            BudgetError: When this month's spending would pass the cap.
        """
        day = self.today()
        if not cost:
            return day
        with self._store.begin() as connection:
            if cap is not None:
                # on PostgreSQL this makes a second process wait; SQLite has one writer anyway
                connection.execute(sa.select(tables.state.c.store_id).with_for_update())
                spent = self._spent(connection, day[:7])
                if spent + cost > cap:
                    raise BudgetError(
                        f"not asked: {spent:.4f} of the {cap:g} allowed in {day[:7]} are spent, "
                        f"and the answer could cost {cost:.4f}; raise llm.monthly_cap or wait"
                    )
            self._add(connection, day, account, Usage(cost=cost))
        return day

    def settle(self, day: str, account: Account, reserved: float, usage: Usage) -> None:
        """Replace a reservation by what the call came to."""
        line = replace(usage, cost=usage.cost - reserved)
        with self._store.begin() as connection:
            self._add(connection, day, account, line)

    def count(self, account: Account, usage: Usage) -> None:
        """Add to today's line."""
        self.settle(self.today(), account, 0.0, usage)

    def spent(self, month: str) -> float:
        """What was spent in a month, such as "2026-11", reservations included."""
        with self._store.read() as connection:
            return self._spent(connection, month)

    def usage(self, month: str | None = None) -> Mapping[Account, Usage]:
        """What was asked and spent by account, sorted.

        Args:
            month: Only then, such as "2026-11"; None for all.
        """
        columns = tables.llm_usage.c
        names = (columns.model, columns.prompt, columns.version)
        sums = [sa.cast(sa.func.sum(columns[name]), columns[name].type) for name in _COUNTS]
        query = sa.select(*names, *sums).group_by(*names).order_by(*names)
        if month is not None:
            query = query.where(columns.day.startswith(month, autoescape=True))
        with self._store.read() as connection:
            return {
                Account(*row[:3]): Usage(**dict(zip(_COUNTS, row[3:], strict=True)))
                for row in connection.execute(query)
            }

    def answers(self) -> int:
        """How many outcomes are remembered."""
        with self._store.read() as connection:
            query = sa.select(sa.func.count()).select_from(tables.llm_answers)
            return connection.scalar(query) or 0

    def today(self) -> str:
        """The day (UTC), such as "2026-11-29"."""
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%d")

    def _spent(self, connection: sa.Connection, month: str) -> float:
        columns = tables.llm_usage.c
        query = sa.select(sa.func.sum(columns.cost))
        return connection.scalar(query.where(columns.day.startswith(month, autoescape=True))) or 0.0

    def _add(self, connection: sa.Connection, day: str, account: Account, usage: Usage) -> None:
        table = tables.llm_usage
        keys = {
            "day": day, "model": account.model, "prompt": account.prompt,
            "version": account.version,
        }  # fmt: skip
        counts = {name: getattr(usage, name) for name in _COUNTS}
        insert = self._insert(table).values(keys | counts)
        sums = {name: table.c[name] + insert.excluded[name] for name in _COUNTS}
        connection.execute(insert.on_conflict_do_update(index_elements=list(keys), set_=sums))
