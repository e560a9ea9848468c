"""Ranking metrics at k with binary relevance, one value for each user.

All take the same two arrays, which `hit_matrix` makes from lists of ids:

    hits      bool, shape (users, depth): is the target at this rank relevant? Best first, False
              past the end of a list.
    relevant  int, shape (users,): how many targets are relevant for the user, listed or not.

All return float64 of shape (users,) in [0, 1], and NaN for a user with nothing relevant: nobody can
rank for them, and a 0 would count as a failure. Average with `numpy.nanmean`, or with
`polyscene.metrics.compare.interval`, which leaves NaN out. A list that ends before rank k scores as
if the rest were misses. Cost: O(users · k).

Every function raises ValueError when k is below 1, when the shapes or types differ from the above,
or when a user has more hits than relevant targets.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "average_precision",
    "hit_matrix",
    "hit_rate",
    "ndcg",
    "precision",
    "recall",
    "reciprocal_rank",
]

Hits = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[np.float64]


def hit_matrix(
    lists: Sequence[Sequence[Hashable]], relevant: Sequence[Collection[Hashable]], depth: int
) -> tuple[Hits, npt.NDArray[np.int64]]:
    """The two arrays that the metrics of this module take, from lists of ids.

    Args:
        lists: For each user distinct ids, best first, of any length.
        relevant: For each user, in the same order, the ids that count as right; may be empty.
        depth: How many ranks are kept, at least 1; the largest k that will be asked for.

    Returns:
        `hits`, shape (users, depth), and `relevant`, shape (users,).

    Raises:
        ValueError: When `depth` is below 1, the lengths differ, or an id is twice in a list, which
            would count one relevant target twice.
    """
    if depth < 1 or len(lists) != len(relevant):
        raise ValueError(
            f"got depth {depth}, {len(lists)} lists and {len(relevant)} sets of relevant ids; "
            "depth is at least 1, and each user has one list and one set"
        )
    hits = np.zeros((len(lists), depth), dtype=np.bool_)
    counts = np.zeros(len(lists), dtype=np.int64)
    for user, (ranked, right) in enumerate(zip(lists, relevant, strict=True)):
        top, wanted = ranked[:depth], frozenset(right)
        if len(set(top)) < len(top):
            raise ValueError(f"list {user} has an id twice in its first {depth}; ids are distinct")
        hits[user, : len(top)] = [name in wanted for name in top]
        counts[user] = len(wanted)
    return hits, counts


def ndcg(hits: Hits, relevant: Counts, k: int) -> Values:
    """Normalised discounted cumulative gain with binary gain.

        DCG  = Σ_{r ≤ k} hit_r / log2(r + 1)
        NDCG = DCG / Σ_{r ≤ min(k, relevant)} 1 / log2(r + 1)

    The divisor is the DCG of an ideal list, so 1 is reachable whatever is relevant.
    Reference: Järvelin and Kekäläinen (2002), ACM TOIS 20(4), with the discount of Burges et al.
    (2005), which starts at rank 1.

    Args:
        hits: Is the target at this rank relevant, shape (users, depth).
        relevant: How many targets are relevant, shape (users,).
        k: How many ranks are looked at.
    """
    top, _ = _checked(hits, relevant, k)
    discounts = 1 / np.log2(np.arange(2, k + 2))
    # Both sums run from rank 1 down, in the same order: an ideal list scores 1, not 1 - 1e-16.
    gain = np.cumsum(top * discounts[: top.shape[1]], axis=1)[:, -1]
    ideal = np.concatenate(([np.nan], np.cumsum(discounts)))
    return np.asarray(gain / ideal[np.minimum(relevant, k)], dtype=np.float64)


def recall(hits: Hits, relevant: Counts, k: int) -> Values:
    """Share of the relevant targets that stand in the first k ranks.

        recall = Σ_{r ≤ k} hit_r / relevant

    The denominator is everything relevant, as in information retrieval and in scikit-learn: a user
    with more than k relevant targets cannot reach 1, and recall never falls as k grows. Some papers
    (Liang et al. 2018, "Variational Autoencoders for Collaborative Filtering") divide by
    min(k, relevant) instead; their values are larger and cannot be compared with these.

    Args:
        hits: Is the target at this rank relevant, shape (users, depth).
        relevant: How many targets are relevant, shape (users,).
        k: How many ranks are looked at.
    """
    top, wanted = _checked(hits, relevant, k)
    return np.asarray(top.sum(axis=1) / wanted, dtype=np.float64)


def precision(hits: Hits, relevant: Counts, k: int) -> Values:
    """Share of the first k ranks that are relevant.

        precision = Σ_{r ≤ k} hit_r / k

    The denominator is k for a shorter list too: a list cannot win by leaving ranks empty. It is
    also k for a user with fewer than k relevant targets, who cannot reach 1.

    Args:
        hits: Is the target at this rank relevant, shape (users, depth).
        relevant: How many targets are relevant, shape (users,).
        k: How many ranks are looked at.
    """
    top, wanted = _checked(hits, relevant, k)
    return _defined(top.sum(axis=1) / k, wanted)


def hit_rate(hits: Hits, relevant: Counts, k: int) -> Values:
    """1 when a relevant target stands in the first k ranks, else 0.

    Its mean over users is the share of users served. With one relevant target each it is `recall`.

    Args:
        hits: Is the target at this rank relevant, shape (users, depth).
        relevant: How many targets are relevant, shape (users,).
        k: How many ranks are looked at.
    """
    top, wanted = _checked(hits, relevant, k)
    return _defined(top.any(axis=1), wanted)


def reciprocal_rank(hits: Hits, relevant: Counts, k: int) -> Values:
    """1 / rank of the first relevant target, 0 when none stands in the first k ranks.

    Its mean over users is the mean reciprocal rank, MRR@k.
    Reference: Voorhees (1999), The TREC-8 question answering track report.

    Args:
        hits: Is the target at this rank relevant, shape (users, depth).
        relevant: How many targets are relevant, shape (users,).
        k: How many ranks are looked at.
    """
    top, wanted = _checked(hits, relevant, k)
    return _defined(top.any(axis=1) / (top.argmax(axis=1) + 1), wanted)


def average_precision(hits: Hits, relevant: Counts, k: int) -> Values:
    """Mean of the precision at the ranks of the relevant targets.

        AP = Σ_{r ≤ k} hit_r · precision@r / min(k, relevant)

    Relevant targets that are not listed count as precision 0. Dividing by min(k, relevant) keeps 1
    reachable, as in `ndcg`; dividing by `relevant`, as trec_eval does, would not when a user has
    more than k relevant targets. Without that cut they are the same. The mean over users is MAP@k.
    Reference: Manning, Raghavan and Schütze (2008), Introduction to Information Retrieval, 8.4.

    Args:
        hits: Is the target at this rank relevant, shape (users, depth).
        relevant: How many targets are relevant, shape (users,).
        k: How many ranks are looked at.
    """
    top, wanted = _checked(hits, relevant, k)
    at_rank = np.cumsum(top, axis=1) / np.arange(1, top.shape[1] + 1)
    total = (at_rank * top).sum(axis=1)
    return np.asarray(total / np.minimum(wanted, k), dtype=np.float64)


def _checked(hits: Hits, relevant: Counts, k: int) -> tuple[Hits, Values]:
    """The first k ranks, at least one column; and `relevant` with NaN for 0."""
    if k < 1:
        raise ValueError(f"got k = {k}; at least one rank is looked at")
    if hits.ndim != 2 or hits.dtype != np.bool_ or relevant.shape != hits.shape[:1]:
        raise ValueError(
            f"got hits {hits.dtype} {hits.shape} and relevant {relevant.shape}; "
            "they are bool (users, depth) and int (users,)"
        )
    if not np.issubdtype(relevant.dtype, np.integer) or (hits.sum(axis=1) > relevant).any():
        raise ValueError(
            "a user has more hits than relevant targets, or relevant is not int; "
            "relevant counts every relevant target of the user, listed or not"
        )
    top = hits[:, :k] if hits.shape[1] else np.zeros((len(hits), 1), dtype=np.bool_)
    return top, np.where(relevant > 0, relevant, np.nan)


def _defined(values: npt.ArrayLike, wanted: Values) -> Values:
    return np.where(np.isnan(wanted), np.nan, values)
