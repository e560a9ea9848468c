"""The source contract: a query in, candidates with scores out."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from polyscene.component import Candidates, Component, Query
from polyscene.data.dataset import IntArray

__all__ = ["Source", "best"]


class Source(Component):
    """Produces candidates for a query."""

    family: ClassVar[str] = "source"

    @abstractmethod
    def __call__(self, query: Query) -> Candidates:
        """Up to `query.n` allowed targets, best first, each once.

        Empty when the source has nothing to go on, such as a user without history.
        """


def best(
    scores: npt.NDArray[np.float32], rows: IntArray, n: int
) -> tuple[IntArray, npt.NDArray[np.float32]]:
    """The n highest scores and their rows, best first; ties by row. O(m + n log n).

    Args:
        scores: Shape (m,).
        rows: The row of each score, ascending, shape (m,).
        n: How many to keep.
    """
    if n < len(scores):
        edge = np.partition(scores, len(scores) - n)[len(scores) - n]
        kept = np.flatnonzero(scores >= edge)
    else:
        kept = np.arange(len(scores))
    order = kept[np.argsort(-scores[kept], kind="stable")][:n]
    return rows[order], scores[order]
