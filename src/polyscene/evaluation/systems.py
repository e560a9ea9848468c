"""What is compared on a split: the engine as declared, its parts, and the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Self

import numpy as np

from polyscene.component import Training, Vectors
from polyscene.data.dataset import IntArray
from polyscene.data.questions import Questions
from polyscene.engine.recommender import Recommender
from polyscene.evaluation.ordering import Floats
from polyscene.evaluation.predictions import Predicted, predictions
from polyscene.evaluation.protocols import Split
from polyscene.evaluation.shown import Said, Shown, ask, ordered, shown_in
from polyscene.fitting.asking import Asker, Asking
from polyscene.fitting.model import Model
from polyscene.fitting.past import DatasetPast
from polyscene.fitting.run import fit_to, on_rows
from polyscene.logs import NO_PROGRESS, Progress, Task
from polyscene.settings import Scenario, Settings
from polyscene.sources import FALLBACKS, SemanticMean, Trending
from polyscene.storage import Store
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

__all__ = ["BASELINES", "ENGINE", "OTHER", "Bench"]

ENGINE = "polyscene"
"""The name of the engine as declared."""
OTHER = "other settings"
"""The name of the engine with the settings that it is compared with."""
BASELINES = ("semantic-mean", "popularity")
"""The seed's method, and what most users chose; in every report."""
_FOREVER = 1e9
"""A half-life, in days, that forgets nothing."""


class Bench:
    """Lists of every system for the users of a split.

    Args:
        workspace: The workspace, with the settings that are measured.
        model: A model fitted to what the split left.
        split: The split.
    """

    def __init__(self, workspace: Workspace, model: Model, split: Split) -> None:
        self._workspace = workspace
        self._split = split
        data = on_rows(split.train, model.items.targets.ids)
        self._past = DatasetPast(data, split.links, workspace.store.users)
        popularity = Trending()
        popularity.fit(
            Training(data, _undecayed(workspace.settings), model.items.vectors, split.now)
        )
        extra = {"semantic-mean": SemanticMean(), "popularity": popularity}
        self._model = replace(model, sources=extra | model.sources | {"popularity": popularity})

    @classmethod
    def other(
        cls,
        opened: ExitStack,
        workspace: Workspace,
        settings: Settings,
        split: Split,
        progress: Progress = NO_PROGRESS,
    ) -> Self:
        """The bench of a model with other settings, fitted to what the split left.

        Args:
            opened: Closes what the bench needs.
            workspace: The workspace.
            settings: The other settings, which declare the scenarios of the split too.
            split: The split.
            progress: Where the fit reports.

        Raises:
            SettingsError: When a scenario is not declared.
        """
        for name in split.plan.scenarios:
            settings.scenario(name)
        same = settings.encoders == workspace.settings.encoders
        other = opened.enter_context(
            Workspace(
                workspace.path, settings, workspace.encoder if same else None, store=workspace.store
            )
        )
        return cls(other, fit_to(other, split.train, split.links, progress, split.now), split)

    @property
    def store(self) -> Store:
        """The store of the workspace."""
        return self._workspace.store

    def spec(self, scenario: str) -> Scenario:
        """A scenario as declared."""
        return self._workspace.settings.scenario(scenario)

    def systems(self, scenario: str, ablation: bool = True) -> dict[str, dict[str, float]]:
        """The weights of each system by its name.

        Args:
            scenario: Name of the scenario.
            ablation: Whether each source alone, and the engine without each, are among them.
        """
        weights = self._recommender(self._workspace.settings).weights(scenario)
        found = {ENGINE: weights}
        used = [name for name, weight in weights.items() if weight > 0]
        if ablation and len(used) > 1:
            found |= {f"only {name}": {name: 1.0} for name in used}
            found |= {f"without {name}": weights | {name: 0.0} for name in used}
        return found | {name: {name: 1.0} for name in BASELINES}

    def lists(
        self,
        questions: Questions,
        scenario: str,
        weights: Mapping[str, float],
        depth: int,
        task: Task,
    ) -> IntArray:
        """The best targets of a system for some questions.

        Args:
            questions: Who is asked for, and about what; q of them.
            scenario: Name of the scenario.
            weights: The weights of its sources.
            depth: Length of a list.
            task: Where each question is reported.

        Returns:
            Rows of targets as in `Split.relevant`, -1 past the last; shape (q, depth).
        """
        settings = _with_weights(self._workspace.settings, scenario, weights)
        return self._lists(questions, scenario, settings, depth, task)

    def redeclared(
        self, questions: Questions, scenario: str, spec: Scenario, depth: int, task: Task
    ) -> IntArray:
        """The lists of the engine, as `lists` has them, under another declaration."""
        weights = self._recommender(self._workspace.settings).weights(scenario)
        scenarios = self._workspace.settings.scenarios | {scenario: spec}
        settings = self._workspace.settings.model_copy(update={"scenarios": scenarios})
        settings = _with_weights(settings, scenario, weights)
        return self._lists(questions, scenario, settings, depth, task)

    def _lists(
        self, questions: Questions, scenario: str, settings: Settings, depth: int, task: Task
    ) -> IntArray:
        recommender = self._recommender(settings)
        data, split = self._split.train, self._split
        people = settings.scenario(scenario).target == "person"
        ids = data.users if people else data.items
        mask = split.ranked.get(scenario)
        targets = None if mask is None else [ids.ids[row] for row in np.flatnonzero(mask).tolist()]
        rows = np.full((len(questions), depth), -1, np.int64)
        names = [data.users.ids[row] for row in questions.users.tolist()]
        about = [data.items.ids[row] if row >= 0 else None for row in questions.contexts.tolist()]
        answers = recommender.answers(
            names, scenario, depth, split.now, targets, reasons=False, contexts=about, seed=0
        )
        for place, answer in enumerate(answers):
            found = ids.rows(item.item_id for item in answer.items)
            rows[place, : len(found)] = found
            task.advance()
        return rows

    def shown(self, scenario: str) -> Shown:
        """What was shown in a scenario, with protocol impressions."""
        ids = self._model.space(scenario).targets.ids
        return shown_in(self._split, self._workspace.settings, scenario, ids)

    def said(self, shown: Shown, scenario: str, task: Task) -> Said:
        """What the sources of every system say of what was shown.

        Args:
            shown: What was shown.
            scenario: Name of the scenario.
            task: Where each user is reported.
        """
        settings, split = self._workspace.settings, self._split
        names = (*settings.scenario(scenario).sources, *FALLBACKS, *BASELINES)
        sources = {name: self._model.sources[name] for name in dict.fromkeys(names)}
        asker = Asker(settings, self._model, self._workspace.encoder, self._past)
        ids, predict = split.train.users.ids, self._predict
        return ask(shown, sources, asker, ids, scenario, split.now, task, predict)

    def predictions(self, scenario: str) -> list[Predicted]:
        """What the predicted tasks of a scenario are worth."""
        settings, split = self._workspace.settings, self._split
        asker = Asker(settings, self._model, self._workspace.encoder, self._past)
        weights = self._recommender(settings).weights(scenario)
        return predictions(
            self._model, asker, settings, scenario, split.train, split.held, split.now, weights
        )

    def _predict(
        self, asking: Asking, rows: IntArray, said: Mapping[str, Vectors]
    ) -> Mapping[str, Floats]:
        """The tasks as the engine predicts them with its own weights; none where it has none."""
        tasks, scenario = self._model.tasks, asking.query.scenario
        if tasks is None or scenario not in tasks.declared:
            return {}
        weights = self._recommender(self._workspace.settings).weights(scenario)
        own = {name: said[name] for name in weights}
        targets, items = asking.space.targets, self._model.items.targets
        return tasks(asking.query, asking.user, rows, own, weights, targets, items).tasks

    def ordered(
        self, said: Said, scenario: str, weights: Mapping[str, float]
    ) -> tuple[Floats, IntArray]:
        """How a system orders what was shown; see `polyscene.evaluation.shown.ordered`."""
        settings = _with_weights(self._workspace.settings, scenario, weights)
        return ordered(said, self._recommender(settings), scenario, self._split.now)

    def _recommender(self, settings: Settings) -> Recommender:
        verbaliser = Verbaliser(settings)
        return Recommender(settings, self._model, self._workspace.encoder, verbaliser, self._past)


def _with_weights(settings: Settings, scenario: str, weights: Mapping[str, float]) -> Settings:
    """The settings with other weights in one scenario.

    What a system ranks is what it says itself: rules and rewards stay, as they are part of what is
    declared.
    """
    spec = settings.scenario(scenario).model_copy(update={"sources": dict(weights)})
    return settings.model_copy(update={"scenarios": {**settings.scenarios, scenario: spec}})


def _undecayed(settings: Settings) -> Settings:
    scenarios = {
        name: spec.model_copy(update={"trend_half_life_days": _FOREVER})
        for name, spec in settings.scenarios.items()
    }
    return settings.model_copy(update={"scenarios": scenarios})
