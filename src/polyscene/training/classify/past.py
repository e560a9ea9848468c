"""What is known of users and items before a pair is judged: levels, and a vector of each user.

The signal s_ui of a pair is the strength of its events, cut to [-1, 1]. It is split into levels,
and what the levels leave tells of taste:

    s_ui = μ + b_u + b_i + e_ui        b by ridge: Σ residuals / (count + 3), some rounds
    vector of u = Σ_i e_ui·v_i / √n_u

Where all signals are alike, as with purchases only, e is the signal itself.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.data.dataset import Dataset, IntArray, Mask
from polyscene.represent.strength import Strengths
from polyscene.settings import Settings

__all__ = ["LEVELS", "Past", "signals", "without"]

LEVELS = 4
"""Numbers that are known of a pair: both levels, and the logarithms of both counts."""
_REG = 3.0
_ROUNDS = 6


def signals(data: Dataset, settings: Settings, scenario: str, events: Mask) -> sp.csr_matrix:
    """The signals of some events on items, shape (users, items)."""
    strengths = Strengths(settings, scenario)
    part = data.take(events & ~data.on_person & (data.target >= 0))
    part = part.take(strengths.readable(part))
    found = sp.csr_matrix(
        (strengths(part), (part.user, part.target)), shape=(len(data.users), len(data.items))
    )
    found.sum_duplicates()
    found.data = np.clip(found.data, -1, 1)
    return found


class Past:
    """Levels and vectors by some signals.

    Args:
        found: The signals, shape (users, items).
        vectors: Vectors of the items, shape (items, dim).
    """

    def __init__(self, found: sp.csr_matrix, vectors: Vectors) -> None:
        cells = found.tocoo()
        user, item, s = cells.row, cells.col, cells.data.astype(np.float64)
        users, items = found.shape
        self.user_count = np.bincount(user, minlength=users)
        self.item_count = np.bincount(item, minlength=items)
        self.mean = float(s.mean()) if len(s) else 0.0
        self.user, self.item = np.zeros(users), np.zeros(items)
        for _ in range(_ROUNDS):
            left = s - self.mean - self.user[user]
            self.item = np.bincount(item, left, items) / (self.item_count + _REG)
            left = s - self.mean - self.item[item]
            self.user = np.bincount(user, left, users) / (self.user_count + _REG)
        taste = s - self.mean - self.user[user] - self.item[item]
        if not len(s) or float(np.std(s)) < 1e-6:
            taste = s
        rows = sp.csr_matrix((taste.astype(np.float32), (user, item)), shape=found.shape)
        scale = np.sqrt(np.maximum(self.user_count, 1)).astype(np.float32)
        self.vectors: Vectors = np.asarray(rows @ vectors, np.float32) / scale[:, None]

    def levels(self, users: IntArray, items: IntArray) -> Vectors:
        """What is known of some pairs, shape (n, `LEVELS`)."""
        return np.stack(
            [
                self.user[users],
                self.item[items],
                np.log1p(self.user_count[users]),
                np.log1p(self.item_count[items]),
            ],
            axis=1,
        ).astype(np.float32)


def without(found: sp.csr_matrix, pairs: IntArray) -> sp.csr_matrix:
    """All signals but those of some pairs, given as user · items + item."""
    cells = found.tocoo()
    kept = ~np.isin(cells.row.astype(np.int64) * found.shape[1] + cells.col, pairs)
    return sp.csr_matrix((cells.data[kept], (cells.row[kept], cells.col[kept])), shape=found.shape)
