"""Who is connected with whom: friendships, follows and blocks among the relations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Self

from polyscene.data.dataset import Links

__all__ = ["BLOCKS", "FRIENDS", "MUTUAL", "Connections"]

MUTUAL = frozenset({"friend", "friends", "knows"})
"""Predicates of relations that hold in both directions."""
FRIENDS = MUTUAL | {"follow", "follows"}
"""Predicates of relations that mean two people are connected already."""
BLOCKS = frozenset({"block", "blocks"})
"""Predicates of relations that keep two people apart, in both directions. As actions of events they
keep the target from the one who acted."""


class Connections:
    """The connections of users.

    Args:
        relations: The relations: subject, predicate and object.
    """

    def __init__(self, relations: Iterable[tuple[str, str, str]]) -> None:
        self._friends: dict[str, dict[str, None]] = defaultdict(dict)
        self._apart: dict[str, dict[str, None]] = defaultdict(dict)
        for relation in relations:
            self._add(*relation)

    @classmethod
    def of(cls, links: Links) -> Self:
        """Those of every user, from all relations."""
        names, predicates = links.names.ids, links.predicates
        columns = (links.subject.tolist(), links.predicate.tolist(), links.object.tolist())
        return cls(
            (names[subject], predicates[code], names[target])
            for subject, code, target in zip(*columns, strict=True)
        )

    def friends(self, user: str) -> list[str]:
        """The people a user is connected with."""
        return list(self._friends.get(user, ()))

    def apart(self, user: str) -> list[str]:
        """The people that a user has blocked or is blocked by."""
        return list(self._apart.get(user, ()))

    def pairs(self) -> Iterable[tuple[str, str]]:
        """Every (user, friend), as `friends` has them."""
        return ((user, other) for user, others in self._friends.items() for other in others)

    def _add(self, subject: str, predicate: str, target: str) -> None:
        if predicate in FRIENDS:
            self._friends[subject][target] = None
            if predicate in MUTUAL:
                self._friends[target][subject] = None
        elif predicate in BLOCKS:
            self._apart[subject][target] = None
            self._apart[target][subject] = None
