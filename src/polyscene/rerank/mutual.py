"""People by the interest of both sides.

Who is liked by everybody cannot like everybody back. Where a recommendation serves only if both
sides want it, the best candidates are put in order by what each side would say of the other.

Reference: Pizzato et al. (2010), RECON: a reciprocal recommender for online dating, RecSys, whose
harmonic mean is a weighted geometric one here, as in Neve and Palomares (2019), Latent factor
models and aggregation operators for collaborative filtering in reciprocal recommender systems.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from polyscene.component import BACK, BOTH_PLACE, VALUE_PLACE, Candidates

__all__ = ["MUTUAL", "both_sides", "depth"]

MUTUAL = "interested too"
"""What is said of a person who comes forward by what they would say of the one who asks."""
_LEAST = 50

Values = npt.NDArray[np.float64]


def depth(n: int) -> int:
    """How many of the best candidates are put in order for a list of n."""
    return max(2 * n, _LEAST)


def both_sides(pool: Candidates, back: Values, weight: float) -> Candidates:
    """The candidates, the first m of them by what both sides say.

        both(i) = own(i)^(1 - w) · back(i)^w        own(i) = max(v_i, 0) / max v

    Somebody who says nothing counts with the mean of those who say something. The new scores lie in
    the range of the old ones, low + (high - low) · both, so that what follows stays behind. Where
    nobody has anything to say for the user nothing changes. Of equals the one that stood higher
    comes first.

    Args:
        pool: The candidates by value v, best first.
        back: What each of the first m would say, in [0, 1], NaN for nothing; shape (m,).
        weight: w, 0 to 1.
    """
    m, told = len(back), ~np.isnan(back)
    if not np.nan_to_num(back).any():
        return pool
    mean = float(back[told].mean())
    values = pool.scores[:m].astype(np.float64)
    own = np.maximum(values, 0) / max(float(values.max()), np.finfo(np.float64).tiny)
    both = own ** (1 - weight) * np.where(told, back, mean) ** weight
    head = np.argsort(-both, kind="stable")
    order = np.concatenate([head, np.arange(m, len(pool))])
    found = pool.take(order)
    low, high = values.min(), values.max()
    found.scores[:m] = (low + (high - low) * both[head]).astype(np.float32)
    forward = (np.arange(m) < head) & told[head] & (back[head] > mean)
    marks = dict(pool.marks)
    for row in found.rows[:m][forward].tolist():
        marks[row] = (*marks.get(row, ()), MUTUAL)
    if VALUE_PLACE in pool.steps:
        silent = np.full(len(pool) - m, np.nan)
        found.steps[BACK] = np.concatenate([back[head], silent])
        found.steps[BOTH_PLACE] = np.concatenate([np.arange(1.0, m + 1), silent])
    return replace(found, marks=marks)
