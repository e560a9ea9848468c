"""What a calibration error would be by chance alone: a perfect model is not found to be perfect."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polyscene.metrics.probability import Binning, reliability

__all__ = ["chance_error"]


def chance_error(probabilities: npt.ArrayLike, bins: int = 15, binning: Binning = "width") -> float:
    """The calibration error to expect where every prediction is right.

    Were each label drawn with the probability that is predicted of it, the sum of labels less
    probabilities in a bin B would have mean 0 and variance Σ_B p(1 - p), so that about

        E[ECE] = √(2/π) / n · Σ_B √(Σ_B p(1 - p))

    by the mean of the absolute value of a normal variable, within a few per cent where bins expect
    several of either label. It falls as √(bins / n): an error measured on few examples is first of
    all this one. NaN without examples. O(n log n).
    Reference: Bröcker and Smith (2007), Increasing the Reliability of Reliability Diagrams, Weather
    and Forecasting 22(3), for the consistency of a diagram under its own probabilities.

    Args:
        probabilities: Predicted probability of label 1, shape (n,).
        bins: How many bins, at least 1.
        binning: "width" or "mass", as in `reliability`.
    """
    chance = np.asarray(probabilities, np.float64)
    if not len(chance):
        return float("nan")
    plot = reliability(chance, np.zeros(len(chance)), bins, binning)
    ends = np.cumsum(plot.count)
    ordered = np.sort(chance)  # bins follow one another from low to high
    sums = np.append(0.0, np.cumsum(ordered * (1 - ordered)))
    spread = np.sqrt(np.maximum(np.diff(sums[np.append(0, ends)]), 0))
    return float(np.sqrt(2 / np.pi) * spread.sum() / len(chance))
