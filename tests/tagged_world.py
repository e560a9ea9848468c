"""The planted world with tags: buyers call a thing by what it is, and by a word of their own.

Things of the taste "tea" are called "tea" by everybody. Half of the users of each taste add "fine",
the others "good". What all have, plain things, is called "plain".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny_world
from evaluation.planted import SETTINGS, TASTES, USERS, events, friends, items
from polyscene.data.schema import Event, Item, User
from polyscene.engine import Engine
from polyscene.settings import preset_table
from tiny_world import NOW

WORDS = (*TASTES, "plain", "fine", "good")
TAGS = [Item(item_id=f"tag-{word}", kind="tag", title=word) for word in WORDS]
SCENARIO: dict[str, Any] = preset_table("tags")
"""The preset as it is: `tiny_world` would give one that names no sources others."""
EVERY_SOURCE = {
    name: "auto"
    for name in (
        "kernel", "item-knn", "rp3beta", "factor", "graph", "user-knn", "social", "semantic-mean",
        "semantic-soft", "trending",
    )
}  # fmt: skip


def habit(user: int) -> str:
    return ("fine", "good")[user // 4 % 2]


def posts(done: list[Event] | None = None) -> list[Event]:
    """The tags that each buyer gives to what they bought."""
    found = []
    for one in events() if done is None else done:
        if one.action == "buy":
            words = [one.item_id.split("-")[0].replace("all", "plain"), habit(int(one.user_id[1:]))]
            found += [tag(one.user_id, word, one.item_id, one.timestamp) for word in words]
    return found


def tag(user: str, word: str, thing: str, timestamp: float | None = NOW, **more: Any) -> Event:
    return Event(
        user_id=user, item_id=f"tag-{word}", action="tag", context=thing, timestamp=timestamp,
        **more,
    )  # fmt: skip


def make(
    path: Path,
    given: list[Event],
    scenarios: dict[str, dict[str, Any]] | None = None,
    *,
    fit: bool = True,
    tags: bool = True,
    **settings: Any,
) -> Engine:
    """An engine over the planted world, with tags and what was given of them."""
    named = {"tags": SCENARIO} if tags else {}
    declared = dict(SETTINGS["scenarios"]) | named if scenarios is None else scenarios
    return tiny_world.make(
        path,
        declared,
        items=[*(TAGS if tags else []), *items()],
        users=[User(user_id=f"u{number}") for number in range(USERS)],
        events=[*given, *events()],
        relations=friends(),
        fit=fit,
        **settings,
    )
