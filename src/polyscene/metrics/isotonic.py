"""Scores as probabilities: the non-decreasing curve that fits best to what happened.

Scores of a recommender order targets and say nothing of how likely a click is. A calibration curve
maps them to probabilities, and is fitted on other people than it is judged by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

__all__ = ["Calibration", "cross_fitted", "isotonic"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A non-decreasing curve from scores to probabilities, linear between its points."""

    scores: Floats
    """The scores it was fitted on, each once, ascending, shape (m,)."""
    chances: Floats
    """The probability of each, above 0 and below 1, shape (m,)."""

    def __call__(self, scores: npt.ArrayLike) -> Floats:
        """Probabilities of scores, same shape; beyond the ends those of the ends."""
        found = np.interp(np.asarray(scores, dtype=np.float64), self.scores, self.chances)
        return np.asarray(found, dtype=np.float64)


def isotonic(
    scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Calibration:
    """The curve p that is least in Σ w (p(score) - label)² of all that never fall.

    It is constant on blocks, where it is the share of positives. The lowest block may have none
    and the highest nothing else: a probability of 0 or 1, of which log loss would forgive no
    error. Such a block of m examples gets 1/(m + 2), or 1 - 1/(m + 2), as by the rule of
    succession, but does not pass the next block. O(n log n).
    Reference: Zadrozny and Elkan (2002), Transforming Classifier Scores into Accurate Multiclass
    Probability Estimates, KDD; the pool adjacent violators of scipy.optimize.

    Args:
        scores: Finite, shape (n,) with n at least 1.
        labels: 0 or 1, shape (n,).
        weights: How many examples each stands for, above 0, shape (n,); all 1 when omitted.

    Raises:
        ValueError: When there is no example, the lengths differ, or a score is not finite.
    """
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(labels) == 1
    if not len(values) or values.shape != positive.shape or not np.isfinite(values).all():
        raise ValueError(
            f"got scores of shape {values.shape} and labels of shape {positive.shape}; both have "
            "shape (n,) with n at least 1, and scores are finite"
        )
    known, place = np.unique(values, return_inverse=True)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    count = np.bincount(place, weights=weight)
    share = np.bincount(place, weights=weight * positive) / count
    fitted = np.asarray(isotonic_regression(share, weights=count).x)
    levels = np.unique(fitted)
    second, last_but_one = (levels[1], levels[-2]) if len(levels) > 1 else (1.0, 0.0)
    floor = min(1 / (count[fitted == levels[0]].sum() + 2), second)
    ceiling = max(1 - 1 / (count[fitted == levels[-1]].sum() + 2), last_but_one)
    return Calibration(known, np.clip(fitted, floor, ceiling))


def cross_fitted(
    scores: npt.ArrayLike, labels: npt.ArrayLike, half: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """Probabilities of each half by what happened in the other, so that no label sees itself.

    Args:
        scores: Finite, shape (n,).
        labels: 0 or 1, shape (n,).
        half: Which half each example is in, true or false, shape (n,). Examples of one person
            belong into one half.

    Returns:
        Each of shape (n,): the probabilities by the curve of the other half, and the base rate of
        that half, (positives + 1) / (examples + 2). NaN where the other half is empty.
    """
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(labels) == 1
    first = np.asarray(half, dtype=np.bool_)
    chances, base = np.full(len(values), np.nan), np.full(len(values), np.nan)
    for judged in (first, ~first):
        if judged.all():
            continue
        chances[judged] = isotonic(values[~judged], positive[~judged])(values[judged])
        base[judged] = (positive[~judged].sum() + 1) / ((~judged).sum() + 2)
    return chances, base
