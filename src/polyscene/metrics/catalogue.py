"""What lists do beyond accuracy: how much of the catalogue they show, and how new and varied it is.

`lists` is an int array of shape (users, k): the rows of distinct targets, best first, and -1 past
the end of a list. Targets are numbered 0 to size - 1. Functions on the catalogue return one number,
functions on lists one for each user, float64 of shape (users,). A value that is not defined, such
as that of an empty list, is NaN.

Every function raises ValueError when `lists` is not a two-dimensional int array or holds a row that
is not in the catalogue.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

__all__ = [
    "average_popularity",
    "coverage",
    "gini",
    "intra_list_diversity",
    "novelty",
    "serendipity",
]

Rows = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]


def coverage(lists: Rows, size: int) -> float:
    """Share of the catalogue that is shown to at least one user, in [0, 1].

        |∪_u list_u| / size

    It grows with the number of users and with k; compare only between equal ones.
    Cost: O(users · k + size).
    Reference: Ge, Delgado-Battenfeld and Jannach (2010), Beyond Accuracy, RecSys, as "catalog
    coverage".

    Args:
        lists: Rows of targets, shape (users, k).
        size: Number of targets that could be shown, at least 1.
    """
    return float(np.count_nonzero(_exposure(lists, size)) / size)


def gini(lists: Rows, size: int) -> float:
    """Inequality of exposure over the catalogue: 0 when all are shown alike, 1 when only one is.

        G = 1 / (size - 1) · Σ_{j=1..size} (2j - size - 1) · s_j

    with s_j the share of all ranks that goes to a target, in ascending order; targets that are
    never shown count. Dividing by size - 1 instead of size makes 1 reachable. 0 for a catalogue of
    one target, NaN when nothing is shown. Cost: O(users · k + size log size).
    Reference: Shani and Gunawardana (2011), Evaluating Recommendation Systems, in the Recommender
    Systems Handbook.

    Args:
        lists: Rows of targets, shape (users, k).
        size: Number of targets that could be shown, at least 1.
    """
    counts = np.sort(_exposure(lists, size))
    shown = int(counts.sum())
    if shown == 0:
        return float("nan")
    if size == 1:
        return 0.0
    # In floats: the integer sum overflows for a large catalogue and many users.
    places = 2.0 * np.arange(1, size + 1) - size - 1
    inequality = float(places @ (counts / shown)) / (size - 1)
    return min(1.0, max(0.0, inequality))


def novelty(lists: Rows, popularity: npt.ArrayLike) -> Values:
    """Mean self-information of each user's list, in bits; higher is further from the beaten track.

        novelty_u = 1 / |list_u| · Σ_{i in list_u} -log2(popularity_i / Σ popularity)

    A target that nobody chose has no finite self-information; it counts like the least popular one
    that somebody chose, which is a lower bound. NaN for an empty list, and for all when nothing is
    popular. Cost: O(users · k + size).
    Reference: Zhou et al. (2010), Solving the apparent diversity-accuracy dilemma of recommender
    systems, PNAS 107(10); Vargas and Castells (2011), RecSys.

    Args:
        lists: Rows of targets, shape (users, k).
        popularity: How often each target was chosen in the training events, in any unit, finite and
            at least 0, shape (size,).
    """
    counts = _popularity(popularity)
    if not counts.any():
        _shown(lists, len(counts))
        return np.full(len(lists), np.nan)
    shares = np.maximum(counts, counts[counts > 0].min()) / counts.sum()
    return _mean_over(lists, -np.log2(shares))


def average_popularity(lists: Rows, popularity: npt.ArrayLike) -> Values:
    """Mean popularity of each user's list, in the unit of `popularity`.

        ARP_u = 1 / |list_u| · Σ_{i in list_u} popularity_i

    Pass counts / counts.sum() for shares. Against the mean over what users chose themselves it
    tells how far the lists amplify what is popular. NaN for an empty list.
    Cost: O(users · k + size).
    Reference: Yin et al. (2012), Challenging the Long Tail Recommendation, PVLDB 5(9);
    Abdollahpouri, Burke and Mobasher (2019), Managing Popularity Bias in Recommender Systems,
    FLAIRS.

    Args:
        lists: Rows of targets, shape (users, k).
        popularity: Popularity of each target, finite and at least 0, shape (size,).
    """
    return _mean_over(lists, _popularity(popularity))


def intra_list_diversity(lists: Rows, vectors: npt.NDArray[np.floating[Any]]) -> Values:
    """1 - mean cosine of the pairs in each user's list, in [0, 2]; 0 when all point the same way.

        ILD_u = 1 - 2 / (m (m - 1)) · Σ_{i < j} cos(v_i, v_j)

    over the m targets of the list that have a vector; a zero vector stands for no text, and says
    nothing of similarity. NaN when m is below 2. The sum over pairs is (‖Σ v‖² - m) / 2 of the unit
    vectors, so the cost is O(users · k · dim) time and O((users + targets shown) · dim) memory.
    Reference: Ziegler et al. (2005), Improving Recommendation Lists Through Topic Diversification,
    WWW; Smyth and McClave (2001), ICCBR, for the form as a dissimilarity.

    Args:
        lists: Rows of targets, shape (users, k).
        vectors: Vector of each target, finite, of any length, shape (size, dim).
    """
    if vectors.ndim != 2:
        raise ValueError(f"got vectors of shape {vectors.shape}; expected (size, dim)")
    shown = _shown(lists, len(vectors))
    rows, columns = np.unique(lists[shown], return_inverse=True)
    unit = vectors[rows].astype(np.float64)
    if not np.isfinite(unit).all():
        raise ValueError("a vector of a listed target has NaN or infinity")
    norms = np.linalg.norm(unit, axis=1)
    present = norms > 0
    unit[present] /= norms[present, None]
    ends = np.concatenate(([0], np.cumsum(shown.sum(axis=1))))
    member = sp.csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(lists), len(rows)))
    squared: Values = np.square(member @ unit).sum(axis=1)
    m: Values = member @ present.astype(np.float64)
    pairs = np.where(m > 1, m * (m - 1), np.nan)
    return np.clip(1 - (squared - m) / pairs, 0.0, 2.0)


def serendipity(hits: Mask, lists: Rows, expected: Mask | Rows) -> Values:
    """Share of each user's list that is relevant and that a plain baseline would not have shown.

        serendipity_u = |{i in list_u : relevant to u, i not in expected_u}| / |list_u|

    With the list of a popularity baseline as `expected` this is unexpectedness (the list without
    that of a primitive recommender) times usefulness, with relevance in held-out events as the
    usefulness. It depends on the baseline and its length; report both. In [0, 1], at most the
    precision over the list; NaN for an empty list. Cost: a sort of users · (k + m) numbers.
    Reference: Ge, Delgado-Battenfeld and Jannach (2010), Beyond Accuracy, RecSys, after Murakami,
    Mori and Orihara (2008); as a set formula, with expected targets of any origin, Adamopoulos and
    Tuzhilin (2014), On Unexpectedness in Recommender Systems, ACM TIST 5(4).

    Args:
        hits: Is the target at this place relevant, shape (users, k) as `lists`.
        lists: Rows of targets, shape (users, k).
        expected: Either bool of shape (users, k), is the target at this place expected; or int rows
            of the targets that are expected, shape (users, m), or (m,) when they are the same for
            all; -1 past the end.

    Raises:
        ValueError: Also when the shapes do not fit together, or a hit stands past the end.
    """
    shown = _shown(lists)
    if hits.shape != lists.shape or hits.dtype != np.bool_ or (hits & ~shown).any():
        raise ValueError(
            f"got hits {hits.dtype} {hits.shape} for lists {lists.shape}; "
            "hits are bool of the same shape, False where lists have -1"
        )
    known = _expected(lists, expected)
    return np.asarray((hits & ~known).sum(axis=1) / _lengths(shown), dtype=np.float64)


def _expected(lists: Rows, expected: Mask | Rows) -> Mask:
    """Whether each target of a list is expected by its user."""
    common = expected.dtype != np.bool_ and expected.ndim == 1
    if not common and (
        expected.ndim != 2
        or len(expected) != len(lists)
        or (expected.dtype == np.bool_ and expected.shape != lists.shape)
    ):
        raise ValueError(
            f"got expected {expected.dtype} {expected.shape} for lists {lists.shape}; "
            "it is bool as the lists, or int rows of shape (users, m) or (m,)"
        )
    if expected.dtype == np.bool_:
        return np.asarray(expected, dtype=np.bool_)
    rows = np.atleast_2d(expected).astype(np.int64)
    _shown(np.atleast_2d(expected))
    if common:
        return np.isin(lists, rows)
    span = 1 + max(lists.max(initial=0), rows.max(initial=0))
    users = np.arange(len(lists), dtype=np.int64)[:, None] * span  # one number per user and target
    return np.isin(lists + users, (rows + users)[rows >= 0])


def _mean_over(lists: Rows, table: Values) -> Values:
    """Mean of table[target] over each list; NaN for an empty one."""
    shown = _shown(lists, len(table))
    total = np.where(shown, table[lists], 0.0).sum(axis=1)
    return np.asarray(total / _lengths(shown), dtype=np.float64)


def _exposure(lists: Rows, size: int) -> npt.NDArray[np.intp]:
    """How many lists show each target, shape (size,)."""
    return np.bincount(lists[_shown(lists, size)], minlength=size)


def _lengths(shown: Mask) -> Values:
    counts = shown.sum(axis=1)
    return np.where(counts > 0, counts, np.nan)


def _shown(lists: Rows, size: int | None = None) -> Mask:
    """Where `lists` holds a target; raises when it is not what this module takes."""
    if lists.ndim != 2 or not np.issubdtype(lists.dtype, np.integer):
        raise ValueError(f"got lists {lists.dtype} {lists.shape}; they are int (users, k)")
    if size is not None and size < 1:
        raise ValueError(f"got a catalogue of {size} targets; it has at least 1")
    highest = lists.max(initial=-1)
    if lists.min(initial=-1) < -1 or (size is not None and highest >= size):
        raise ValueError(
            f"got rows from {lists.min(initial=-1)} to {highest}; "
            f"rows lie between 0 and {'the size' if size is None else size} - 1, with -1 for none"
        )
    return lists >= 0


def _popularity(popularity: npt.ArrayLike) -> Values:
    counts = np.asarray(popularity, dtype=np.float64)
    if counts.ndim != 1 or not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError(
            f"got popularity of shape {counts.shape}; it is finite, at least 0, of shape (size,)"
        )
    return counts
