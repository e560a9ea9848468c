"""The lists that were answered, with what came of each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    scenario, up to seven days before it. O(rows · log rows + events).

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
    requests: dict[str, int] = {}
    heads: list[tuple[int, int, int, float]] = []
    targets, places = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for request, user, scenario, context, when, listed in connection.execute(query):
        row = -1 if user is None else data.users.row(user)
        shown_rows = _rows(listed, data)
        known = np.flatnonzero(shown_rows >= 0)
        if row < 0 or not len(known):
            continue
        requests[request] = len(heads)
        about = -1 if context is None else data.items.row(context)
        heads.append((row, codes.add(scenario), about, when))
        targets.append(shown_rows[known])
        places.append(known + 1)
    owner = np.repeat(np.arange(len(heads)), [len(own) for own in targets[1:]]).astype(np.int64)
    table = np.array(heads, np.float64).reshape(-1, 4)[owner]
    both, items = np.concatenate(targets), len(data.items)
    lists = Lists(
        user=table[:, 0].astype(np.int64), target=np.where(both < items, both, both - items),
        on_person=both >= items, scenario=table[:, 1].astype(np.int32),
        context=table[:, 2].astype(np.int64), timestamp=table[:, 3],
        position=np.concatenate(places).astype(np.float64), request=owner,
        scenarios=tuple(codes.ids), row=np.zeros(0, np.int64), action=np.zeros(0, np.int32),
        value=np.zeros(0), responded=np.zeros(0), actions=data.actions,
    )  # fmt: skip
    answered = _answered_rows(connection, data, lists, requests)
    done = np.flatnonzero(answered >= 0)
    lists = replace(
        lists, row=answered[done], action=data.action[done], value=data.value[done],
        responded=data.timestamp[done],
    )  # fmt: skip
    return replace(data, lists=lists)


def _rows(listed: Sequence[str | None], data: Dataset) -> IntArray:
    """The row of each target of a list, people behind all items; -1 for what is unknown."""
    found = data.items.rows(name or "" for name in listed)
    for place in np.flatnonzero(found < 0).tolist():
        name = listed[place]
        person = -1 if name is None else data.users.row(name)
        found[place] = -1 if person < 0 else len(data.items) + person
    return found


def _answered_rows(
    connection: sa.Connection, data: Dataset, lists: Lists, requests: Mapping[str, int]
) -> IntArray:
    """Which row each event is a response to, -1 for none; shape (events,)."""
    events = tables.events.c
    query = sa.select(events.request_id).where(events.seq <= data.last).order_by(events.seq)
    numbers = np.fromiter(
        (-2 if name is None else requests.get(name, -1) for name in connection.scalars(query)),
        np.int64, count=len(data),
    )  # fmt: skip
    found, width = np.full(len(data), -1, np.int64), len(data.items) + len(data.users)
    named = np.flatnonzero((numbers >= 0) & (data.target >= 0))
    keys = lists.request * width + _targets(lists.target, lists.on_person, data)
    wanted = (numbers * width + _targets(data.target, data.on_person, data))[named]
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], wanted), max(len(keys) - 1, 0))
    if len(keys):
        found[named] = np.where(keys[order[at]] == wanted, order[at], -1)
    loose = np.flatnonzero((numbers == -2) & (data.target >= 0) & ~np.isnan(data.timestamp))
    last = last_touch(
        lists.user * width + _targets(lists.target, lists.on_person, data), lists.timestamp,
        (data.user * width + _targets(data.target, data.on_person, data))[loose],
        data.timestamp[loose], _WITHIN_S,
    )  # fmt: skip
    loose, last = loose[last >= 0], last[last >= 0]
    same = (data.scenario[loose] < 0) | (data.scenario[loose] == lists.scenario[last])
    found[loose[same]] = last[same]
    return found


def _targets(target: IntArray, on_person: Mask, data: Dataset) -> IntArray:
    """A number for each target, people behind all items."""
    return np.asarray(target + np.where(on_person, len(data.items), 0))


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
