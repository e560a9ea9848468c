"""Exact search: all dot products, the best n of each query, equals in order of row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray

__all__ = ["Mask", "best_of", "exact_search", "no_hits"]

Mask = npt.NDArray[np.bool_]

BLOCK_BYTES = 64 * 2**20
"""Memory that the scores of one block of queries may take."""
GATHER_BELOW = 1 / 8
"""Share of allowed rows up to which copying them out is cheaper than scoring all rows."""
ROUNDING = 1e-5
"""By how much a score from a matrix product may differ from the same dot product on its own."""


def exact_search(
    vectors: Vectors, queries: Vectors, n: int, allowed: Mask | None = None
) -> tuple[IntArray, Vectors]:
    """The n rows of the largest dot product with each query.

    The matrix product finds the n-th best score; all rows that reach it within rounding are
    scored again one by one, so that equal vectors have exactly equal scores and the order of
    equals is that of their rows. Cost: q·N·dim multiplications and 64 MB.

    Args:
        vectors: Shape (N, dim), unit or zero rows.
        queries: Shape (q, dim), unit or zero rows.
        n: How many rows to return for each query.
        allowed: Which rows may be returned, shape (N,); None for all.

    Returns:
        Rows and scores, each of shape (q, n), best first; -1 and -inf past the last allowed row.
    """
    rows, scores = no_hits(len(queries), n)
    candidates = None if allowed is None else np.flatnonzero(allowed)
    k = min(n, len(vectors) if candidates is None else len(candidates))
    if k == 0:
        return rows, scores
    gathered = candidates is not None and len(candidates) <= GATHER_BELOW * len(vectors)
    base = vectors[candidates] if gathered else vectors
    closed = None if allowed is None or gathered else np.flatnonzero(~allowed)
    cut = len(base) - k
    block = max(1, BLOCK_BYTES // (4 * len(base)))
    for start in range(0, len(queries), block):
        some = queries[start : start + block]
        products = some @ base.T
        if closed is not None:
            products[:, closed] = -np.inf
        thresholds = np.partition(products, cut, axis=1)[:, cut] - ROUNDING
        for place, query in enumerate(some, start):
            if not query.any():  # every row is equal: no need to score them
                rows[place, :k] = np.arange(k) if candidates is None else candidates[:k]
                scores[place, :k] = 0.0
                continue
            reached = np.flatnonzero(products[place - start] >= thresholds[place - start])
            if gathered and candidates is not None:
                reached = candidates[reached]
            rows[place, :k], scores[place, :k] = best_of(vectors, query, reached, k)
    return rows, scores


def best_of(
    vectors: Vectors, query: Vectors, candidates: IntArray, n: int
) -> tuple[IntArray, Vectors]:
    """The n best of some rows for one query, by exact dot products; equals in order of row."""
    products = np.einsum("ij,j->i", vectors[candidates], query)
    order = np.lexsort((candidates, -products))[:n]
    return candidates[order], products[order]


def no_hits(q: int, n: int) -> tuple[IntArray, Vectors]:
    """An answer without any row: -1 and -inf, shapes (q, n)."""
    return np.full((q, n), -1, dtype=np.int64), np.full((q, n), -np.inf, dtype=np.float32)
