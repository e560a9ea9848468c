"""The two texts of a pair: who the user is, and what the item is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse as sp

from polyscene.data.dataset import IntArray
from polyscene.data.schema import Item, User
from polyscene.settings import Settings
from polyscene.text.verbalise import Deed, Verbaliser

__all__ = ["PairTexts"]

_LIKED = {"en": "liked", "zh": "喜欢"}
_NOT = {"en": "did not like", "zh": "不喜欢"}
_EACH = 6
"""Items that are named of what a user liked, and of what they did not, at most."""


class PairTexts:
    """Texts of users and items; what a user liked best and least is named by its title.

    Args:
        settings: The workspace's settings.
        users: The records of the users, by row; None for one that has no record.
        items: The records of the items, by row.
    """

    def __init__(
        self, settings: Settings, users: Mapping[int, User], items: Sequence[Item]
    ) -> None:
        self._verbaliser = Verbaliser(settings)
        self._users = users
        self._items = items
        self._own: dict[int, str] = {}

    def item(self, row: int) -> str:
        """The text of an item; empty where it has none."""
        if row not in self._own:
            self._own[row] = " ".join(self._verbaliser.item(self._items[row]))
        return self._own[row]

    def user(self, row: int, known: sp.csr_matrix) -> str:
        """The text of a user.

        Args:
            row: The user.
            known: What is known of their behaviour: signals, shape (users, items).
        """
        start, end = known.indptr[row : row + 2]
        rows, values = known.indices[start:end], known.data[start:end]
        order = np.argsort(-values, kind="stable")
        best = [
            Deed(_LIKED, self._items[r].title) for r in rows[order[:_EACH]][: self._above(values)]
        ]
        least = order[::-1][:_EACH]
        worst = [Deed(_NOT, self._items[r].title) for r in rows[least[values[least] < 0]]]
        user = self._users.get(row) or User(user_id=str(row))
        return " ".join(self._verbaliser.user(user, [*best, *worst]))

    def pairs(
        self, users: IntArray, items: IntArray, known: sp.csr_matrix
    ) -> list[tuple[str, str]]:
        """The texts of some pairs."""
        told = {row: self.user(row, known) for row in np.unique(users).tolist()}
        return [
            (told[u], self.item(i)) for u, i in zip(users.tolist(), items.tolist(), strict=True)
        ]

    @staticmethod
    def _above(values: np.ndarray) -> int:
        return int((values > 0).sum())
