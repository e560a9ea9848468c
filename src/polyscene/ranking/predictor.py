"""The fitted task prediction of a workspace: features, a model, and what they were fitted with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from polyscene.component import Query, Vectors, build
from polyscene.data.dataset import IntArray
from polyscene.data.schema import User
from polyscene.ranking.activity import Activity
from polyscene.ranking.examples import FUSED, Features
from polyscene.ranking.features import FeatureBuilder
from polyscene.ranking.model import TaskModel
from polyscene.ranking.overlap import Overlap
from polyscene.represent.targets import Targets
from polyscene.settings import Scenario, Task

__all__ = ["Predictor", "Told"]

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Told:
    """What is predicted of m targets."""

    tasks: dict[str, Values]
    """Each task of the scenario by name, of shape (m,)."""
    fused: Values
    """The fused score that they come from, shape (m,)."""


class Predictor:
    """Predicts the tasks of a scenario for some targets of a question.

    Args:
        sources: The sources whose scores are features, of all scenarios.
        declared: The tasks of each scenario as they were declared at the fit: text by name.
        activity: The counts of the events.
        model: The model; None where there was nothing to learn from.
        positioned: Whether models learn from the place of what was shown.
    """

    def __init__(
        self,
        sources: tuple[str, ...],
        declared: Mapping[str, Mapping[str, str]],
        activity: Activity,
        model: TaskModel | None,
        positioned: bool = False,
    ) -> None:
        self.sources = sources
        self.declared = {name: dict(tasks) for name, tasks in declared.items()}
        self.model = model
        names = dict.fromkeys(task for tasks in declared.values() for task in tasks)
        self._activity = activity
        self._builder = FeatureBuilder(sources, tuple(names), activity, positioned)
        self._positioned = positioned
        self._overlaps: dict[int, tuple[Targets, Overlap]] = {}

    def tasks(self, scenario: str) -> list[Task]:
        """The tasks of a scenario that are predicted."""
        return [Task.of(name, text) for name, text in self.declared.get(scenario, {}).items()]

    def learned(self, scenario: str, task: str) -> str | None:
        """The name of the model that predicts a task, None where too little was known of it."""
        if self.model is None or (scenario, task) not in self.model.cells:
            return None
        return self.model.chosen(scenario, task)

    def features(
        self,
        query: Query,
        user: User,
        rows: IntArray,
        said: Mapping[str, Vectors],
        weights: Mapping[str, float],
        targets: Targets,
        items: Targets,
        positions: Values | None = None,
    ) -> Features:
        """The features of some targets.

        Args:
            query: The question.
            user: Who asks.
            rows: Rows of the targets, shape (m,).
            said: The score of every target by source, each of shape (targets,).
            weights: The weight of each source of the scenario.
            targets: The targets of the space.
            items: The targets that histories consist of.
            positions: The places of the targets where they were shown, while models learn; see
                `FeatureBuilder`.
        """
        overlap = self._overlap(targets, items)
        values = self._builder(query, user, rows, said, weights, overlap, positions)
        scenarios = tuple(self.declared)
        code = np.full(len(rows), scenarios.index(query.scenario), np.int64)
        return Features(self._builder.names, values, scenarios, code)

    def _overlap(self, targets: Targets, items: Targets) -> Overlap:
        """The overlaps of a space, made anew when its targets, or the items, have changed."""
        held, now = self._overlaps.get(id(targets)), (targets.changes, items.changes)
        if held is None or held[0] is not targets or held[1].changes != now:
            held = self._overlaps[id(targets)] = targets, Overlap(targets, items)
        return held[1]

    def __call__(
        self,
        query: Query,
        user: User,
        rows: IntArray,
        said: Mapping[str, Vectors],
        weights: Mapping[str, float],
        targets: Targets,
        items: Targets,
    ) -> Told:
        """The tasks of the scenario; arguments as for `features`.

        A task of which too little was known has the fused score in [0, 1] in its place: it orders
        as well as what is known allows, and is no probability. One whose action says no has 0: what
        is near to a user is not what they will reject.
        """
        features = self.features(query, user, rows, said, weights, targets, items)
        fused = features.column(FUSED)
        likely, never = np.clip(fused, 0, 1), np.zeros(len(rows))
        found = {
            task.name: never if _says_no(task, query.spec) else likely
            for task in self.tasks(query.scenario)
        }
        if self.model is None:
            return Told(found, fused)
        for name, chances in zip(self.model.tasks, self.model.predict(features), strict=True):
            if (query.scenario, name) in self.model.cells and name in found:
                found[name] = chances
        return Told(found, fused)

    def save(self, path: Path) -> None:
        """Write everything into the existing directory `path`."""
        model: dict[str, Any] | None = None
        if self.model is not None:
            model = {"type": self.model.name, **self.model.config.model_dump()}
            (path / "model").mkdir()
            self.model.save(path / "model")
        said = {
            "sources": self.sources,
            "tasks": self.declared,
            "model": model,
            "positioned": self._positioned,
        }
        (path / "ranking.json").write_text(json.dumps(said, indent=2, ensure_ascii=False), "utf-8")
        self._activity.save(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        said = json.loads((path / "ranking.json").read_text("utf-8"))
        model = None
        if (options := said["model"]) is not None:
            model = build(TaskModel, options.pop("type"), options, "ranking")
            model.load(path / "model")
        activity, positioned = Activity.load(path), bool(said.get("positioned"))
        return cls(tuple(said["sources"]), said["tasks"], activity, model, positioned)


def _says_no(task: Task, spec: Scenario) -> bool:
    """Whether somebody who does it has had enough of such a target."""
    action = spec.actions.get(task.action)
    return action is not None and action.weight < 0
