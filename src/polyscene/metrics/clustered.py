"""Intervals of what is not a mean over users: ratios of sums, and the AUC of all examples.

As in `polyscene.metrics.compare` users are the sample, because what one person does is not
independent of what else they do: a user who is drawn brings all their examples. Intervals are
bootstrap percentile intervals.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.metrics.compare import Interval
from polyscene.metrics.probability import auc

__all__ = ["auc_interval", "ratio_interval"]

Floats = npt.NDArray[np.float64]

_CELLS = 2_000_000
"""How many numbers are in memory at a time."""


def ratio_interval(
    parts: npt.ArrayLike,
    wholes: npt.ArrayLike,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The ratio Σ parts / Σ wholes over users with its interval; the ratio is its `mean`.

    With the number of examples of each user as wholes it is a mean over examples, for which busy
    users count more. Cost: O(resamples · users).
    Reference: Efron and Tibshirani (1993), An Introduction to the Bootstrap, 8.4.

    Args:
        parts: A sum for each user, shape (users,).
        wholes: What it is a part of, at least 0, shape (users,); users with 0 are left out.
        confidence: Share of such intervals that hold the true ratio, between 0 and 1.
        resamples: How many times users are drawn.
        seed: Of the draws; the same seed gives the same interval.

    Raises:
        ValueError: When the shapes differ, a number is not finite, or a whole is negative.
    """
    above, below = np.asarray(parts, dtype=np.float64), np.asarray(wholes, dtype=np.float64)
    if above.ndim != 1 or above.shape != below.shape:
        raise ValueError(f"got {above.shape} parts and {below.shape} wholes; both are (users,)")
    if not (np.isfinite(above) & np.isfinite(below) & (below >= 0)).all():
        raise ValueError("a part or whole is not finite, or a whole is negative")
    used = below > 0
    above, below = above[used], below[used]
    if not len(above):
        return Interval(mean=float("nan"), low=float("nan"), high=float("nan"), users=0)
    found = [
        (drawn @ above) / (drawn @ below)
        for drawn in _draws(len(above), resamples, len(above), seed)
    ]
    return _interval(float(above.sum() / below.sum()), found, len(above), confidence)


def auc_interval(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    users: npt.ArrayLike,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Interval:
    """The AUC of all examples together with its interval; the AUC is its `mean`.

    Draws without both classes have no AUC and are left out. Cost: O(resamples · n).
    Reference: Field and Welsh (2007), Bootstrapping Clustered Data, J. R. Stat. Soc. B 69(3), for
    drawing whole clusters.

    Args:
        scores: Higher means more likely positive, shape (n,).
        labels: 0 or 1, shape (n,).
        users: Whose example each is, numbers or names, shape (n,).
        confidence: As for `ratio_interval`.
        resamples: As for `ratio_interval`.
        seed: As for `ratio_interval`.
    """
    mean, positive = auc(scores, labels), np.asarray(labels) == 1
    owner = np.unique(np.asarray(users), return_inverse=True)[1]
    count = int(owner.max(initial=-1)) + 1
    if np.isnan(mean):
        return Interval(mean=mean, low=mean, high=mean, users=count)
    known, step = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
    shape = (len(known), count)
    right, wrong = (
        sp.csr_matrix((np.ones(mask.sum()), (step[mask], owner[mask])), shape=shape)
        for mask in (positive, ~positive)
    )
    found = []
    for drawn in _draws(count, resamples, max(shape), seed):
        won, lost = right @ drawn.T, wrong @ drawn.T
        pairs = won.sum(axis=0) * lost.sum(axis=0)
        below = np.cumsum(lost, axis=0) - lost / 2  # ties count half
        found.append(np.einsum("sd,sd->d", won, below)[pairs > 0] / pairs[pairs > 0])
    return _interval(mean, found, count, confidence)


def _draws(users: int, resamples: int, width: int, seed: int) -> Iterator[Floats]:
    """How often each user is drawn, some resamples at a time, shape (some, users)."""
    rng, batch = np.random.default_rng(seed), max(1, _CELLS // width)
    for start in range(0, resamples, batch):
        size = min(batch, resamples - start)
        yield rng.multinomial(users, np.full(users, 1 / users), size=size).astype(np.float64)


def _interval(mean: float, found: list[Floats], users: int, confidence: float) -> Interval:
    """The interval between the quantiles of what was found in the draws."""
    low = high = float("nan")
    if users > 1:
        tail = (1 - confidence) / 2
        low, high = (float(x) for x in np.quantile(np.concatenate(found), [tail, 1 - tail]))
    return Interval(mean=mean, low=low, high=high, users=users)
