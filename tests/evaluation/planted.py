"""A world with a planted preference: each person likes one of four kinds of things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from polyscene.data.schema import Event, Item, Relation, User
from polyscene.settings import parse_settings
from polyscene.workspace import Workspace
from tiny_world import DAY, NOW, words

TASTES = ("tea", "maps", "shoes", "clay")
USERS = 40
SETTINGS: dict[str, Any] = {
    "scenarios": {
        "商店": {"sources": {"kernel": "auto", "semantic-mean": "auto", "trending": "auto"}},
        "news": {"target": "content", "sources": {"semantic-mean": "auto", "trending": "auto"}},
        "social": {"target": "person", "sources": {"semantic-mean": "auto", "social": "auto"}},
    },
}


def taste(user: int) -> str:
    return TASTES[user % 4]


def items() -> list[Item]:
    """For each taste eight goods and four news; four goods that everybody buys."""
    found = [Item(item_id=f"all-{n}", title=f"Plain thing {n}") for n in range(4)]
    for name in TASTES:
        found += [
            Item(item_id=f"{name}-{n}", title=f"{name} number {n}", tags=[name]) for n in range(8)
        ]
        found += [
            Item(item_id=f"{name}-news-{n}", title=f"{name} today {n}", kind="content")
            for n in range(4)
        ]
    return found


def events(seed: int = 0) -> list[Event]:
    """Each user buys one plain thing and six of their taste, and reads three news of it."""
    rng, found = np.random.default_rng(seed), []
    for number in range(USERS):
        own = taste(number)
        goods = [f"all-{n}" for n in rng.choice(4, 1)]
        goods += [f"{own}-{n}" for n in rng.choice(8, 6, replace=False)]
        news = [f"{own}-news-{n}" for n in rng.choice(4, 3, replace=False)]
        for name in goods:
            found.append(event(number, name, "buy", "商店", rng.uniform(1, 60)))
        for name in news:
            found.append(event(number, name, "read", "news", rng.uniform(1, 60)))
    return found


def event(user: int, item: str, action: str, scenario: str, days: float) -> Event:
    return Event(
        user_id=f"u{user}", item_id=item, action=action, scenario=scenario,
        timestamp=NOW - float(days) * DAY,
    )  # fmt: skip


def shown(users: int = USERS) -> list[Event]:
    """Four lists for each user, a day apart: two goods of their taste, which they buy, and two of
    others, which they pass over. Nobody is shown anything twice."""
    found, rng = [], np.random.default_rng(5)
    for number in range(users):
        own = rng.permutation([f"{taste(number)}-{n}" for n in range(8)])
        others = [f"{name}-{n}" for name in TASTES if name != taste(number) for n in range(8)]
        others = rng.permutation(others)
        for page in range(4):
            done = [(name, "buy") for name in own[2 * page : 2 * page + 2]]
            done += [(name, "pass") for name in others[2 * page : 2 * page + 2]]
            for place in rng.permutation(4).tolist():
                name, action = done[place]
                one = event(number, name, action, "商店", 4 - page)
                found.append(one.model_copy(update={"request_id": f"r{number}-{page}"}))
    return found


SHOWN: dict[str, Any] = SETTINGS | {
    "scenarios": SETTINGS["scenarios"]
    | {"商店": SETTINGS["scenarios"]["商店"] | {"actions": {"buy": 1.0, "pass": -1.0}}}
}
"""The settings for it: to pass over something is no success."""


def friends() -> list[Relation]:
    """Everybody knows the next of the same taste."""
    return [
        Relation(subject=f"u{n}", predicate="friend", object=f"u{n + 4}") for n in range(USERS - 4)
    ]


def make(path: Path, done: list[Event], known: list[Relation], **settings: Any) -> Workspace:
    """A workspace with that world; nothing is fitted."""
    path.mkdir()
    workspace = Workspace(path, parse_settings(SETTINGS | settings), words(48))
    with workspace.store.write() as writer:
        writer.put_items(items())
        writer.put_users([User(user_id=f"u{number}") for number in range(USERS)])
        writer.add_events(done)
        writer.put_relations(known)
    return workspace
