"""Small hand-made spaces, histories and questions for the tests of the pure layers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from polyscene.component import History, Posts, Query
from polyscene.data.dataset import Dataset, IdMap
from polyscene.data.schema import Item, User
from polyscene.represent.space import TargetSpace
from polyscene.represent.targets import Targets
from polyscene.settings import IndexSettings, Settings, parse_settings

NOW = 1_800_000_000.0
DAY = 86_400.0


def settings(**scenarios: dict[str, Any]) -> Settings:
    return parse_settings({"scenarios": scenarios})


def space(
    vectors: Sequence[Sequence[float]],
    records: Sequence[Item] | Sequence[User] | None = None,
) -> TargetSpace:
    """Targets i0, i1, ... with these vectors, or the records given."""
    targets = Targets()
    targets.put(records or [Item(item_id=f"i{row}") for row in range(len(vectors))])
    return TargetSpace.build(targets, np.array(vectors, np.float32), IndexSettings())


def history(
    of: TargetSpace,
    rows: Sequence[int] = (),
    strengths: Sequence[float] = (),
    posts: Sequence[tuple[int, int]] = (),
) -> History:
    """A history; `posts` has the rows of (context, target), the latest first."""
    about = np.array(posts, np.int64).reshape(-1, 2)
    return History(
        rows=np.array(rows, np.int64),
        items=of.vectors,
        strengths=np.array(strengths, np.float32),
        undecayed=np.array(strengths, np.float32),
        actions=("like",) * len(rows),
        scenarios=(None,) * len(rows),
        posts=Posts(about[:, 0], about[:, 1]),
    )


def query(
    of: TargetSpace,
    past: History | None = None,
    *,
    n: int = 10,
    vector: Sequence[float] | None = None,
    interests: Sequence[float] | None = None,
    allowed: Sequence[int] | None = None,
    scenario: str = "here",
    context: int = -1,
    **spec: Any,
) -> Query:
    dim = of.vectors.shape[1]
    mask = np.ones(len(of), np.bool_)
    if allowed is not None:
        mask[:] = False
        mask[list(allowed)] = True
    return Query(
        scenario=scenario,
        spec=settings(**{scenario: spec}).scenario(scenario),
        n=n,
        now=NOW,
        space=of,
        history=history(of) if past is None else past,
        vector=np.array(vector or [0] * dim, np.float32),
        interests=np.array(interests or [0] * dim, np.float32),
        allowed=mask,
        context=context,
    )


def dataset(
    events: Sequence[tuple[str, str, str, str | None, float | None]],
    items: Sequence[str] = (),
    users: Sequence[str] = (),
    value: float = 1.0,
    about: Sequence[str | None] = (),
    tags: Collection[str] = (),
    requests: Sequence[int] = (),
) -> Dataset:
    """Events as (user, target, action, scenario, days ago or None), in order of arrival.

    `about` has the context of each; it may be left out where none has one. `tags` are the items of
    kind tag.
    """
    actors, things = IdMap([*users, *(event[0] for event in events)]), IdMap(items)
    actions = IdMap(event[2] for event in events)
    scenarios = IdMap(event[3] for event in events if event[3] is not None)
    on_person = np.array([event[1] not in things for event in events], np.bool_)
    target = [
        actors.row(e[1]) if p else things.row(e[1]) for e, p in zip(events, on_person, strict=True)
    ]
    return Dataset(
        users=actors,
        items=things,
        is_tag=np.array([name in tags for name in things.ids], np.bool_),
        user=actors.rows(event[0] for event in events),
        target=np.array(target, np.int64),
        on_person=on_person,
        action=actions.rows(event[2] for event in events).astype(np.int32),
        scenario=scenarios.rows(event[3] or "" for event in events).astype(np.int32),
        timestamp=np.array([np.nan if e[4] is None else NOW - e[4] * DAY for e in events]),
        value=np.full(len(events), value),
        context=things.rows(name or "" for name in about or [None] * len(events)),
        actions=tuple(actions.ids),
        scenarios=tuple(scenarios.ids),
        request=np.array(requests, np.int64),
    )
