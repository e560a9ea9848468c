"""Scores and predicted probabilities against what happened.

An example is one thing shown to one user, with a label: 1 when it was clicked, bought or liked,
else 0. Arguments are one-dimensional and equally long, shape (n,). A value that is not defined,
because there is no example or only one class, is NaN.

Every function raises ValueError when the lengths differ, a number is NaN, a label is not 0 or 1, or
a probability lies outside [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "Reliability",
    "auc",
    "auc_by_group",
    "brier",
    "calibration_error",
    "calibration_ratio",
    "grouped_auc",
    "log_loss",
    "reliability",
]

Floats = npt.NDArray[np.float64]
Binning = Literal["width", "mass"]


def auc(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Area under the ROC curve: the chance that a positive outscores a negative, ties half.

        AUC = (Σ_{positives} rank - P (P + 1) / 2) / (P · N)

    with mean ranks for ties, P positives and N negatives. In [0, 1], 0.5 for a random order; NaN
    without both classes. It does not change when the scores are mapped by an increasing function.
    Cost: O(n log n). Reference: Hanley and McNeil (1982), Radiology 143(1).

    Args:
        scores: Higher means more likely positive, in any unit, shape (n,); may be infinite.
        labels: 0 or 1, shape (n,).
    """
    values, positive = _checked(scores, labels)
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    from scipy.stats import rankdata  # takes a second to import

    ranks = rankdata(values)[positive].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def grouped_auc(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    groups: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
) -> float:
    """Weighted mean of the AUC within each group (GAUC): does the order within a user's page hold?

        GAUC = Σ_g w_g · AUC_g / Σ_g w_g,   w_g = Σ_{examples of g} weight

    over the groups with both classes; NaN when there is none. The plain `auc` also rewards telling
    busy users from quiet ones, which orders nobody's list. Without weights a group counts by its
    number of examples, as in the reference; the labels as weights count by clicks.
    Cost: O(n log n), no loop over groups.
    Reference: Zhu et al. (2017), Optimized Cost per Click in Taobao Display Advertising, KDD.

    Args:
        scores: Higher means more likely positive, shape (n,).
        labels: 0 or 1, shape (n,).
        groups: Names or numbers of the groups, usually users, shape (n,).
        weights: Weight of each example, finite and at least 0, shape (n,); all 1 when omitted.
    """
    each, sizes, group = auc_by_group(scores, labels, groups)
    weight = np.ones(len(group)) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != group.shape:
        raise ValueError(f"got {weight.shape} weights for {len(group)} scores")
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise ValueError("a weight is negative, NaN or infinite; weights are at least 0")
    share = np.bincount(group, weights=weight, minlength=len(sizes))
    both = ~np.isnan(each) & (share > 0)
    return float(np.average(each[both], weights=share[both])) if both.any() else float("nan")


def auc_by_group(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    groups: npt.ArrayLike,
    counts: npt.ArrayLike | None = None,
) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The AUC within each group, as `auc` defines it. O(n log n), no loop over groups.

    Where examples were drawn from more, those that were drawn seldom stand for many:

        AUC = Σ_{positives i} c_i · (Σ_{negatives below i} c_j + ½ Σ_{negatives equal to i} c_j)
              / (Σ_{positives} c · Σ_{negatives} c)

    Args:
        scores: Higher means more likely positive, shape (n,).
        labels: 0 or 1, shape (n,).
        groups: Names or numbers of the groups, shape (n,).
        counts: How many examples each stands for, finite and above 0, shape (n,); 1 when omitted.

    Returns:
        The AUC of each group, NaN without both classes, and its number of examples, each of shape
        (groups,), by name; and the place of each example's group there, shape (n,).
    """
    values, positive = _checked(scores, labels)
    names = np.asarray(groups)
    if names.shape != values.shape:
        raise ValueError(f"got {names.shape} groups for {len(values)} scores")
    each = np.ones(len(values)) if counts is None else np.asarray(counts, dtype=np.float64)
    if each.shape != values.shape or not (np.isfinite(each) & (each > 0)).all():
        raise ValueError("counts are finite and above 0, one for each score")
    group = np.unique(names, return_inverse=True)[1].astype(np.int64)
    sizes = np.bincount(group)
    better, others = np.where(positive, each, 0.0), np.where(positive, 0.0, each)
    won = np.bincount(group, weights=better * _below(values, group, others), minlength=len(sizes))
    pairs = np.bincount(group, weights=better) * np.bincount(group, weights=others)
    found = np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1), np.nan)
    return found, sizes.astype(np.int64), group


def log_loss(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    clip: float = float(np.finfo(np.float64).eps),
) -> float:
    """Mean negative log-likelihood (binary cross-entropy), in nats; lower is better.

        -1/n Σ [y ln p + (1 - y) ln(1 - p)],   p clipped to [clip, 1 - clip]

    A proper score: least in expectation for the true probabilities. At least 0, and with the
    default clip at most 36.04, for a certain prediction that was wrong. NaN without examples.
    Reference: Good (1952), Rational Decisions, J. R. Stat. Soc. B 14(1).

    Args:
        probabilities: Predicted probability of label 1, shape (n,).
        labels: 0 or 1, shape (n,).
        clip: How near to 0 and 1 a probability may be, above 0 and below 0.5.
    """
    if not 0 < clip < 0.5:
        raise ValueError(f"got clip {clip}; it is above 0 and below 0.5")
    chance, positive = _probabilities(probabilities, labels)
    chance = np.clip(chance, clip, 1 - clip)
    return _mean(-np.where(positive, np.log(chance), np.log1p(-chance)))


def brier(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Mean squared difference between probability and label, in [0, 1]; lower is better.

        1/n Σ (p - y)²

    A proper score like `log_loss`, but bounded. NaN without examples.
    Reference: Brier (1950), Monthly Weather Review 78(1).

    Args:
        probabilities: Predicted probability of label 1, shape (n,).
        labels: 0 or 1, shape (n,).
    """
    chance, positive = _probabilities(probabilities, labels)
    return _mean((chance - positive) ** 2)


def calibration_ratio(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Predicted over observed positives: 1 when the total is right, above 1 when it is too high.

        Σ p / Σ y

    NaN without a positive label. A ratio of 1 says nothing about single predictions; see
    `calibration_error`.
    Reference: He et al. (2014), Practical Lessons from Predicting Clicks on Ads at Facebook, ADKDD.

    Args:
        probabilities: Predicted probability of label 1, shape (n,).
        labels: 0 or 1, shape (n,).
    """
    chance, positive = _probabilities(probabilities, labels)
    return float(chance.sum() / positive.sum()) if positive.any() else float("nan")


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability diagram. All arrays of shape (bins,), from low to high probability."""

    predicted: Floats
    """Mean predicted probability of the examples in each bin; NaN where there is none."""
    observed: Floats
    """Share of label 1 among them; NaN where there is none."""
    count: npt.NDArray[np.int64]
    """How many examples are in each bin."""


def reliability(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    bins: int = 15,
    binning: Binning = "width",
) -> Reliability:
    """Predicted and observed share of positives in bins of similar predictions, for a plot.

    The points of a calibrated model lie on the diagonal, up to chance. A probability on the border
    of two bins belongs to the lower one.
    Reference: Murphy and Winkler (1977), Applied Statistics 26(1).

    Args:
        probabilities: Predicted probability of label 1, shape (n,).
        labels: 0 or 1, shape (n,).
        bins: How many bins, at least 1.
        binning: "width" for bins of equal width in [0, 1]; "mass" for bins of equally many
            examples, up to one, except that equal probabilities share a bin.
    """
    if bins < 1 or binning not in ("width", "mass"):
        raise ValueError(f"got {bins} bins by {binning!r}; at least 1, by 'width' or 'mass'")
    chance, positive = _probabilities(probabilities, labels)
    borders = np.linspace(0, 1, bins + 1)[1:-1]
    if binning == "mass" and len(chance):
        ends = np.arange(1, bins) * len(chance)
        borders = np.sort(chance)[-(-ends // bins) - 1]  # whole places: nothing to round
    place = np.searchsorted(borders, chance, side="left")
    count = np.bincount(place, minlength=bins)
    divisor = np.where(count > 0, count, np.nan)
    return Reliability(
        predicted=np.bincount(place, weights=chance, minlength=bins) / divisor,
        observed=np.bincount(place, weights=positive, minlength=bins) / divisor,
        count=count.astype(np.int64),
    )


def calibration_error(
    probabilities: npt.ArrayLike,
    labels: npt.ArrayLike,
    bins: int = 15,
    binning: Binning = "width",
) -> float:
    """Expected calibration error (ECE): mean distance of a `reliability` diagram to its diagonal.

        ECE = Σ_bins count / n · |observed - predicted|

    In [0, 1]; NaN without examples. It is biased upwards when bins are small, and compares only
    between equal `bins` and `binning`. Predictions of click rates crowd near 0, where bins of equal
    width see little: take "mass" for them.
    Reference: Naeini, Cooper and Hauskrecht (2015), Obtaining Well Calibrated Probabilities Using
    Bayesian Binning, AAAI; Nixon et al. (2019), Measuring Calibration in Deep Learning, CVPR
    workshops, for equal mass. Both here on the probability of label 1.

    Args:
        probabilities: Predicted probability of label 1, shape (n,).
        labels: 0 or 1, shape (n,).
        bins: How many bins, at least 1.
        binning: "width" or "mass", as in `reliability`.
    """
    plot = reliability(probabilities, labels, bins, binning)
    used = plot.count > 0
    if not used.any():
        return float("nan")
    gaps = np.abs(plot.observed - plot.predicted)
    return float(np.average(gaps[used], weights=plot.count[used]))


def _below(values: Floats, group: npt.NDArray[np.int64], counts: Floats) -> Floats:
    """The sum of the counts within the same group at lower values, and half of it at equal ones."""
    if not len(values):
        return np.zeros(0)
    order = np.lexsort((values, group))
    ordered, owner = values[order], group[order]
    first = np.ones(len(order), dtype=np.bool_)  # first of a run of equal values in one group
    first[1:] = (ordered[1:] != ordered[:-1]) | (owner[1:] != owner[:-1])
    starts = np.flatnonzero(first)
    runs = np.add.reduceat(counts[order], starts)
    before = np.cumsum(runs) - runs
    heads = np.searchsorted(owner[starts], owner[starts])  # the first run of each run's group
    below = np.empty(len(order))
    below[order] = np.repeat(before - before[heads] + runs / 2, np.diff(starts, append=len(order)))
    return below


def _checked(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.bool_]]:
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.ndim != 1 or truth.shape != values.shape:
        raise ValueError(
            f"got predictions of shape {values.shape} and labels of shape {truth.shape}; "
            "both have shape (n,)"
        )
    if np.isnan(values).any():
        raise ValueError("a prediction is NaN; leave out examples that were not predicted")
    positive = truth == 1
    if not (positive | (truth == 0)).all():
        raise ValueError("a label is neither 0 nor 1")
    return values, positive


def _probabilities(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    values, positive = _checked(probabilities, labels)
    if ((values < 0) | (values > 1)).any():
        raise ValueError(
            f"got values from {values.min()} to {values.max()}; probabilities lie in [0, 1]"
        )
    return values, positive


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")
