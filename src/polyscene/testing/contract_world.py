"""A small world for the contracts: forty targets, their users' events, and questions about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from polyscene.component import History, Posts, Query, Training, Vectors
from polyscene.data.dataset import Dataset, IdMap, Links
from polyscene.data.schema import Item, User
from polyscene.represent.space import TargetSpace
from polyscene.represent.targets import Targets
from polyscene.represent.whiten import normalise
from polyscene.settings import IndexSettings, Scenario, Settings, parse_settings

__all__ = [
    "DIM",
    "NOW",
    "SCENARIOS",
    "TARGETS",
    "contract_queries",
    "contract_query",
    "contract_space",
    "contract_targets",
    "contract_training",
]

NOW = 1_800_000_000.0
"""The time of every question, seconds since 1970-01-01 UTC."""
DAY = 86_400.0
TARGETS = 40
"""Targets of a space."""
DIM = 6
"""Dimensions of a vector."""
SCENARIOS = {
    "things": {"target": "item", "actions": {"like": 1.0, "dislike": -1.0}},
    "people": {"target": "person", "actions": {"like": 1.0, "dislike": -1.0}},
    "labels": {"target": "tag", "sources": {"context": "auto", "trending": "auto"}},
}
"""Declared scenarios, as in settings."""
_TAGS = 30
"""The row of the first tag; the items before it are none."""


def contract_queries() -> Iterator[Query]:
    """Fifty questions in each scenario, of items, people and tags; the same every time."""
    for scenario in SCENARIOS:
        rng, space = np.random.default_rng(7), contract_space(scenario)
        for number in range(50):
            count = int(rng.integers(0, 12))
            rows = rng.choice(TARGETS, size=count, replace=False).tolist()
            strengths = rng.choice([-1.0, -0.2, 0.0, 0.3, 1.0, 2.5], size=count).tolist()
            stated = _vectors(number + 1)[0] if number % 3 else np.zeros(DIM, np.float32)
            query = contract_query(
                scenario, space, rows, strengths, stated, n=(1, 5, 300)[number % 3]
            )
            query.allowed[rng.random(TARGETS) < 0.4] = False
            yield _about(query, number) if scenario == "labels" else query


def _about(query: Query, number: int) -> Query:
    """The question about an item, or about none, by somebody who gave tags to some or to none."""
    rng = np.random.default_rng(number)
    given = rng.permutation(_TAGS * (TARGETS - _TAGS))[: int(rng.integers(0, 3) * 10)]
    posts = Posts(given % _TAGS, _TAGS + given // _TAGS)
    context = int(rng.integers(0, _TAGS)) if number % 5 else -1
    return replace(query, context=context, history=replace(query.history, posts=posts))


def contract_targets() -> Targets:
    """Forty items with and without price and date."""
    targets = Targets()
    targets.put(_items())
    return targets


def _items() -> list[Item]:
    prices: list[dict[str, float]] = [{"price": 10.0}, {"price": -1.0}, {}, {"price": 0.0}]
    ages = (1.0, 400.0, None, -30.0, 90.0)
    return [
        Item(
            item_id=f"i{number}",
            title=f"Title {number}",
            kind="tag" if number >= _TAGS else "item",
            published_at=None if age is None else NOW - age * DAY,
            **prices[number % 4],
        )
        for number in range(TARGETS)
        for age in [ages[number % 5]]
    ]


def _vectors(seed: int) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((TARGETS, DIM))
    vectors[3::10] = 0
    return normalise(vectors.astype(np.float32))


def contract_space(scenario: str) -> TargetSpace:
    """The targets of a scenario with their vectors."""
    targets = Targets()
    if scenario == "people":
        targets.put([User(user_id=f"u{number}") for number in range(TARGETS)])
    else:
        targets.put(_items())
    return TargetSpace.build(targets, _vectors(0), IndexSettings())


def _settings() -> Settings:
    return parse_settings({"scenarios": SCENARIOS})


def contract_query(
    scenario: str,
    space: TargetSpace,
    rows: list[int],
    strengths: list[float],
    interests: Vectors,
    n: int = 10,
) -> Query:
    """A question of somebody with a history of rows, by strengths, and stated interests."""
    spec: Scenario = _settings().scenario(scenario)
    vectors = _vectors(0)[rows]
    weights = np.array(strengths, np.float32)
    return Query(
        scenario=scenario,
        spec=spec,
        n=n,
        now=NOW,
        space=space,
        history=History(
            rows=np.array(rows, np.int64),
            items=_vectors(0),
            strengths=weights,
            undecayed=weights,
            actions=("like",) * len(rows),
            scenarios=("things",) * len(rows),
        ),
        vector=normalise((weights @ vectors + interests)[None])[0],
        interests=interests,
        allowed=np.ones(TARGETS, np.bool_),
    )


def _dataset() -> Dataset:
    rng, count = np.random.default_rng(11), 600
    on_person = rng.random(count) < 0.3
    timestamps = NOW - rng.random(count) * 100 * DAY
    timestamps[::17] = np.nan
    target = rng.integers(0, TARGETS, count)
    on_tag = ~on_person & (target >= _TAGS)
    return Dataset(
        users=IdMap(f"u{number}" for number in range(TARGETS)),
        items=IdMap(f"i{number}" for number in range(TARGETS)),
        is_tag=np.arange(TARGETS) >= _TAGS,
        user=rng.integers(0, TARGETS, count),
        target=target,
        on_person=on_person,
        action=rng.integers(0, 3, count).astype(np.int32),
        scenario=np.where(on_person, 1, rng.integers(-1, 1, count)).astype(np.int32),
        timestamp=timestamps,
        value=np.ones(count),
        context=np.where(on_tag, rng.integers(-1, _TAGS, count), -1),
        actions=("like", "view", "dislike"),
        scenarios=("things", "people"),
    )


def contract_training() -> Training:
    """What a source learns from."""
    tags = [("red",) if row % 3 else ("red", "blue") for row in range(TARGETS)]
    links = Links.of(
        [(f"u{row}", "friend", f"u{(row * 7 + 1) % TARGETS}") for row in range(TARGETS)]
        + [(f"i{row}", "author", f"writer {row % 5}") for row in range(TARGETS)]
    )
    people = {"people": _vectors(0)}
    return Training(_dataset(), _settings(), _vectors(0), NOW, people, tags, links)
