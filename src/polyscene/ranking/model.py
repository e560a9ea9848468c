"""The contract of task models: features in, a calibrated probability or value of each task out."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from polyscene.component import Component
from polyscene.ranking.curves import Curves, crossed
from polyscene.ranking.examples import FUSED, Examples, Features
from polyscene.settings import Config

__all__ = ["Floats", "Fused", "FusedConfig", "TaskModel"]

Floats = npt.NDArray[np.float64]
_FOLDS = 3


class TaskModel(Component):
    """Predicts the tasks of every scenario from features."""

    family: ClassVar[str] = "ranking"
    tasks: tuple[str, ...] = ()
    """Names of the t tasks it was fitted to, in the order of what it predicts."""
    crossed: Floats = np.zeros((0, 0))
    """After a fit, what would have been predicted of each row if nothing had been learned of its
    user; NaN where that is not known; shape (t, n). Models are compared by it; it is not saved."""

    @abstractmethod
    def fit(self, training: Examples) -> None:
        """Learn; what was learned before is forgotten.

        Args:
            training: Examples of all scenarios, whose features never saw the labels.

        Raises:
            MissingExtraError: When the model needs a package that is not installed.
        """

    @abstractmethod
    def predict(self, features: Features) -> Floats:
        """The probability of each task, or its value; shape (t, n).

        Probabilities lie strictly between 0 and 1. NaN where a task is not predicted: the scenario
        has no such task, or too little was known of it.

        Args:
            features: With the names that it was fitted to; scenarios in any order.
        """

    @property
    @abstractmethod
    def cells(self) -> frozenset[tuple[str, str]]:
        """The scenarios and tasks, by name, that it predicts."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the learned state into the existing directory `path`: JSON, text and .npy."""

    @abstractmethod
    def load(self, path: Path) -> Self:
        """Read what `save` wrote; returns the model itself."""

    def chosen(self, scenario: str, task: str) -> str:
        """The name of the model that predicts a task in a scenario."""
        return self.name


class FusedConfig(Config):
    """Options of `fused`; there are none."""


class Fused(TaskModel):
    """The fused score of the sources, through one isotonic curve a scenario and task.

    It needs no impressions and orders targets as their similarity does. What it learns is how
    likely a response is at each score.
    """

    name: ClassVar[str] = "fused"
    config_type = FusedConfig
    config: FusedConfig

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self._curves = Curves()

    def fit(self, training: Examples) -> None:
        """See `TaskModel`; O(t · n log n)."""
        self.tasks = training.names
        scores = self._scores(training.features)
        self._curves = Curves.fit(scores, training)
        self.crossed = crossed(scores, training, training.folds(_FOLDS))

    def predict(self, features: Features) -> Floats:
        """See `TaskModel`."""
        return self._curves(self._scores(features), features, self.tasks)

    @property
    def cells(self) -> frozenset[tuple[str, str]]:
        """See `TaskModel`."""
        return self._curves.cells

    def save(self, path: Path) -> None:
        """See `TaskModel`."""
        np.save(path / "tasks.npy", np.array(self.tasks, dtype=np.str_))
        self._curves.save(path)

    def load(self, path: Path) -> Self:
        """See `TaskModel`."""
        self.tasks = tuple(map(str, np.load(path / "tasks.npy")))
        self._curves = Curves.load(path)
        return self

    def _scores(self, features: Features) -> Floats:
        return np.broadcast_to(features.column(FUSED), (len(self.tasks), len(features)))
