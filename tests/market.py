"""A market of people where some are liked by nearly everybody, and like few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from polyscene.data.schema import Relation, User
from polyscene.engine import Engine
from tiny_world import NOW, Maker

CIRCLES, MEMBERS, STARS = 6, 20, 12
SEEN = 0.4
"""The share of all liking that is known, as a follow."""


@dataclass(frozen=True)
class Market:
    likes: npt.NDArray[np.bool_]
    """Who likes whom, shape (people, people); the last are the stars."""
    known: npt.NDArray[np.bool_]
    """Of which of it one knows."""

    @classmethod
    def drawn(cls, seed: int) -> Market:
        """Everybody likes half of their own circle and most stars; stars like each other."""
        rng = np.random.default_rng(seed)
        circle = np.append(np.repeat(np.arange(CIRCLES), MEMBERS), np.repeat(CIRCLES, STARS))
        chance = np.where(circle[:, None] == circle, 0.5, 0.02)
        chance[:-STARS, -STARS:] = 0.7
        np.fill_diagonal(chance, 0)
        likes = rng.random(chance.shape) < chance
        return cls(likes, likes & (rng.random(likes.shape) < SEEN))

    @property
    def names(self) -> list[str]:
        plain, stars = len(self.likes) - STARS, STARS
        return [f"p{i}" for i in range(plain)] + [f"star{i}" for i in range(stars)]

    def without(self, name: str) -> Market:
        """The same where somebody follows nobody."""
        known = self.known.copy()
        known[self.names.index(name)] = False
        return replace(self, known=known)

    def engine(
        self,
        make: Maker,
        *,
        blocks: Sequence[tuple[str, str]] = (),
        language: str | None = None,
        **options: Any,
    ) -> Engine:
        """An engine over the market, with these options of the scenario."""
        names = self.names
        follows = [
            Relation(subject=names[one], predicate="follow", object=names[other])
            for one, other in np.argwhere(self.known).tolist()
        ]
        follows += [Relation(subject=a, predicate="block", object=b) for a, b in blocks]
        social = {"preset": "social", "sources": {"social": 1.0}, **options}
        users = [User(user_id=name, name=name, language=language) for name in names]
        return make({"social": social}, users=users, events=[], relations=follows)

    def matches(self, engine: Engine) -> int:
        """How many in the lists of ten of all but stars like them and are liked by them."""
        names = self.names
        rows = {name: row for row, name in enumerate(names)}
        both = self.likes & self.likes.T
        found = 0
        for answer in engine.recommend_many(names[:-STARS], "social", 10, now=NOW):
            user = rows[answer.user_id or ""]
            found += sum(int(both[user, rows[item.item_id]]) for item in answer.items)
        return found
