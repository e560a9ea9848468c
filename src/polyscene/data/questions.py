"""Who is asked for, and about what: the rows of what is held out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from polyscene.data.dataset import Dataset, IntArray, Mask

__all__ = ["Questions"]


@dataclass(frozen=True, slots=True)
class Questions:
    """Distinct pairs of a user and a context, ascending by user, then by context."""

    users: IntArray
    """Rows of the users, shape (q,); one with several contexts comes several times."""
    contexts: IntArray
    """Rows of what is asked about; -1 for a question about nothing. Shape (q,)."""

    @classmethod
    def of(cls, users: IntArray, contexts: IntArray | None = None) -> Self:
        """The distinct ones of some pairs, in any order.

        Args:
            users: Rows of users.
            contexts: Rows of contexts, -1 for none; all none when omitted.
        """
        about = np.full(len(users), -1, np.int64) if contexts is None else contexts
        pairs = np.unique(np.stack([users, about], axis=1).astype(np.int64), axis=0)
        return cls(pairs[:, 0], pairs[:, 1])

    @classmethod
    def asked(cls, held: Dataset, friends: Iterable[IntArray] = ()) -> Self:
        """What is to be asked so that held-out events and friends can be found.

        Args:
            held: The events.
            friends: Pairs of rows of users, of which the first are asked for; shape (pairs, 2).
        """
        befriended = [pairs[:, 0] for pairs in friends]
        about = [np.full(len(users), -1) for users in befriended]
        return cls.of(
            np.concatenate([held.user, *befriended]), np.concatenate([held.context, *about])
        )

    def __len__(self) -> int:
        return len(self.users)

    def take(self, kept: IntArray | Mask) -> Questions:
        """Some of them: ascending positions, or a mask."""
        return Questions(self.users[kept], self.contexts[kept])

    def rows(self, users: IntArray, contexts: IntArray) -> IntArray:
        """The position of each pair, -1 where it is not among them. Shape (pairs,)."""
        if not len(self):
            return np.full(len(users), -1, np.int64)
        width = max(int(self.contexts.max()), int(contexts.max(initial=-1))) + 2
        keys, wanted = self.users * width + self.contexts, users * width + contexts
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[places] == wanted, places, -1)
