"""The best model for each scenario and task, by validation; `fused` unless another is better."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from polyscene.component import Config, build
from polyscene.data.dataset import Mask
from polyscene.errors import MissingExtraError
from polyscene.logs import get_logger
from polyscene.metrics.probability import auc_by_group
from polyscene.ranking.examples import Examples, Features
from polyscene.ranking.gbdt import Gbdt
from polyscene.ranking.model import Floats, Fused, TaskModel

__all__ = ["Auto", "AutoConfig", "gained", "losses"]

_CERTAINTY = 1.0
"""By how many standard errors another model must be better than `fused` to be taken."""
_FEW = 20
"""Users of a scenario below which nothing is compared."""
_log = get_logger(__name__)


class AutoConfig(Config):
    """Options of `auto`."""

    models: list[str] = [Gbdt.name]
    """The models that are tried beside `fused`; one whose package is not installed is left out."""
    least: int = Field(default=2000, ge=0)
    """Examples below which none but `fused` is tried."""


class Auto(TaskModel):
    """For each scenario and task the best model by validation; `fused` where none is better.

    Models are compared by what they say of users that they did not learn from. Another than `fused`
    is taken where its loss (log loss, for tasks of values the squared error) is lower by a standard
    error over users, and its order within questions is no worse: the mean AUC of a question is not
    below that of `fused`. Where targets were drawn, each stands in both for as many as its weight
    says: a model that tells the best candidates apart better, and all others worse, is not taken.
    """

    name: ClassVar[str] = "auto"
    config_type = AutoConfig
    config: AutoConfig

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self._models: dict[str, TaskModel] = {}
        self._chosen: dict[tuple[str, str], str] = {}

    def fit(self, training: Examples) -> None:
        """See `TaskModel`; the cost is that of each model."""
        self.tasks = training.names
        tried = {Fused.name: build(TaskModel, Fused.name)}
        if len(training) >= self.config.least:
            others = [name for name in self.config.models if name not in (Fused.name, self.name)]
            tried |= {name: build(TaskModel, name, None, "ranking.models") for name in others}
        for name, model in list(tried.items()):
            try:
                model.fit(training)
            except MissingExtraError as error:
                _log.info("ranking: %s is left out: %s", name, error)
                del tried[name]
        self._chosen = _best({name: model.crossed for name, model in tried.items()}, training)
        used = {Fused.name, *self._chosen.values()}
        self._models = {name: model for name, model in tried.items() if name in used}
        self.crossed = self._put_together(
            {n: m.crossed for n, m in self._models.items()}, training.features
        )

    def predict(self, features: Features) -> Floats:
        """See `TaskModel`."""
        chances = {name: model.predict(features) for name, model in self._models.items()}
        return self._put_together(chances, features)

    @property
    def cells(self) -> frozenset[tuple[str, str]]:
        """See `TaskModel`."""
        fused = self._models.get(Fused.name)
        return frozenset(self._chosen) | (fused.cells if fused is not None else frozenset())

    def chosen(self, scenario: str, task: str) -> str:
        """See `TaskModel`."""
        return self._chosen.get((scenario, task), Fused.name)

    def save(self, path: Path) -> None:
        """See `TaskModel`."""
        said = {
            "tasks": self.tasks,
            "models": list(self._models),
            "chosen": [[*cell, name] for cell, name in self._chosen.items()],
        }
        (path / "auto.json").write_text(json.dumps(said, ensure_ascii=False), "utf-8")
        for name, model in self._models.items():
            (path / name).mkdir()
            model.save(path / name)

    def load(self, path: Path) -> Self:
        """See `TaskModel`."""
        said = json.loads((path / "auto.json").read_text("utf-8"))
        self.tasks = tuple(said["tasks"])
        self._models = {name: build(TaskModel, name).load(path / name) for name in said["models"]}
        self._chosen = {(scenario, task): name for scenario, task, name in said["chosen"]}
        return self

    def _put_together(self, chances: Mapping[str, Floats], features: Features) -> Floats:
        """What the model of each scenario and task says, shape (t, n)."""
        found = chances[Fused.name].copy()
        for (scenario, task), name in self._chosen.items():
            if scenario in features.scenarios:
                rows = features.scenario == features.scenarios.index(scenario)
                place = self.tasks.index(task)
                found[place, rows] = chances[name][place, rows]
        return found


def losses(chances: Floats, examples: Examples, task: int, rows: Mask) -> Floats:
    """The loss of each row, times what it stands for: log loss, or the squared error of a value.

    Args:
        chances: Predicted probabilities or values, shape (t, n).
        examples: What happened.
        task: Number of the task.
        rows: Which rows, shape (n,).
    """
    predicted, labels = chances[task][rows], examples.labels[task][rows].astype(np.float64)
    if examples.tasks[task].of_value:
        loss = (predicted - labels) ** 2
    else:
        loss = -np.log(np.where(labels == 1, predicted, 1 - predicted))
    return np.asarray(loss * examples.weights[rows])


def _best(found: Mapping[str, Floats], examples: Examples) -> dict[tuple[str, str], str]:
    """The model of each scenario and task where one is better than `fused`.

    Args:
        found: What each model says of users that it did not learn from, shape (t, n).
        examples: What happened.
    """
    chosen = {}
    for scenario, task, rows in examples.cells():
        best, most = Fused.name, 0.0
        for name, chances in found.items():
            if name == Fused.name:
                continue
            gain = gained(found[Fused.name], chances, examples, task, rows)
            if gain > most:
                best, most = name, gain
        if best != Fused.name:
            cell = examples.features.scenarios[scenario], examples.tasks[task].name
            chosen[cell] = best
            _log.info("ranking: %s for %s, %s", best, *cell)
    return chosen


def gained(fused: Floats, other: Floats, examples: Examples, task: int, rows: Mask) -> float:
    """The loss that another model saves a user on average; 0 where it is not surely better.

    Args:
        fused: What `fused` says of users that it did not learn from, shape (t, n).
        other: What the other says, same shape.
        examples: What happened.
        task: Number of the task.
        rows: Which rows, shape (n,).
    """
    both = rows & np.isfinite(fused[task]) & np.isfinite(other[task])
    users, place = np.unique(examples.users[both], return_inverse=True)
    if len(users) < _FEW:
        return 0.0
    saved = losses(fused, examples, task, both) - losses(other, examples, task, both)
    gain = np.bincount(place, weights=saved)
    error = float(gain.std()) / np.sqrt(len(users))
    if gain.mean() <= _CERTAINTY * error:
        return 0.0
    if not examples.tasks[task].of_value and _order(other, examples, task, both) < _order(
        fused, examples, task, both
    ):
        return 0.0
    return float(gain.mean())


def _order(chances: Floats, examples: Examples, task: int, rows: Mask) -> float:
    """The mean AUC of a question among all targets that its drawn ones stand for."""
    labels, groups = examples.labels[task][rows], examples.questions[rows]
    counts = examples.weights[rows]
    each, _, place = auc_by_group(chances[task][rows], labels, groups, counts)
    share = np.bincount(place, weights=counts)
    both = ~np.isnan(each)
    return float(np.average(each[both], weights=share[both])) if both.any() else 0.5
