"""Trees: gradient boosting over all features, one model a task for all scenarios together.

Reference: Ke et al. (2017), LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NeurIPS;
for `lambdarank` Burges (2010), From RankNet to LambdaRank to LambdaMART.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from polyscene.component import Config
from polyscene.data.dataset import IntArray, Mask
from polyscene.errors import ModelError
from polyscene.extras import require
from polyscene.ranking.curves import LEAST, Curves, crossed
from polyscene.ranking.examples import Examples, Features
from polyscene.ranking.model import Floats, TaskModel

__all__ = ["Gbdt", "GbdtConfig"]

Table = npt.NDArray[np.float32]
_LEVELS = 63
"""Levels of a feature that are told apart, at most."""
_PATIENCE = 20
"""Trees without a gain after which no more are tried."""


class GbdtConfig(Config):
    """Options of `gbdt`."""

    objective: Literal["binary", "lambdarank"] = "binary"
    """What trees are grown for: the probability of each response, or the order within each list.
    Tasks of values are regressed in any case."""
    separate: bool = False
    """Whether each scenario has trees of its own and learns from nothing but itself."""
    trees: int = Field(default=200, ge=1)
    """Trees of a task, at most; fewer when more gain nothing on users left out."""
    leaves: int = Field(default=15, ge=2)
    """Leaves of a tree, at most."""
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    """Share of what a tree corrects."""
    least: int = Field(default=40, ge=1)
    """Examples in a leaf, at least."""
    reg: float = Field(default=5.0, ge=0)
    """Regularisation of leaves, L2."""
    most: int = Field(default=60_000, ge=100)
    """Examples that trees are grown on, at most; some are drawn where there are more. Curves are
    fitted on all."""
    threads: int = Field(default=1, ge=1)
    """Threads that grow trees. Several are slower where they share cores with other work."""
    folds: int = Field(default=3, ge=2)
    """Parts of the users; each is calibrated on what trees say that never saw it."""
    seed: int = Field(default=0, ge=0)
    """Of the parts and of what is drawn."""


class Gbdt(TaskModel):
    """Boosted trees, calibrated by isotonic curves on users that the trees never saw.

    The scenario is a feature, so that scenarios share what they have in common. Each part of the
    users is left out once, and the mean of the trees of all parts is what is predicted. Trees are
    grown on the examples as drawn; the curves correct for the drawing.
    """

    name: ClassVar[str] = "gbdt"
    config_type = GbdtConfig
    config: GbdtConfig

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self._scenarios: tuple[str, ...] = ()
        self._boosters: dict[tuple[int, int], list[Any]] = {}
        self._curves = Curves()

    def fit(self, training: Examples) -> None:
        """See `TaskModel`; O(folds · trees · n · f)."""
        _lightgbm()
        self.tasks, self._scenarios = training.names, training.features.scenarios
        self._boosters = {}
        scores = np.full(training.labels.shape, np.nan)
        tables = self._table(training.features), self._table(training.features.as_asked())
        folds = training.folds(self.config.folds)
        for scenario, task, rows in self._groups(training):
            self._learn(training, tables, folds, rows, (scenario, task), scores)
        self._curves = Curves.fit(scores, training)
        self.crossed = crossed(scores, training, folds)

    def predict(self, features: Features) -> Floats:
        """See `TaskModel`."""
        scores, table = np.full((len(self.tasks), len(features)), np.nan), self._table(features)
        for (scenario, task), boosters in self._boosters.items():
            rows = np.ones(len(features), np.bool_)
            if scenario >= 0:
                rows = table[:, -1] == scenario
            if rows.any():
                said = [self._scores(booster, table[rows]) for booster in boosters]
                scores[task, rows] = np.mean(said, axis=0)
        return self._curves(scores, features, self.tasks)

    @property
    def cells(self) -> frozenset[tuple[str, str]]:
        """See `TaskModel`."""
        return self._curves.cells

    def save(self, path: Path) -> None:
        """See `TaskModel`."""
        keys = [key for key, boosters in self._boosters.items() for _ in boosters]
        said = {"tasks": self.tasks, "scenarios": self._scenarios, "trees": keys}
        (path / "gbdt.json").write_text(json.dumps(said, ensure_ascii=False), "utf-8")
        every = [booster for boosters in self._boosters.values() for booster in boosters]
        for number, booster in enumerate(every):
            (path / f"trees-{number}.txt").write_text(booster.model_to_string(), "utf-8")
        self._curves.save(path)

    def load(self, path: Path) -> Self:
        """See `TaskModel`."""
        lightgbm = _lightgbm()
        said = json.loads((path / "gbdt.json").read_text("utf-8"))
        self.tasks, self._scenarios = tuple(said["tasks"]), tuple(said["scenarios"])
        for number, (scenario, task) in enumerate(said["trees"]):
            text = (path / f"trees-{number}.txt").read_text("utf-8")
            own = self._boosters.setdefault((scenario, task), [])
            try:
                own.append(lightgbm.Booster(model_str=text))
            except lightgbm.basic.LightGBMError as error:
                raise ModelError(f"{path} has damaged trees: {error}") from error
        self._curves = Curves.load(path)
        return self

    def _table(self, features: Features) -> Table:
        """The features with the scenario as the last column; -1 for one that is not known."""
        codes = [
            self._scenarios.index(name) if name in self._scenarios else -1
            for name in features.scenarios
        ]
        scenario = np.array(codes, np.float64)[features.scenario]
        return np.column_stack([features.values, scenario.astype(np.float32)])

    def _groups(self, training: Examples) -> list[tuple[int, int, Mask]]:
        """What gets trees of its own: scenario, -1 for all together, task and rows."""
        if self.config.separate:
            return training.cells()
        known = [(task, ~np.isnan(labels)) for task, labels in enumerate(training.labels)]
        return [(-1, task, rows) for task, rows in known if rows.any()]

    def _learn(
        self,
        training: Examples,
        tables: tuple[Table, Table],
        folds: IntArray,
        rows: Mask,
        key: tuple[int, int],
        scores: Floats,
    ) -> None:
        """Grow the trees of one group; what they say of users they never saw goes to `scores`.

        Tables are the features as they are learned from, and as they are when asked.
        """
        table, asked = tables
        labels, of_value = training.labels[key[1]], training.tasks[key[1]].of_value
        if not of_value and min((labels[rows] == 1).sum(), (labels[rows] == 0).sum()) < LEAST:
            return
        grown = []
        for fold in range(self.config.folds):
            seen, left = rows & (folds != fold), rows & (folds == fold)
            if not left.any() or len(np.unique(labels[seen])) < 2:
                continue
            booster = self._grow(training, table, self._some(seen), key[1], self._some(left))
            scores[key[1], left] = self._scores(booster, asked[left])
            grown.append(booster)
        if grown:
            self._boosters[key] = grown

    def _scores(self, booster: Any, table: Table) -> Floats:
        """What trees say before any curve, shape (m,)."""
        said = booster.predict(table, raw_score=True, num_threads=self.config.threads)
        return np.asarray(said, np.float64)

    def _some(self, rows: Mask) -> Mask:
        """At most so many of the rows, drawn at random."""
        places = np.flatnonzero(rows)
        if len(places) <= self.config.most:
            return rows
        rng, chosen = np.random.default_rng(self.config.seed), np.zeros_like(rows)
        chosen[rng.choice(places, self.config.most, replace=False)] = True
        return chosen

    def _grow(self, training: Examples, table: Table, rows: Mask, task: int, left: Mask) -> Any:
        """Trees on some rows, as many as gain on those left out; as they are read back."""
        lightgbm, config = _lightgbm(), self.config
        of_value = training.tasks[task].of_value
        ranked = config.objective == "lambdarank" and not of_value

        def held(chosen: Mask, reference: Any = None) -> Any:
            places = np.flatnonzero(chosen)
            groups = None
            if ranked:
                places = places[np.argsort(training.questions[places], kind="stable")]
                groups = np.unique(training.questions[places], return_counts=True)[1]
            return lightgbm.Dataset(
                table[places], training.labels[task][places], group=groups,
                categorical_feature=[table.shape[1] - 1], reference=reference,
                params={"max_bin": _LEVELS, "verbosity": -1},
            )  # fmt: skip

        data = held(rows)
        options = {
            "objective": config.objective if not of_value else "regression",
            "num_leaves": config.leaves, "learning_rate": config.learning_rate,
            "min_data_in_leaf": config.least, "lambda_l2": config.reg, "seed": config.seed,
            "feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1,
            "cat_smooth": 20.0, "deterministic": True, "force_row_wise": True, "verbosity": -1,
            "max_bin": _LEVELS, "num_threads": config.threads,
        }  # fmt: skip
        booster = lightgbm.train(
            options, data, config.trees, valid_sets=[held(left, data)],
            callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
        )  # fmt: skip
        text = booster.model_to_string(num_iteration=booster.best_iteration)
        return lightgbm.Booster(model_str=text)


def _lightgbm() -> Any:
    return require("lightgbm", "ranking", "the task model gbdt")
