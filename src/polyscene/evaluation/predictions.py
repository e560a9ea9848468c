"""What predicted tasks are worth, scenario by scenario: order and calibration.

Judged on what was held out, as the fit learned: on the rows of answered lists, or the pairs that
the log says were shown or, where it does not know them, on every target that may be shown to a
hundred of the users under test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import Dataset, IdMap, IntArray
from polyscene.evaluation.ordering import Floats
from polyscene.fitting.asking import Asker
from polyscene.fitting.logged import basis_of, happenings
from polyscene.fitting.model import Model
from polyscene.fitting.outcomes import HeldOut
from polyscene.metrics import probability
from polyscene.metrics.chance import chance_error
from polyscene.settings import Settings, Task

__all__ = ["Pairs", "Predicted", "predicted_pairs", "predictions"]

_BINS = 10
"""Bins of the calibration error, with equally many pairs."""
_USERS = 2000
"""Questions whose shown pairs are judged, at most."""
_WHOLE = 100
"""The same where every target is judged."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """One task of a scenario as predicted, against what happened."""

    task: str
    """Its name."""
    model: str | None
    """The model that predicted it; None where too little was known: it is not judged."""
    shown: bool
    """Whether the pairs are those that were shown; else all targets that may be."""
    pairs: int
    """Pairs of user and target."""
    rate: float
    """Share of the pairs where it happened, or the mean value."""
    loss: float
    """Log loss; for tasks of values the mean squared error."""
    base_loss: float
    """The same of the rate itself, known from what is judged."""
    calibration_error: float
    """ECE in ten bins of equally many pairs; of values the same distance in their unit."""
    chance_error: float
    """The ECE to expect if every probability were right, from so many pairs alone; NaN for
    values."""
    calibration_ratio: float
    """Sum of what was predicted over the sum of what happened."""
    auc: float
    """AUC over all pairs; NaN for values."""
    gauc: float
    """AUC within each question, weighted by its pairs; NaN for values."""
    fused_gauc: float
    """The same by the fused score, without any model."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was predicted of the n pairs of a scenario, and what happened."""

    shown: bool
    """Whether they are those that were shown."""
    labels: npt.NDArray[np.float32]
    """0 or 1, or a value; NaN where a value is not known. Shape (tasks, n)."""
    chances: Floats
    """What was predicted, shape (tasks, n)."""
    fused: Floats
    """The fused score, shape (n,)."""
    groups: IntArray
    """A number for the list of each, or for its question; shape (n,)."""


def predictions(
    model: Model,
    asker: Asker,
    settings: Settings,
    scenario: str,
    train: Dataset,
    held: Dataset,
    now: float,
    weights: dict[str, float],
) -> list[Predicted]:
    """How well each task of a scenario was predicted; none where it has none.

    Args:
        model: The model, fitted to `train`.
        asker: What builds questions from `train`.
        settings: The workspace's settings.
        scenario: Name of the scenario.
        train: What was learned from.
        held: What happened after, or was held out.
        now: Time of the questions, seconds since 1970-01-01 UTC.
        weights: The weight of each source.
    """
    pairs = predicted_pairs(model, asker, settings, scenario, train, held, now, weights)
    if pairs is None or model.tasks is None:
        return []
    learned, declared = model.tasks.learned, settings.scenario(scenario).to_predict
    return [
        _judged(task, learned(scenario, task.name), pairs, row) for row, task in enumerate(declared)
    ]


def predicted_pairs(
    model: Model,
    asker: Asker,
    settings: Settings,
    scenario: str,
    train: Dataset,
    held: Dataset,
    now: float,
    weights: dict[str, float],
) -> Pairs | None:
    """The pairs that tasks are judged by; arguments as for `predictions`. None without any."""
    predictor = model.tasks
    if predictor is None or not predictor.tasks(scenario):
        return None
    spec, space = settings.scenario(scenario), model.space(scenario)
    ids: IdMap = held.users if spec.target == "person" else held.items
    basis = basis_of(train, settings, scenario)
    shown = basis != "sampled"
    asked = HeldOut(
        held, asker, {name: model.sources[name] for name in weights},
        space.targets.ids, ids.ids, settings, scenario, now,
    )  # fmt: skip
    found = happenings(basis, asked, most=_USERS if shown else _WHOLE, everything=True)
    labels, chances, fused, groups = [], [], [], []
    names = [task.name for task in spec.to_predict]
    for outcome in found:
        if not len(outcome.rows):
            continue
        asking = outcome.asking
        told = predictor(
            asking.query, asking.user, outcome.rows, outcome.said, weights,
            space.targets, model.items.targets,
        )  # fmt: skip
        labels.append(outcome.labels)
        chances.append(np.stack([told.tasks[name] for name in names]))
        fused.append(told.fused)
        groups.append(outcome.lists)
    if not labels:
        return None
    truth, said = np.concatenate(labels, axis=1), np.concatenate(chances, axis=1)
    return Pairs(shown, truth, said, np.concatenate(fused), np.concatenate(groups))


def _judged(task: Task, model: str | None, pairs_of: Pairs, row: int) -> Predicted:
    shown, labels, said = pairs_of.shown, pairs_of.labels[row], pairs_of.chances[row]
    known = ~np.isnan(labels) & np.isfinite(said)
    truth, chance = labels[known].astype(np.float64), said[known]
    nan = float("nan")
    pairs, rate = int(known.sum()), float(truth.mean()) if known.any() else nan
    if model is None or not pairs:
        return Predicted(task.name, model, shown, pairs, rate, *[nan] * 8)
    if task.of_value:
        base = float(((truth - rate) ** 2).mean())
        error = _distance(chance, truth)
        ratio = float(chance.sum() / truth.sum()) if truth.sum() else nan
        loss = float(((chance - truth) ** 2).mean())
        return Predicted(
            task.name, model, shown, pairs, rate, loss, base, error, nan, ratio, nan, nan, nan
        )
    happened = truth.astype(np.int64)
    return Predicted(
        task=task.name,
        model=model,
        shown=shown,
        pairs=pairs,
        rate=rate,
        loss=probability.log_loss(chance, happened),
        base_loss=probability.log_loss(np.full(pairs, rate), happened),
        calibration_error=probability.calibration_error(chance, happened, _BINS, "mass"),
        chance_error=chance_error(chance, _BINS, "mass"),
        calibration_ratio=probability.calibration_ratio(chance, happened),
        auc=probability.auc(chance, happened),
        gauc=probability.grouped_auc(chance, happened, pairs_of.groups[known]),
        fused_gauc=probability.grouped_auc(pairs_of.fused[known], happened, pairs_of.groups[known]),
    )


def _distance(said: Floats, truth: Floats) -> float:
    """Mean distance of predicted and true means in bins of equally many pairs."""
    parts = [part for part in np.array_split(np.argsort(said, kind="stable"), _BINS) if len(part)]
    gaps = [len(part) * abs(said[part].mean() - truth[part].mean()) for part in parts]
    return float(np.sum(gaps) / len(said))
