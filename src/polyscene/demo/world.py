"""The sample world: 428 targets and 96 people, all invented, and what they would like.

Titles, descriptions and people were written for this project and come under its licence. Each
record of the files in `world/` ends with `interests`, which only the simulation reads: they are
removed before anything is ingested.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

__all__ = ["CATALOGUES", "World", "load_world"]

CATALOGUES = ("shop", "news", "music", "video", "travel", "education", "health")
"""The scenarios that recommend items; people are recommended in `social`."""


@dataclass(frozen=True, slots=True)
class World:
    """Records as they are ingested, and the hidden interests behind them."""

    items: list[dict[str, Any]]
    users: list[dict[str, Any]]
    item_interests: list[list[str]]
    """Interests of each item, the main one first."""
    user_interests: list[list[str]]
    """Interests of each user, the main one first."""

    @property
    def interests(self) -> list[str]:
        """All interests, sorted."""
        lists = (*self.item_interests, *self.user_interests)
        return sorted({interest for interests in lists for interest in interests})


def load_world() -> World:
    """The bundled world."""
    items = [record for name in CATALOGUES for record in _read(name)]
    users = _read("people")
    return World(
        items=items,
        users=users,
        item_interests=[item.pop("interests") for item in items],
        user_interests=[user.pop("interests") for user in users],
    )


def _read(name: str) -> list[dict[str, Any]]:
    text = (files("polyscene.demo") / "world" / f"{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]
