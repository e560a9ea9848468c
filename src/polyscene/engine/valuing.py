"""Valuing: the candidates of a user by the scenario's objective, from what is predicted of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np

from polyscene.component import Candidates, Query, Vectors
from polyscene.data.dataset import FloatArray, IntArray
from polyscene.data.schema import User
from polyscene.fitting.asking import Asking
from polyscene.fitting.model import Model
from polyscene.ranking.objective import Objective, objective, ordered
from polyscene.settings import Settings
from polyscene.settings.vocabulary import as_name
from polyscene.sources import Trending
from polyscene.tracing import traced

__all__ = ["Valued", "Valuer", "said_of"]


class Valued(Protocol):
    """Puts candidates in order for one question."""

    def __call__(self, candidates: Candidates, *, first: int | None = None) -> Candidates:
        """The candidates, best first; only the first if given."""


class Valuer:
    """Puts candidates in order by the objective of their scenario.

    Args:
        settings: The workspace's settings.
        model: The model.
        weights: The weight of each source, by scenario.
    """

    def __init__(
        self, settings: Settings, model: Model, weights: Callable[[str], Mapping[str, float]]
    ) -> None:
        self._settings = settings
        self._model = model
        self._weights = weights
        self._objectives: dict[str, Objective] = {}

    @traced("ranking")
    def __call__(
        self,
        user: User,
        scenario: str,
        now: float,
        candidates: Candidates,
        trend: Callable[[IntArray], FloatArray],
        tasks: Callable[[IntArray], Mapping[str, FloatArray]],
        steps: bool = False,
        first: int | None = None,
    ) -> Candidates:
        """The candidates by the scenario's objective, best first.

        Args:
            user: Who asks.
            scenario: Name of the scenario.
            now: Time of the question, seconds since 1970-01-01 UTC.
            candidates: What the sources found, fused.
            trend: How much some targets are in trend, from their rows.
            tasks: What is predicted of some targets, by task, from their rows.
            steps: Whether to keep how each came to its place.
            first: How many are wanted; all when omitted.
        """
        value = self._objective(scenario)
        given = {}
        if value.uses("popularity"):
            given["popularity"] = np.maximum(trend(candidates.rows), 0)
        if named := [name for name in self._declared(scenario) if value.uses(as_name(name))]:
            columns = tasks(candidates.rows)
            unknown = dict.fromkeys(named, np.full(len(candidates), np.nan))
            candidates = replace(candidates, tasks=unknown | self._learned(scenario, columns))
            given |= {as_name(name): column for name, column in columns.items()}
        targets = self._model.space(scenario).targets
        return ordered(candidates, value(candidates, targets, user, now, given), steps, first)

    def asked(self, asking: Asking, steps: bool) -> Valued:
        """What puts the candidates of one question in order, from what the model says of them."""
        query = asking.query
        return partial(
            self, asking.user, query.scenario, query.now,
            trend=partial(self._trend, query), tasks=partial(self._predicted, asking), steps=steps,
        )  # fmt: skip

    def learned(self, asking: Asking, rows: IntArray) -> dict[str, FloatArray]:
        """The tasks of a scenario that were learned, predicted for some targets, by name."""
        return self._learned(asking.query.scenario, self._predicted(asking, rows))

    def _trend(self, query: Query, rows: IntArray) -> FloatArray:
        """What the trending source says of some targets."""
        scores: Vectors = self._model.sources[Trending.name].scores([query])
        return np.asarray(scores[0][rows], np.float64)

    def _declared(self, scenario: str) -> Collection[str]:
        """The tasks of a scenario that the model predicts."""
        tasks = self._model.tasks
        return () if tasks is None else tasks.declared.get(scenario, ())

    def _learned(self, scenario: str, columns: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """The tasks that are probabilities or values, not the similarity in their place."""
        tasks = self._model.tasks
        found = columns if tasks is not None else {}
        return {name: own for name, own in found.items() if tasks and tasks.learned(scenario, name)}

    def _predicted(self, asking: Asking, rows: IntArray) -> dict[str, FloatArray]:
        """The predicted tasks of some targets by name; none where the scenario has none."""
        query, tasks = asking.query, self._model.tasks
        if tasks is None or query.scenario not in tasks.declared:
            return {}
        weights = self._weights(query.scenario)
        said = {name: self._model.sources[name].scores([query])[0] for name in weights}
        targets, items = asking.space.targets, self._model.items.targets
        return tasks(query, asking.user, rows, said, weights, targets, items).tasks

    def _objective(self, scenario: str) -> Objective:
        if scenario not in self._objectives:
            predicted = {as_name(name) for name in self._declared(scenario)}
            spec = self._settings.scenario(scenario)
            self._objectives[scenario] = objective(scenario, spec, predicted)
        return self._objectives[scenario]


def said_of(said: Candidates, rows: IntArray) -> FloatArray:
    """The score of each of some targets, 0 where nothing is said of it. Shape (rows,)."""
    scores = dict(zip(said.rows.tolist(), said.scores.tolist(), strict=True))
    return np.array([scores.get(row, 0.0) for row in rows.tolist()])
