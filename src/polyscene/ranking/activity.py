"""How much is done with each target, and how often a task follows: counts of the events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from polyscene.component import Training
from polyscene.data.dataset import Dataset, IntArray, Mask
from polyscene.represent.strength import SECONDS_A_DAY
from polyscene.settings import Scenario, Task

__all__ = ["WINDOWS", "Activity", "happened"]

WINDOWS = (7, 30)
"""Days of the trend windows."""
_PRIOR = 10.0
"""Pairs of the average rate that are added to those of each target."""

Table = npt.NDArray[np.float32]


class Activity:
    """Columns of every target of some scenarios.

    By scenario: log(1 + events) in the last 7 and 30 days, of all time, and of all time in the
    scenario itself; then for each task the share of the pairs of user and target on which it
    happened, over all scenarios that have the task and recommend the same kind, with ten pairs of
    the average share added: (s + 10·s̄)/(n + 10). For tasks of values it is their mean.

    Args:
        tables: By scenario, shape (columns, targets + 1); the last target is one without events.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = dict(tables)

    @classmethod
    def fit(cls, training: Training, scenarios: Mapping[str, Scenario]) -> Self:
        """Count the events. O(scenarios · (tasks · events + targets)).

        Args:
            training: What is learned from.
            scenarios: The scenarios whose tasks are predicted.
        """
        tasks = {task.name: task for spec in scenarios.values() for task in spec.to_predict}
        return cls(
            {
                name: np.concatenate(
                    [_counts(training, name, spec)]
                    + [_rates(training, scenarios, spec, task)[None] for task in tasks.values()]
                ).astype(np.float32)
                for name, spec in scenarios.items()
            }
        )

    def __call__(self, scenario: str, rows: IntArray) -> Table:
        """The columns of some targets, shape (m, columns); new targets have no events."""
        table = self._tables[scenario]
        return table[:, np.minimum(rows, table.shape[1] - 1)].T

    def save(self, path: Path) -> None:
        """Write the columns into the existing directory `path`."""
        names = list(self._tables)
        (path / "activity.json").write_text(json.dumps(names), "utf-8")
        for number, name in enumerate(names):
            np.save(path / f"activity-{number}.npy", self._tables[name])

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        names = json.loads((path / "activity.json").read_text("utf-8"))
        return cls(
            {name: np.load(path / f"activity-{number}.npy") for number, name in enumerate(names)}
        )


def happened(data: Dataset, task: Task) -> Mask:
    """On which events a task happened, or has a value; shape (events,)."""
    is_action = np.array([action == task.action for action in data.actions], np.bool_)
    found = is_action[data.action] if len(is_action) else np.zeros(len(data), np.bool_)
    return np.asarray(found & (data.value >= task.least))


def _size(data: Dataset, spec: Scenario) -> int:
    return len(data.users if spec.target == "person" else data.items)


def _counts(training: Training, name: str, spec: Scenario) -> npt.NDArray[np.float64]:
    """log(1 + events) by target, shape (4, targets + 1)."""
    data = training.data
    aimed = data.aimed(spec.target) & (data.target >= 0)
    days = (training.now - data.timestamp) / SECONDS_A_DAY
    code = data.scenarios.index(name) if name in data.scenarios else -2
    masks = [aimed & (days <= window) for window in WINDOWS]
    masks += [aimed, aimed & (data.scenario == code)]
    size = _size(data, spec)
    counts = [np.bincount(data.target[mask], minlength=size + 1) for mask in masks]
    return np.log1p(np.stack(counts).astype(np.float64))


def _rates(
    training: Training, scenarios: Mapping[str, Scenario], spec: Scenario, task: Task
) -> npt.NDArray[np.float64]:
    """How often a task happened with each target, or its mean value; shape (targets + 1,)."""
    data, size = training.data, _size(training.data, spec)
    having = [
        name
        for name, other in scenarios.items()
        if task.name in other.tasks and other.target == spec.target
    ]
    here = np.array([*(name in having for name in data.scenarios), True], np.bool_)
    used = here[data.scenario] & data.aimed(spec.target) & (data.target >= 0)
    found = happened(data, task)
    if task.of_value:
        used &= found
        target, values = data.target[used], data.value[used]
    else:
        keys = data.user[used] * (size + 1) + data.target[used]
        pairs, place = np.unique(keys, return_inverse=True)
        values = (np.bincount(place, weights=found[used]) > 0).astype(np.float64)
        target = pairs % (size + 1)
    mean = float(values.mean()) if len(values) else 0.0
    sums = np.bincount(target, weights=values, minlength=size + 1)
    return (sums + _PRIOR * mean) / (np.bincount(target, minlength=size + 1) + _PRIOR)
