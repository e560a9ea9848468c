"""Curves from a score to a probability for few examples: the rate, logistic curves and a bent one.

All are non-decreasing. A slope is held back by a ridge, for scores of spread 1 and in examples.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from polyscene.metrics.isotonic import Calibration

__all__ = ["FORMS", "Form", "bent", "constant", "logistic"]

Floats = npt.NDArray[np.float64]
Form = Callable[[Floats, Floats, Floats], Calibration]
"""From scores, labels of 0 and 1, both of which occur, and weights, all of shape (n,)."""

_STEPS = 50
"""Newton steps, at most."""
_SMALLEST = 1e-4
"""Share of a Newton step below which none is taken."""
_PARTS = 3
"""Parts of a bent curve, with equally many examples each."""
_STIFF = 3.0
"""Ridge on the difference of the slopes of neighbouring parts."""


def constant(scores: Floats, labels: Floats, weights: Floats) -> Calibration:
    """The rate, whatever the score."""
    ends = np.unique(scores[[scores.argmin(), scores.argmax()]])
    return Calibration(ends, np.full(len(ends), np.average(labels, weights=weights)))


def logistic(scores: Floats, labels: Floats, weights: Floats, ridge: float = 1.0) -> Calibration:
    """The curve σ(a + b·s), b not below 0, of the least weighted log loss with a ridge on b."""
    known, place = np.unique(scores, return_inverse=True)
    points = (known - scores.mean()) / (float(scores.std()) or 1.0)
    count = np.bincount(place, weights=weights)
    hits = np.bincount(place, weights=weights * labels)
    rate = hits.sum() / count.sum()
    found = np.array([np.log(rate / (1 - rate)), 0.0])
    table = np.stack([np.ones(len(points)), points])
    penalty = np.diag([0.0, ridge])
    for _ in range(_STEPS):
        chances = expit(found @ table)
        slope = table @ (hits - count * chances) - penalty @ found
        bend = (table * (count * chances * (1 - chances))) @ table.T + penalty
        step = np.linalg.lstsq(bend, slope, rcond=None)[0]
        found += step
        if np.abs(step).max() < 1e-9:
            break
    if found[1] < 0 or not np.isfinite(found).all():
        found = np.array([np.log(rate / (1 - rate)), 0.0])
    return Calibration(known, _inside(expit(found @ table), float(count.sum())))


def bent(scores: Floats, labels: Floats, weights: Floats) -> Calibration:
    """The curve σ(a + f(s)), f linear in each third of the scores, nowhere falling.

    It sees what levels off, such as a click that gives way to a purchase where the score is
    highest. Of the least weighted log loss with a ridge on the mean slope and one on how much
    neighbouring slopes differ: the penalty of Eilers and Marx (1996), Flexible Smoothing with
    B-splines and Penalties, Statistical Science 11.
    """
    known, place = np.unique(scores, return_inverse=True)
    middle, spread = scores.mean(), float(scores.std()) or 1.0
    points = (known - middle) / spread
    ends = (np.quantile(scores, np.linspace(0, 1, _PARTS + 1)) - middle) / spread
    low, high = ends[:-1], ends[1:]
    table = np.ones((1 + _PARTS, len(points)))
    table[1:] = np.clip(points, low[:, None], high[:, None]) - low[:, None]
    table[1:] -= table[1:].mean(axis=1, keepdims=True)
    count = np.bincount(place, weights=weights)
    hits = np.bincount(place, weights=weights * labels)
    rate = hits.sum() / count.sum()
    steps = np.diff(np.eye(_PARTS), axis=0)
    penalty = np.zeros((1 + _PARTS, 1 + _PARTS))
    penalty[1:, 1:] = _STIFF * steps.T @ steps + 1 / _PARTS**2

    def loss(found: Floats) -> float:
        odds = found @ table
        lost = count @ np.logaddexp(0, odds) - hits @ odds
        return float(lost + found @ penalty @ found / 2)

    found = np.append(np.log(rate / (1 - rate)), np.zeros(_PARTS))
    least = loss(found)
    for _ in range(_STEPS):  # Newton's, of the slopes that are not held at 0
        chances = expit(found @ table)
        away = table @ (count * chances - hits) + penalty @ found
        bend = (table * (count * chances * (1 - chances))) @ table.T + penalty
        free = np.flatnonzero((np.arange(1 + _PARTS) == 0) | (found > 0) | (away < 0))
        step = np.zeros(1 + _PARTS)
        step[free] = np.linalg.lstsq(bend[np.ix_(free, free)], -away[free], rcond=None)[0]
        size, tried, now = 1.0, found, least
        while size > _SMALLEST:
            tried = np.append(found[0] + size * step[0], np.maximum(found + size * step, 0)[1:])
            now = loss(tried)
            if now <= least:
                break
            size /= 2
        gained = least - now
        if gained < 0:
            break
        found, least = tried, now
        if gained <= 1e-10 * least:
            break
    return Calibration(known, _inside(expit(found @ table), float(count.sum())))


def _inside(chances: Floats, count: float) -> Floats:
    """Probabilities no nearer to 0 and 1 than so many examples can tell."""
    tiny = 1 / (count + 2)
    return np.clip(chances, tiny, 1 - tiny)


FORMS: tuple[Form, ...] = (constant, partial(logistic, ridge=30.0), logistic, bent)
"""What is averaged."""
