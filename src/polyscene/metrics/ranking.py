"""Ranking metrics on lists of ids. Each looks at the first k of a list, best first."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

__all__ = ["hit_rate", "ndcg", "precision", "recall", "reciprocal_rank"]


def ndcg(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Normalised discounted cumulative gain with binary relevance, in [0, 1].

        DCG = Σ_{rank r ≤ k, relevant} 1 / log2(r + 1),   divided by that of an ideal list

    Reference: Järvelin and Kekäläinen (2002).

    Args:
        ranked: Distinct ids, best first.
        relevant: The ids that count as right, at least one.
        k: How many ranks are looked at.
    """
    _check(relevant, k)
    gain = sum(1 / math.log2(rank + 2) for rank, name in enumerate(ranked[:k]) if name in relevant)
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(relevant))))
    return gain / ideal


def precision(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of the first k ranks that are relevant; ranks past the end of the list are not."""
    _check(relevant, k)
    return _hits(ranked, relevant, k) / k


def recall(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of the relevant ids that stand in the first k ranks."""
    _check(relevant, k)
    return _hits(ranked, relevant, k) / len(relevant)


def hit_rate(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """1 when a relevant id stands in the first k ranks, else 0."""
    _check(relevant, k)
    return float(_hits(ranked, relevant, k) > 0)


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """1 / rank of the first relevant id, 0 when none stands in the first k ranks."""
    _check(relevant, k)
    found = (rank for rank, name in enumerate(ranked[:k], start=1) if name in relevant)
    return 1 / next(found, math.inf)


def _hits(ranked: Sequence[str], relevant: Collection[str], k: int) -> int:
    return sum(name in relevant for name in ranked[:k])


def _check(relevant: Collection[str], k: int) -> None:
    if not relevant or k < 1:
        raise ValueError(f"got {len(relevant)} relevant ids and k = {k}; both are at least 1")
