"""Duplicates removed: of targets that are the same, only the best placed is shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray

__all__ = ["Twins", "distinct"]


def distinct(
    keys: npt.NDArray[np.uint64], vectors: Vectors, rows: IntArray, threshold: float, n: int
) -> IntArray:
    """Positions of the first n targets that are no duplicate of one kept before them.

    Two targets are duplicates when their text keys are equal, or the cosine of their vectors
    reaches the threshold. O(m · n · dim) for m targets looked at.

    Args:
        keys: Key of each target's text, best target first. Shape (m,).
        vectors: Unit vectors of all targets, shape (targets, dim); zero rows are never near.
        rows: The row of each of the m targets in `vectors`.
        threshold: Cosine from which on two targets are the same; 1 compares keys only.
        n: How many to keep.
    """

    def near(kept: list[int], position: int) -> Vectors:
        return np.asarray(vectors[rows[kept]] @ vectors[rows[position]])

    kept: list[int] = []
    seen: set[int] = set()
    for position, key in enumerate(keys.tolist()):
        if len(kept) == n:
            break
        if key in seen:
            continue
        if threshold < 1 and kept and (near(kept, position) >= threshold).any():
            continue
        seen.add(key)
        kept.append(position)
    return np.array(kept, np.int64)


class Twins:
    """Which candidates repeat one of them: the pairs that `distinct` does not keep.

    Args:
        keys: Key of each candidate's text, shape (m,).
        vectors: Unit vectors of the candidates, shape (m, dim); zero rows are never near.
        threshold: Cosine from which on two are the same; 1 compares keys only.
    """

    def __init__(self, keys: npt.NDArray[np.uint64], vectors: Vectors, threshold: float) -> None:
        self._keys = keys
        self._vectors = vectors
        self._threshold = threshold

    def __call__(self, position: int) -> npt.NDArray[np.bool_]:
        """The candidates that repeat one, itself among them; O(m · dim). Shape (m,)."""
        same = self._keys == self._keys[position]
        if self._threshold < 1:
            same |= self._vectors @ self._vectors[position] >= self._threshold
        return np.asarray(same)
