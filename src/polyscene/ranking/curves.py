"""From scores to probabilities and values: one non-decreasing curve a scenario and task.

It is isotonic where the rarer of successes and failures comes three thousand times or more. With
less a curve that can do less is often nearer to the truth (Niculescu-Mizil and Caruana 2005,
Predicting Good Probabilities with Supervised Learning, ICML). Which form it is, so few examples do
not tell for sure: the mean of those of `polyscene.ranking.forms` and, from three hundred on, of the
isotonic one is taken, each with a weight of e^-L, L its log loss on users that it was not fitted
to, summed over all pairs that the rows stand for (Yao, Vehtari, Simpson and Gelman 2018, Using
Stacking to Average Bayesian Predictive Distributions, Bayesian Analysis 13: pseudo-BMA).

Few examples know the order well enough and the rate badly. Where all that is learned from knows it
too, a curve is moved along the log odds to that rate, by as much as the difference may be chance
(James and Stein 1961): r = r_all + max(0, 1 - v/d²)·d, d the difference and v its variance over
users.

Where negatives were drawn, a row stands for as many pairs as its weight says, so that the curve
gives the probability among all pairs and not among those drawn: the weighting that corrects for
sampling by the label (King and Zeng 2001, Logistic Regression in Rare Events Data, Political
Analysis 9). Reference of the curves: see `polyscene.metrics.isotonic`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, isotonic_regression
from scipy.special import expit, logit, softmax

from polyscene.data.dataset import IntArray
from polyscene.metrics.isotonic import Calibration, isotonic
from polyscene.ranking.examples import Examples, Features
from polyscene.ranking.forms import FORMS, Form

__all__ = ["LEAST", "Curves", "crossed"]

_SURE = 3000
"""Successes, and failures, from which on a curve is isotonic."""
_FAIR = 300
"""The same from which on it may be."""
_FOLDS = 5
"""Parts of the users that are left out in turn where curves are compared."""
_LITTLE = 1e-3
"""Weights of forms below this count as none."""
LEAST = 10
"""Successes, and failures, from which on a task of a scenario is predicted."""

Floats = npt.NDArray[np.float64]


class Curves:
    """The curves of all scenarios and tasks.

    Args:
        found: The curve of each scenario and task, by their names.
    """

    def __init__(self, found: dict[tuple[str, str], Calibration] | None = None) -> None:
        self._found = found or {}

    @property
    def cells(self) -> frozenset[tuple[str, str]]:
        """The scenarios and tasks, by name, that are predicted."""
        return frozenset(self._found)

    @classmethod
    def fit(cls, scores: Floats, examples: Examples) -> Self:
        """Curves where there is enough to fit them to. O(t · n log n).

        Args:
            scores: A score of each task and row, shape (t, n); rows where it is NaN are left out.
            examples: What happened.
        """
        found = {}
        for scenario, task, rows in examples.cells():
            rows &= np.isfinite(scores[task])
            labels = examples.labels[task][rows].astype(np.float64)
            given, weights = scores[task][rows], examples.weights[rows]
            of_value = examples.tasks[task].of_value
            if not _enough(labels, of_value):
                continue
            cell = examples.features.scenarios[scenario], examples.tasks[task].name
            if of_value:
                found[cell] = _values(given, labels, weights)
            else:
                users = examples.users[rows]
                curve = _averaged(given, labels, weights, users)
                found[cell] = _levelled(
                    curve, given, labels, weights, users, examples.rates.get(cell)
                )
        return cls(found)

    def __call__(self, scores: Floats, features: Features, tasks: tuple[str, ...]) -> Floats:
        """Probabilities and values, NaN where a task is not predicted; shape (t, n).

        Args:
            scores: Shape (t, n).
            features: Of the same rows.
            tasks: Names of the t tasks.
        """
        chances = np.full(scores.shape, np.nan)
        for (scenario, task), curve in self._found.items():
            if scenario in features.scenarios and task in tasks:
                rows = features.scenario == features.scenarios.index(scenario)
                place = tasks.index(task)
                chances[place, rows] = curve(scores[place, rows])
        return chances

    def save(self, path: Path) -> None:
        """Write the curves into the existing directory `path`."""
        cells = sorted(self._found)
        names = np.array([name for cell in cells for name in cell], dtype=np.str_)
        sizes = np.array([len(self._found[cell].scores) for cell in cells], np.int64)
        points = [np.zeros((2, 0))] + [
            np.stack([self._found[cell].scores, self._found[cell].chances]) for cell in cells
        ]
        np.save(path / "curve-cells.npy", names.reshape(-1, 2))
        np.save(path / "curve-sizes.npy", sizes)
        np.save(path / "curve-points.npy", np.concatenate(points, axis=1))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        cells = [(str(a), str(b)) for a, b in np.load(path / "curve-cells.npy")]
        ends = np.cumsum(np.load(path / "curve-sizes.npy"))
        parts = np.split(np.load(path / "curve-points.npy"), ends[:-1], axis=1) if cells else []
        return cls({cell: Calibration(*part) for cell, part in zip(cells, parts, strict=True)})


def crossed(scores: Floats, examples: Examples, folds: IntArray) -> Floats:
    """Probabilities and values of each fold by curves of the others, shape (t, n).

    Args:
        scores: A score of each task and row, which knew nothing of the row's user; shape (t, n).
        examples: What happened.
        folds: The fold of each row, the same for all rows of a user, shape (n,).
    """
    found = np.full(scores.shape, np.nan)
    for fold in np.unique(folds):
        own = folds == fold
        curves = Curves.fit(scores[:, ~own], examples.take(~own))
        found[:, own] = curves(scores[:, own], examples.features.take(own), examples.names)
    return found


def _enough(labels: Floats, of_value: bool) -> bool:
    if of_value:
        return len(labels) >= 2 * LEAST
    right = int((labels == 1).sum())
    return right >= LEAST and len(labels) - right >= LEAST


def _values(scores: Floats, labels: Floats, weights: Floats) -> Calibration:
    """The non-decreasing curve that is nearest to values."""
    known, place = np.unique(scores, return_inverse=True)
    count = np.bincount(place, weights=weights)
    mean = np.bincount(place, weights=weights * labels) / count
    return Calibration(known, np.asarray(isotonic_regression(mean, weights=count).x))


def _averaged(scores: Floats, labels: Floats, weights: Floats, users: IntArray) -> Calibration:
    """The mean along the log odds of curves of several forms, each as likely as users found it.

    O(forms · parts · cost of a form).
    """
    rarer = min(labels.sum(), len(labels) - labels.sum())
    if rarer >= _SURE:
        return isotonic(scores, labels, weights)
    forms: list[Form] = [*FORMS, isotonic] if rarer >= _FAIR else list(FORMS)
    known, place = np.unique(users, return_inverse=True)
    folds = (np.random.default_rng(0).permutation(len(known)) % _FOLDS)[place]
    losses = np.zeros(len(forms))
    for fold in range(_FOLDS):
        out = folds == fold
        if not out.any() or len(np.unique(labels[~out])) < 2:
            continue
        for number, form in enumerate(forms):
            chances = form(scores[~out], labels[~out], weights[~out])(scores[out])
            lost = -np.log(np.where(labels[out] == 1, chances, 1 - chances))
            losses[number] += weights[out] @ lost
    shares = softmax(-losses)
    points, odds = np.unique(scores), 0.0
    for share, form in zip(shares, forms, strict=True):
        if share >= _LITTLE:
            odds = odds + share * logit(form(scores, labels, weights)(points))
    return Calibration(points, expit(odds / shares[shares >= _LITTLE].sum()))


def _levelled(
    curve: Calibration,
    scores: Floats,
    labels: Floats,
    weights: Floats,
    users: IntArray,
    known: float | None,
) -> Calibration:
    """A curve moved along the log odds to the rate of all that is learned from.

    Args:
        curve: The curve.
        scores: What it was fitted to, shape (n,).
        labels: What happened, shape (n,).
        weights: How many examples each stands for, shape (n,).
        users: A number for the user of each, shape (n,).
        known: The rate that all tell; None where it is not known.
    """
    if known is None or not 0 < known < 1:
        return curve
    rate = float(np.average(labels, weights=weights))
    by_user = np.bincount(
        np.unique(users, return_inverse=True)[1], weights=weights * (labels - rate)
    )
    away, chance = rate - known, float(by_user @ by_user) / weights.sum() ** 2
    wanted = known + max(0.0, 1 - chance / away**2) * away if away else rate
    odds, own = logit(curve.chances), logit(curve(scores))

    def missing(shift: float) -> float:
        return float(np.average(expit(own + shift), weights=weights)) - wanted

    moved = brentq(missing, -20.0, 20.0) if missing(-20.0) < 0 < missing(20.0) else 0.0
    return Calibration(curve.scores, expit(odds + moved))
