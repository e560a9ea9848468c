"""Duplicates removed: of targets that are the same, only the best placed is shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray

__all__ = ["Twins", "distinct"]


class Twins:
    """Knows which candidates repeat one that was taken.

    Two targets are duplicates when their text keys are equal, or the cosine of their vectors
    reaches the threshold.

    Args:
        keys: Key of each candidate's text, shape (m,).
        vectors: Unit vectors of all targets, shape (targets, dim); zero rows are never near.
        rows: The row of each candidate in `vectors`, shape (m,).
        threshold: Cosine from which on two targets are the same; 1 compares keys only.
    """

    def __init__(
        self, keys: npt.NDArray[np.uint64], vectors: Vectors, rows: IntArray, threshold: float
    ) -> None:
        self._keys = keys
        self._vectors = vectors
        self._rows = rows
        self._threshold = threshold
        self._seen: set[int] = set()
        self._taken: list[int] = []

    def take(self, position: int) -> None:
        """Remember a candidate."""
        self._seen.add(int(self._keys[position]))
        self._taken.append(int(self._rows[position]))

    def repeats(self, position: int) -> bool:
        """Whether a candidate repeats one that was taken; O(taken · dim)."""
        if int(self._keys[position]) in self._seen:
            return True
        if self._threshold >= 1 or not self._taken:
            return False
        near = self._vectors[self._taken] @ self._vectors[self._rows[position]]
        return bool((near >= self._threshold).any())


def distinct(
    keys: npt.NDArray[np.uint64], vectors: Vectors, rows: IntArray, threshold: float, n: int
) -> IntArray:
    """Positions of the first n targets that are no duplicate of one kept before them.

    O(m · n · dim) for m targets looked at.

    Args:
        keys: Key of each target's text, best target first. Shape (m,).
        vectors: Unit vectors of all targets, shape (targets, dim); zero rows are never near.
        rows: The row of each of the m targets in `vectors`.
        threshold: Cosine from which on two targets are the same; 1 compares keys only.
        n: How many to keep.
    """
    first = np.arange(min(n, len(rows)))
    if not _repeated(keys[first], vectors[rows[first]], threshold):
        return first
    twins = Twins(keys, vectors, rows, threshold)
    kept: list[int] = []
    for position in range(len(rows)):
        if len(kept) == n:
            break
        if not twins.repeats(position):
            twins.take(position)
            kept.append(position)
    return np.array(kept, np.int64)


def _repeated(keys: npt.NDArray[np.uint64], vectors: Vectors, threshold: float) -> bool:
    """Whether any of some targets is a duplicate of another."""
    if len(set(keys.tolist())) < len(keys):
        return True
    if threshold >= 1:
        return False
    near = vectors @ vectors.T
    near.flat[:: len(near) + 1] = 0
    return bool(near.max(initial=0) >= threshold)
