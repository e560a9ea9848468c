"""Learning the tasks: examples from the splits of a fit, then a model on all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from polyscene.component import Training, Validation, build
from polyscene.data.dataset import Dataset
from polyscene.fitting.asking import Asker
from polyscene.fitting.holdout import in_scenario
from polyscene.fitting.logged import basis_of, happenings, rates_of
from polyscene.fitting.model import Fusion, Model
from polyscene.fitting.outcomes import HeldOut, Outcome
from polyscene.logs import get_logger
from polyscene.ranking.activity import Activity, happened
from polyscene.ranking.examples import Examples, Features, joined_examples
from polyscene.ranking.features import fused_column
from polyscene.ranking.model import TaskModel
from polyscene.ranking.predictor import Predictor
from polyscene.settings import Settings, Task
from polyscene.settings.vocabulary import as_name

__all__ = ["TaskExamples", "predicted_scenarios", "task_model", "tasks_named"]

_QUESTIONS = 500
"""Questions of a scenario in one split whose outcomes are learned from, at most."""
_log = get_logger(__name__)


def tasks_named(settings: Settings, scenario: str) -> list[str]:
    """The tasks of a scenario that its reward names."""
    spec = settings.scenario(scenario)
    formula = spec.formula
    if formula is None:
        return []
    return [name for name in spec.tasks if formula.uses("", as_name(name))]


def predicted_scenarios(settings: Settings) -> list[str]:
    """The scenarios whose tasks are predicted.

    Those whose reward names a task, and those for whose weights a fit holds events out anyway: for
    these a prediction costs little.
    """
    return [
        name
        for name, spec in settings.scenarios.items()
        if spec.tasks
        and (
            tasks_named(settings, name)
            or ("auto" in spec.sources.values() and len(spec.sources) > 1)
        )
    ]


def _any_happened(data: Dataset, settings: Settings, scenario: str) -> bool:
    """Whether a task of a scenario ever happened there."""
    here = in_scenario(data, scenario) & data.aimed(settings.scenario(scenario).target)
    return any((here & happened(data, t)).any() for t in settings.scenario(scenario).to_predict)


def task_model(settings: Settings) -> TaskModel:
    """The model that the settings ask for, not yet fitted.

    Raises:
        SettingsError: When it is unknown or has wrong options.
    """
    options = dict(settings.ranking)
    return build(TaskModel, str(options.pop("type", "auto")), options, "ranking")


class TaskExamples:
    """Gathers examples while a fit tries its splits; what sources say is out of fold.

    Args:
        training: All that is learned from.
    """

    def __init__(self, training: Training) -> None:
        self._settings = settings = training.settings
        self.scenarios = [
            name
            for name in predicted_scenarios(settings)
            if tasks_named(settings, name) or _any_happened(training.data, settings, name)
        ]
        specs = {name: settings.scenario(name) for name in self.scenarios}
        data = training.data
        self._basis = {name: basis_of(data, settings, name) for name in specs}
        self._sources = tuple(
            dict.fromkeys(source for spec in specs.values() for source in spec.sources)
        )
        self._declared = {name: spec.tasks for name, spec in specs.items()}
        for name, basis in self._basis.items():
            _log.info("%s: tasks are told from what is %s", name, basis)
        self._rates = {
            (name, task): rate
            for name, basis in self._basis.items()
            for task, rate in rates_of(basis, data, specs[name], name).items()
        }
        self._tasks = tuple(
            {task.name: task for spec in specs.values() for task in spec.to_predict}.values()
        )
        self._specs = specs
        places = bool(np.isfinite(data.position).any())
        used = self._basis.values()
        self._positioned = "logged" in used or (places and "shown" in used)
        self._parts: list[Examples] = []

    def asks(self, split: Validation) -> list[str]:
        """The scenarios that have something held out in a split."""
        held = split.held
        if held is None:
            return []
        return [
            name
            for name in self.scenarios
            if held.aimed(self._specs[name].target).any()
            or (self._basis[name] == "logged" and held.lists.in_scenario(name).any())
        ]

    def add(self, trial: Model, asker: Asker, split: Validation, names: Sequence[str]) -> None:
        """Take the outcomes of a split in some scenarios.

        Args:
            trial: A model whose sources are fitted to the training part of the split.
            asker: What builds questions from that part.
            split: The split.
            names: The scenarios.
        """
        training = split.training
        predictor = self._predictor(Activity.fit(training, self._specs), None)
        assert split.held is not None
        for number, name in enumerate(names):
            spec = self._specs[name]
            ids = training.data.users if spec.target == "person" else training.data.items
            sources = {source: trial.sources[source] for source in spec.sources}
            held = HeldOut(
                split.held, asker, sources, trial.space(name).targets.ids, ids.ids,
                self._settings, name, training.now,
            )  # fmt: skip
            found = happenings(self._basis[name], held, most=_QUESTIONS, seed=number)
            self._parts += [
                self._examples(outcome, predictor, trial, place)
                for place, outcome in enumerate(found)
                if len(outcome.rows)
            ]

    def predictor(self, training: Training, fusions: Mapping[str, Fusion]) -> Predictor | None:
        """What predicts the tasks; None where no scenario has any.

        Args:
            training: All that is learned from.
            fusions: The weights that were chosen.
        """
        if not self.scenarios:
            return None
        model = None
        if self._parts:
            model = task_model(self._settings)
            model.fit(examples := self.examples(fusions))
            _log.info("tasks: %d examples", len(examples))
        predictor = self._predictor(Activity.fit(training, self._specs), model)
        for name in self.scenarios:
            for task in self._declared[name]:
                _log.info("%s, %s: %s", name, task, predictor.learned(name, task) or "not learned")
            named = tasks_named(self._settings, name)
            unlearned = [task for task in named if predictor.learned(name, task) is None]
            if unlearned:
                _log.warning(
                    "%s: too few held-out successes or failures to predict %s; the reward takes "
                    "the similarity in their place, or 0 for actions that say no",
                    name, ", ".join(unlearned),
                )  # fmt: skip
        return predictor

    def examples(self, fusions: Mapping[str, Fusion]) -> Examples:
        """All examples with the fused score by these weights; there is at least one."""
        examples = joined_examples(self._parts)
        values, features = examples.features.values.copy(), examples.features
        for code, name in enumerate(features.scenarios):
            rows, weights = features.scenario == code, fusions[name].weights
            scaled = values[rows, 1 : 1 + len(self._sources)]
            values[rows, 0] = fused_column(scaled, self._sources, weights)
        features = replace(features, values=values).centred()
        return replace(examples, features=features, rates=self._rates)

    def _predictor(self, activity: Activity, model: TaskModel | None) -> Predictor:
        return Predictor(self._sources, self._declared, activity, model, self._positioned)

    def _examples(
        self, outcome: Outcome, predictor: Predictor, trial: Model, place: int
    ) -> Examples:
        asking, count = outcome.asking, len(outcome.rows)
        features: Features = predictor.features(
            asking.query, asking.user, outcome.rows, outcome.said, {},
            asking.space.targets, trial.items.targets, outcome.positions,
        )  # fmt: skip
        labels = np.full((len(self._tasks), count), np.nan, np.float32)
        own: list[Task] = self._specs[asking.query.scenario].to_predict
        names = [task.name for task in self._tasks]
        for task, known in zip(own, outcome.labels, strict=True):
            labels[names.index(task.name)] = known
        return Examples(
            features=features,
            tasks=self._tasks,
            labels=labels,
            weights=outcome.weights,
            users=np.full(count, outcome.user, np.int64),
            questions=outcome.lists,
        )
