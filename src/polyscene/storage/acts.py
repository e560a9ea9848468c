"""What was done with items since a moment, for counts that are kept up."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from polyscene.storage import tables

__all__ = ["read_acts"]


def read_acts(
    connection: sa.Connection, actions: Collection[str], seen: tuple[int, int]
) -> tuple[tuple[int, int], Sequence[tuple[str, str, str, float | None]]]:
    """The events of some actions on items that came since a moment; see `Store.acts`."""
    columns, state = tables.events.c, tables.state.c
    latest = sa.select(state.epoch, sa.select(sa.func.max(columns.seq)).scalar_subquery())
    epoch, last = connection.execute(latest).one()
    start = seen[1] if seen[0] == epoch else 0
    if (last or 0) == start:
        return (epoch, start), []
    query = sa.select(columns.item_id, columns.user_id, columns.action, columns.timestamp)
    query = query.where(
        columns.seq > start, columns.seq <= last, columns.item_id.is_not(None),
        columns.action.in_(sorted(actions)),
    )  # fmt: skip
    found = connection.execute(query.order_by(columns.seq)).all()
    return (epoch, last), [(row[0], row[1], row[2], row[3]) for row in found]
