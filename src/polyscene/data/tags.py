"""The tags that users gave, and what they make of the tags of records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["TOP_TAGS", "GivenTag", "TagCounts"]

TOP_TAGS = 10
"""How many of the tags that users gave become tags of an item or of a user."""


@dataclass(frozen=True, slots=True)
class GivenTag:
    """That a user gave a tag to an item."""

    user_id: str
    item_id: str
    tag: str
    timestamp: float | None = None
    """When, seconds since 1970-01-01 UTC."""


class TagCounts:
    """The tags that people gave to things, counted by how many people gave them.

    Args:
        given: Thing, tag and giver.
    """

    def __init__(self, given: Iterable[tuple[str, str, str]]) -> None:
        self._givers: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for thing, tag, giver in given:
            self._givers[thing][tag].add(giver)

    @classmethod
    def of_items(cls, given: Iterable[GivenTag]) -> TagCounts:
        """The tags of items, counted by users."""
        return cls((one.item_id, one.tag, one.user_id) for one in given)

    @classmethod
    def of_users(cls, given: Iterable[GivenTag]) -> TagCounts:
        """The tags of the users who gave them, counted by items."""
        return cls((one.user_id, one.tag, one.item_id) for one in given)

    def __iter__(self) -> Iterator[str]:
        """The things that have tags."""
        return iter(self._givers)

    def all(self, thing: str) -> set[str]:
        """Every tag that somebody gave it."""
        return set(self._givers.get(thing, ()))

    def top(self, thing: str) -> list[str]:
        """The `TOP_TAGS` tags that most people gave it, ties in alphabetical order."""
        givers = self._givers.get(thing, {})
        return sorted(givers, key=lambda tag: (-len(givers[tag]), tag))[:TOP_TAGS]
