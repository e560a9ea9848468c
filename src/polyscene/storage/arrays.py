"""Events of the store as arrays."""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa

from polyscene.data.dataset import Dataset, FloatArray, IdMap, IntArray, Mask
from polyscene.storage import tables

__all__ = ["read_events", "read_maps", "read_positions", "read_requests"]


def read_maps(connection: sa.Connection) -> tuple[IdMap, IdMap, Mask]:
    """Rows of all users, rows of all items, and which of the items are tags."""
    users, items = tables.users.c, tables.items.c
    known = IdMap(connection.scalars(sa.select(users.user_id).order_by(users.seq)))
    things = IdMap(connection.scalars(sa.select(items.item_id).order_by(items.seq)))
    kinds = connection.scalars(sa.select(items.kind == "tag").order_by(items.seq))
    return known, things, np.fromiter(kinds, np.bool_, count=len(things))


def read_events(
    connection: sa.Connection,
    users: IdMap,
    items: IdMap,
    is_tag: Mask,
    after: int = 0,
    until: int | None = None,
) -> Dataset:
    """Events in order of arrival.

    Args:
        connection: Where they are read, batch by batch.
        users: Rows of all users.
        items: Rows of all items.
        is_tag: Which of them are tags, shape (items,).
        after: The number of the last event to leave out.
        until: The number of the last event to read; None for all.
    """
    table, last = tables.events, after
    wanted = [table.c.seq > after] + ([] if until is None else [table.c.seq <= until])
    count = connection.scalar(sa.select(sa.func.count()).select_from(table).where(*wanted)) or 0
    user, target = np.empty(count, np.int64), np.empty(count, np.int64)
    action, scenario = np.empty(count, np.int32), np.empty(count, np.int32)
    timestamp, value = np.empty(count, np.float64), np.empty(count, np.float64)
    on_person, context = np.empty(count, np.bool_), np.empty(count, np.int64)
    actions: dict[str, int] = {}
    scenarios: dict[str | None, int] = {None: -1}
    query = sa.select(
        table.c.user_id, table.c.item_id, table.c.person_id, table.c.action, table.c.scenario,
        table.c.timestamp, table.c.value, table.c.context, table.c.seq,
    ).where(*wanted).order_by(table.c.seq)  # fmt: skip
    start = 0
    for part in connection.execute(query).partitions():
        actors, things, people, done, places, times, values, about, numbers = zip(
            *part, strict=True
        )
        rows = slice(start, start + len(part))
        user[rows] = users.rows(actors)
        target[rows] = items.rows(things)  # None, on a person, is the id of no item: -1
        on_person[rows] = target[rows] < 0
        if on_person[rows].any():
            target[rows] = np.where(on_person[rows], users.rows(people), target[rows])
        action[rows] = [actions.setdefault(name, len(actions)) for name in done]
        scenario[rows] = [scenarios.setdefault(name, len(scenarios) - 1) for name in places]
        timestamp[rows] = np.array(times, np.float64)  # None becomes NaN
        value[rows] = values
        context[rows] = items.rows(about)  # None is the id of no item: -1
        start, last = start + len(part), numbers[-1]
    del scenarios[None]
    return Dataset(
        users=users, items=items, is_tag=is_tag, user=user, target=target, on_person=on_person,
        action=action, scenario=scenario, timestamp=timestamp, value=value, context=context,
        actions=tuple(actions), scenarios=tuple(name for name in scenarios if name is not None),
        last=last,
    )  # fmt: skip


def read_requests(connection: sa.Connection) -> IntArray:
    """A number for the request of each event, in the order of arrival; -1 where it has none."""
    codes: dict[str | None, int] = {None: -1}
    column = sa.select(tables.events.c.request_id).order_by(tables.events.c.seq)
    names = connection.scalars(column)
    return np.fromiter((codes.setdefault(name, len(codes) - 1) for name in names), np.int64)


def read_positions(connection: sa.Connection) -> FloatArray:
    """The place of the target of each event in the list that it names, in the order of arrival.

    From 1; NaN where the event names none, or the list does not have the target. Empty where no
    list was logged. The lists that events name are in memory.
    """
    events, shown = tables.events.c, tables.impressions.c
    if connection.scalar(sa.select(shown.seq).limit(1)) is None:
        return np.zeros(0)
    named = sa.select(events.request_id).where(events.request_id.is_not(None)).distinct()
    lists = sa.select(shown.request_id, shown.targets).where(shown.request_id.in_(named))
    places = {
        (request, target): place
        for request, targets in connection.execute(lists)
        for place, target in enumerate(targets, 1)
    }
    target = sa.func.coalesce(events.item_id, events.person_id)
    rows = connection.execute(sa.select(events.request_id, target).order_by(events.seq))
    return np.fromiter((places.get((row[0], row[1]), np.nan) for row in rows), np.float64)
