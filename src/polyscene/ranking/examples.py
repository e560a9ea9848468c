"""What task models learn from and predict for: rows of features, with labels where known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import IntArray, Mask
from polyscene.settings import Task

__all__ = ["FUSED", "POSITION", "Examples", "Features", "joined_examples"]

FUSED = "fused"
"""The name of the feature that is the fused score."""
POSITION = "position"
"""The name of the feature that is known while a model learns, and 0 in what it predicts."""


@dataclass(frozen=True, slots=True)
class Features:
    """Features of n pairs of a question and a target."""

    names: tuple[str, ...]
    """Names of the f features."""
    values: npt.NDArray[np.float32]
    """Shape (n, f); NaN where a feature is not defined."""
    scenarios: tuple[str, ...]
    """Names of the scenario codes."""
    scenario: IntArray
    """Code of the scenario of each row, an index into `scenarios`; shape (n,)."""

    def __len__(self) -> int:
        return len(self.values)

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """One feature of all rows, shape (n,)."""
        return self.values[:, self.names.index(name)].astype(np.float64)

    def as_asked(self) -> Self:
        """The features as they are when something is predicted: without places."""
        if POSITION not in self.names:
            return self
        values = self.values.copy()
        values[:, self.names.index(POSITION)] = 0.0
        return replace(self, values=values)

    def centred(self) -> Self:
        """With places as differences from the median of their scenario; 0 where not known."""
        if POSITION not in self.names:
            return self
        values, column = self.values.copy(), self.names.index(POSITION)
        for code in range(len(self.scenarios)):
            rows = self.scenario == code
            known = np.isfinite(values[rows, column])
            median = np.median(values[rows, column][known]) if known.any() else 0.0
            values[rows, column] -= median
        values[:, column] = np.nan_to_num(values[:, column])
        return replace(self, values=values)

    def take(self, rows: IntArray | Mask) -> Self:
        """Some of the rows."""
        return replace(self, values=self.values[rows], scenario=self.scenario[rows])


@dataclass(frozen=True, slots=True)
class Examples:
    """Features with what happened: n rows, t tasks."""

    features: Features
    tasks: tuple[Task, ...]
    """The tasks, each name once."""
    labels: npt.NDArray[np.float32]
    """0 or 1, or a value for tasks of values; NaN where it is not known or the scenario has no such
    task. Shape (t, n)."""
    weights: npt.NDArray[np.float64]
    """How many pairs each row stands for: 1, or one over the chance by which it was drawn; (n,)."""
    users: IntArray
    """A number for the user of each row, shape (n,)."""
    questions: IntArray
    """A number for the list that each row belongs to: a user in one scenario and split; (n,)."""
    rates: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """By scenario and task with what share of all that is learned from it happened, where examples
    are a part of that: where they are what was shown."""

    def __len__(self) -> int:
        return len(self.features)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tasks."""
        return tuple(task.name for task in self.tasks)

    def take(self, rows: IntArray | Mask) -> Self:
        """Some of the rows."""
        return replace(
            self,
            features=self.features.take(rows),
            labels=self.labels[:, rows],
            weights=self.weights[rows],
            users=self.users[rows],
            questions=self.questions[rows],
        )

    def cell(self, scenario: int, task: int) -> Mask:
        """The rows of one scenario on which one task is known, shape (n,)."""
        return np.asarray((self.features.scenario == scenario) & ~np.isnan(self.labels[task]))

    def cells(self) -> list[tuple[int, int, Mask]]:
        """Scenario, task and rows, wherever anything is known."""
        found = [
            (scenario, task, self.cell(scenario, task))
            for scenario in range(len(self.features.scenarios))
            for task in range(len(self.tasks))
        ]
        return [(scenario, task, rows) for scenario, task, rows in found if rows.any()]

    def folds(self, count: int, seed: int = 0) -> IntArray:
        """A number below `count` for each row, the same for all rows of a user; shape (n,)."""
        known, place = np.unique(self.users, return_inverse=True)
        return (np.random.default_rng(seed).permutation(len(known)) % count)[place]


def joined_examples(parts: Sequence[Examples]) -> Examples:
    """The rows of all parts, one after the other; at least one part.

    Args:
        parts: With the same features, scenarios and tasks. Numbers of questions are made distinct.
    """
    first = parts[0]
    starts = np.cumsum([0, *(int(part.questions.max(initial=-1)) + 1 for part in parts[:-1])])
    return Examples(
        features=replace(
            first.features,
            values=np.concatenate([part.features.values for part in parts]),
            scenario=np.concatenate([part.features.scenario for part in parts]),
        ),
        tasks=first.tasks,
        labels=np.concatenate([part.labels for part in parts], axis=1),
        weights=np.concatenate([part.weights for part in parts]),
        users=np.concatenate([part.users for part in parts]),
        questions=np.concatenate(
            [part.questions + start for part, start in zip(parts, starts.tolist(), strict=True)]
        ),
    )
