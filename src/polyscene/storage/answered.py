"""The lists that were answered, with what came of each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import sqlalchemy as sa

from polyscene.data.dataset import Dataset, IdMap, IntArray, Mask
from polyscene.data.lists import Lists, last_touch
from polyscene.storage import rows, tables

__all__ = ["read_impressions", "read_lists", "read_outcomes"]

_MOST = 50_000
"""Lists that are read, about; of more every second, third, ... one."""
_WITHIN_S = 7 * 86_400.0
"""How long after a list an event that names no request counts as a response to it, at most."""


def read_lists(connection: sa.Connection, data: Dataset, most: int = _MOST) -> Dataset:
    """The dataset with the lists that were answered to its users, as `Dataset.lists`.

    Lists of nobody and of unknown users are left out, and so are places that are empty since a
    person was erased. An event is a response to a row where it names the request of the list; one
    that names no request is a response to the last list that showed its target to the user in the
    scenario, up to seven days before it. O(lists · their length + events).

    Args:
        connection: Where they are read, batch by batch.
        data: All events in order of arrival.
        most: How many lists are read, about; of more every second, third, ... one is.
    """
    shown = tables.impressions.c
    count = connection.scalar(sa.select(sa.func.count(shown.seq))) or 0
    if not count:
        return data
    every = -(-count // most)
    query = sa.select(
        shown.request_id, shown.user_id, shown.scenario, shown.context, shown.timestamp,
        shown.targets,
    ).where(shown.seq % every == 0).order_by(shown.timestamp, shown.seq)  # fmt: skip
    codes = IdMap(data.scenarios)
    requests: list[str] = []
    targets: list[str] = []
    heads: list[tuple[int, int, int, float]] = []
    lengths: list[int] = []
    places: list[int] = []
    for request, user, scenario, context, when, listed in connection.execute(query):
        row = -1 if user is None else data.users.row(user)
        kept = [(name, place) for place, name in enumerate(listed, 1) if name is not None]
        if row < 0 or not kept:
            continue
        about = -1 if context is None else data.items.row(context)
        heads.append((row, codes.add(scenario), about, when))
        requests.append(request)
        lengths.append(len(kept))
        targets += [name for name, _ in kept]
        places += [place for _, place in kept]
    owner = np.repeat(np.arange(len(heads)), lengths).astype(np.int64)
    table = np.array(heads, np.float64).reshape(-1, 4)[owner]
    target, on_person = _targets(targets, data.users, data.items)
    lists = Lists(
        user=table[:, 0].astype(np.int64), target=target, on_person=on_person,
        scenario=table[:, 1].astype(np.int32), context=table[:, 2].astype(np.int64),
        timestamp=table[:, 3], position=np.array(places, np.float64), request=owner,
        scenarios=tuple(codes.ids), row=np.zeros(0, np.int64), action=np.zeros(0, np.int32),
        value=np.zeros(0), responded=np.zeros(0), actions=data.actions,
    )  # fmt: skip
    rows = _answered_rows(connection, data, lists, requests, targets)
    done = np.flatnonzero(rows >= 0)
    lists = replace(
        lists, row=rows[done], action=data.action[done], value=data.value[done],
        responded=data.timestamp[done],
    )  # fmt: skip
    return replace(data, lists=lists)


def _targets(names: list[str], users: IdMap, items: IdMap) -> tuple[IntArray, Mask]:
    """The row of each target, and which of them are people."""
    target = items.rows(names)
    people = np.flatnonzero(target < 0)
    target[people] = users.rows(names[place] for place in people.tolist())
    on_person = np.zeros(len(names), np.bool_)
    on_person[people] = target[people] >= 0
    return target, on_person


def _answered_rows(
    connection: sa.Connection, data: Dataset, lists: Lists, requests: list[str], targets: list[str]
) -> IntArray:
    """Which row each event is a response to, -1 for none; shape (events,)."""
    events = tables.events.c
    number = {request: place for place, request in enumerate(requests)}
    rows = {
        (request, target): row
        for row, (request, target) in enumerate(zip(lists.request.tolist(), targets, strict=True))
    }
    name = sa.func.coalesce(events.item_id, events.person_id)
    found, free = np.full(len(data), -1, np.int64), np.zeros(len(data), np.bool_)
    asked = sa.select(events.request_id, name).where(events.seq <= data.last).order_by(events.seq)
    for event, (request, target) in enumerate(connection.execute(asked)):
        if request is None:
            free[event] = True
        elif (listed := number.get(request)) is not None:
            found[event] = rows.get((listed, target), -1)
    free &= (data.target >= 0) & ~np.isnan(data.timestamp)
    loose = np.flatnonzero(free)
    known = np.flatnonzero(lists.target >= 0)
    last = last_touch(
        _pairs(lists.user, lists.target, lists.on_person, data)[known], lists.timestamp[known],
        _pairs(data.user, data.target, data.on_person, data)[loose], data.timestamp[loose],
        _WITHIN_S,
    )  # fmt: skip
    touched = last >= 0
    loose, last = loose[touched], known[last[touched]]
    same = (data.scenario[loose] < 0) | (data.scenario[loose] == lists.scenario[last])
    found[loose[same]] = last[same]
    return found


def _pairs(user: IntArray, target: IntArray, on_person: Mask, data: Dataset) -> IntArray:
    """A number for each pair of a user and a known target."""
    width = len(data.items) + len(data.users)
    return np.asarray(user * width + target + np.where(on_person, len(data.items), 0))


def read_impressions(connection: sa.Connection, user_id: str | None) -> Iterator[rows.Impression]:
    """What was shown to a user, or to all with None, oldest first."""
    columns = [column for column in tables.impressions.c if column.name != "seq"]
    query = sa.select(*columns).order_by(tables.impressions.c.seq)
    if user_id is not None:
        query = query.where(tables.impressions.c.user_id == user_id)
    for row in connection.execute(query):
        yield rows.Impression(*row)


def read_outcomes(
    connection: sa.Connection, shown: Iterable[rows.Impression]
) -> Iterator[tuple[str, int, str | None, str | None]]:
    """Every target of some lists with what came of it; see `Store.outcomes`."""
    events = tables.events.c
    target = sa.func.coalesce(events.item_id, events.person_id)
    for one in shown:
        query = sa.select(target, events.action).where(events.request_id == one.request_id)
        done: dict[str, list[str]] = {}
        for name, action in connection.execute(query.order_by(events.seq)):
            done.setdefault(name, []).append(action)
        for position, name in enumerate(one.targets, 1):
            for action in done.get(name or "", [None]):
                yield one.request_id, position, name, action
