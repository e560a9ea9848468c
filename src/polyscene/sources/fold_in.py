"""Users folded into factors that were learned without them: their half step of ALS, many at once.

Each user's x solves a system of their own,

    (YᵀY + λI + YₕᵀSYₕ)·x = b      S = diag(α·w), b = Yₕᵀ(1 + α·w)

for the factors Yₕ of a history of weights w. A short history is folded in with a system of its own
length in place of one of the factors (Woodbury), with M = (YᵀY + λI)⁻¹:

    x = M·b - M·Yₕᵀ·√S (I + √S·Yₕ·M·Yₕᵀ·√S)⁻¹ √S·Yₕ·M·b

Those of about the same length are padded to one and solved for together: most of the time goes into
a few large products, which other threads need not wait for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray

__all__ = ["FoldIn"]

_LEAST = 8
"""The shortest length that histories are padded to."""


@dataclass(frozen=True, slots=True)
class FoldIn:
    """What users are folded into."""

    items: Vectors
    """Y, the factors of the items, shape (n, f)."""
    system: Vectors
    """YᵀY + λI, shape (f, f)."""
    inverse: Vectors
    """M, shape (f, f)."""

    @classmethod
    def of(cls, items: Vectors, reg: float) -> Self:
        """For the factors of some items, shape (n, f), and λ."""
        identity = np.eye(items.shape[1], dtype=np.float32)
        system = np.asarray(items.T @ items + np.float32(reg) * identity)
        return cls(items, system, _solved(system, identity))

    def __call__(self, x: sp.csr_matrix, alpha: float) -> Vectors:
        """The factors of users, shape (users, f); those without a history have 0.

        O(h²·f + h³) for a history of h items with 2h < f, else O(h·f² + f³).

        Args:
            x: The weights w of what each user did, shape (users, n).
            alpha: α.
        """
        width = self.items.shape[1]
        users = np.zeros((x.shape[0], width), np.float32)
        sure = sp.csr_matrix((np.float32(alpha) * x.data, x.indices, x.indptr), shape=x.shape)
        lengths = np.diff(x.indptr)
        short = 2 * lengths < width
        for some in _alike(lengths, np.flatnonzero(short & (lengths > 0))):
            users[some] = self._short(sure[some])
        for place in np.flatnonzero(~short).tolist():
            here = slice(x.indptr[place], x.indptr[place + 1])
            own, weights = self.items[x.indices[here]], sure.data[here]
            users[place] = _solved(self._long(own, weights), (1 + weights) @ own)
        return users

    def gave(self, own: Vectors, sure: Vectors, targets: Vectors) -> Vectors:
        """What each entry of a history gave to the scores of some targets, shape (m, h).

        Args:
            own: Yₕ, shape (h, f).
            sure: α·w, shape (h,).
            targets: The factors of the targets, shape (m, f).
        """
        seen = _solved(self._long(own, sure), targets.T)
        return np.asarray((seen.T @ own.T) * (1 + sure))

    def _long(self, own: Vectors, sure: Vectors) -> Vectors:
        """YᵀY + λI + YₕᵀSYₕ of one user; arguments as for `gave`."""
        scaled = own * np.sqrt(sure)[:, None]
        return np.asarray(scaled.T @ scaled + self.system)  # of one matrix, half the work

    def _short(self, sure: sp.csr_matrix) -> Vectors:
        """The factors of users with short histories, shape (users, f).

        Args:
            sure: α·w, shape (users, n), no row empty.
        """
        lengths = np.diff(sure.indptr)
        at = np.arange(lengths.max())
        filled = at < lengths[:, None]
        places = np.where(filled, sure.indptr[:-1, None] + at, 0)
        own = self.items[sure.indices[places]]
        weights = np.where(filled, sure.data[places], np.float32(0))
        plain = (filled + weights)[:, None, :] @ own @ self.inverse
        scaled = own * np.sqrt(weights)[:, :, None]
        reach = scaled @ self.inverse
        inner = reach @ scaled.transpose(0, 2, 1)
        inner[:, at, at] += 1
        less = np.linalg.solve(inner, scaled @ plain.transpose(0, 2, 1))
        return np.asarray(plain - less.transpose(0, 2, 1) @ reach)[:, 0]


def _solved(matrix: Vectors, sides: Vectors) -> Vectors:
    """The solution of a symmetric positive definite system.

    Raises:
        numpy.linalg.LinAlgError: When there is none.
    """
    _, found, failed = scipy.linalg.lapack.sposv(matrix, sides, lower=1)
    if failed:
        raise np.linalg.LinAlgError(f"the system of a user has no solution ({failed})")
    return np.asarray(found, np.float32)


def _alike(lengths: IntArray, users: IntArray) -> Iterator[IntArray]:
    """Some users at a time, no length of a history more than twice another, if not below 8."""
    steps = _LEAST * 2 ** np.arange(32)
    kinds = np.searchsorted(steps, lengths[users])
    order = np.argsort(kinds, kind="stable")
    ends = np.searchsorted(kinds[order], np.arange(kinds.max(initial=-1) + 2))
    for start, end in pairwise(ends.tolist()):
        if end > start:
            yield users[order[start:end]]
