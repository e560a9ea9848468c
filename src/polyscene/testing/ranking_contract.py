"""What every task model must do, as a test class to inherit from.

class TestMyModel(TaskModelContract):
    def make(self) -> TaskModel:
        return MyModel()
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyscene.component import component_names
from polyscene.ranking.examples import FUSED, Examples, Features
from polyscene.ranking.model import TaskModel
from polyscene.settings import Task

__all__ = ["TaskModelContract", "contract_examples"]

_TASKS = (Task("click", "click"), Task("buy", "purchase"), Task("spend", "purchase", of_value=True))
_SCENARIOS = ("home", "mail", "late")


class TaskModelContract:
    """Tests of a task model; a subclass says how to make one.

    It is fitted to two thousand made-up examples: two scenarios with three tasks that depend on two
    features, and a third scenario with too little to learn from. In `mail` there is no value.
    """

    def make(self) -> TaskModel:
        """A new model with the options to test."""
        raise NotImplementedError

    def fitted(self) -> tuple[TaskModel, Examples]:
        """A model with what it was fitted to."""
        model, examples = self.make(), contract_examples()
        model.fit(examples)
        return model, examples

    def test_it_is_registered_under_its_name(self) -> None:
        """A model has the family, and a name that settings can use."""
        assert self.make().family == "ranking"
        assert self.make().name in component_names("ranking")

    def test_what_is_predicted_has_its_shape_and_range(self) -> None:
        """(tasks, n); probabilities strictly between 0 and 1; a number exactly where learned."""
        model, examples = self.fitted()
        chances = model.predict(examples.features)
        assert model.tasks == examples.names
        assert chances.shape == examples.labels.shape
        known = np.isfinite(chances)
        for number, task in enumerate(model.tasks):
            for code, scenario in enumerate(_SCENARIOS):
                rows = examples.features.scenario == code
                assert known[number, rows].all() == ((scenario, task) in model.cells)
                assert known[number, rows].any() == ((scenario, task) in model.cells)
        likely = chances[:2][known[:2]]
        assert ((likely > 0) & (likely < 1)).all()

    def test_it_predicts_what_there_is_enough_of(self) -> None:
        """Clicks and purchases of two scenarios, values of one, nothing of the third."""
        model, _ = self.fitted()
        assert model.cells == {
            ("home", "click"), ("home", "buy"), ("home", "spend"), ("mail", "click"),
            ("mail", "buy"),
        }  # fmt: skip
        for scenario, task in model.cells:
            assert model.chosen(scenario, task) in component_names("ranking")

    def test_sums_are_right_among_all_pairs(self) -> None:
        """Of new users, weighted, as many are predicted as happened, within a seventh."""
        model, _ = self.fitted()
        examples = contract_examples(6000, seed=1)
        chances = model.predict(examples.features)
        for scenario, task, rows in examples.cells():
            cell = _SCENARIOS[scenario], examples.names[task]
            if cell in model.cells:
                weights = examples.weights[rows]
                said = float(weights @ chances[task, rows])
                true = float(weights @ examples.labels[task][rows].astype(np.float64))
                assert abs(said - true) < true / 7

    def test_what_it_crossed_never_saw_the_row(self) -> None:
        """As long as the training, and a number where the model is compared."""
        model, examples = self.fitted()
        assert model.crossed.shape == examples.labels.shape
        assert np.isfinite(model.crossed[0, examples.features.scenario == 0]).any()

    def test_equal_fits_predict_alike(self) -> None:
        """Nothing is left to chance, and a second fit forgets the first."""
        model, examples = self.fitted()
        first = model.predict(examples.features)
        model.fit(examples)
        assert np.array_equal(first, model.predict(examples.features), equal_nan=True)

    def test_rows_do_not_look_at_each_other(self) -> None:
        """A row alone is predicted as among others; none at all is no error."""
        model, examples = self.fitted()
        together = model.predict(examples.features.take(np.arange(40)))
        alone = [model.predict(examples.features.take(np.array([row]))) for row in range(40)]
        assert np.allclose(together, np.concatenate(alone, axis=1), equal_nan=True, atol=1e-6)
        assert model.predict(examples.features.take(np.arange(0))).shape == (3, 0)

    def test_features_that_are_missing_break_nothing(self) -> None:
        """With nothing but the fused score everything learned is still predicted."""
        model, examples = self.fitted()
        values = examples.features.values[:50].copy()
        values[:, 1:] = np.nan
        features = Features(examples.features.names, values, _SCENARIOS, np.zeros(50, np.int64))
        assert np.isfinite(model.predict(features)).all()

    def test_saved_state_predicts_alike(self, tmp_path: Path) -> None:
        """What is read back predicts exactly the same, and nothing is pickled."""
        model, examples = self.fitted()
        model.save(tmp_path)
        again = self.make().load(tmp_path)
        assert again.tasks == model.tasks
        assert again.cells == model.cells
        expected = model.predict(examples.features)
        assert np.array_equal(again.predict(examples.features), expected, equal_nan=True)
        suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
        assert suffixes <= {".npy", ".json", ".txt", ".safetensors"}


def contract_examples(count: int = 2000, seed: int = 0) -> Examples:
    """Made-up examples: the tasks follow the fused score and a second feature.

    Args:
        count: How many rows.
        seed: Of what is drawn.
    """
    rng = np.random.default_rng(seed)
    values = rng.random((count, 3)).astype(np.float32)
    values[rng.random(count) < 0.1, 2] = np.nan
    scenario = np.where(np.arange(count) < 12, 2, np.arange(count) % 2)
    chance = 1 / (1 + np.exp(2.5 - 3 * values[:, 0] - values[:, 1] + scenario))
    click = rng.random(count) < chance
    buy = click & (rng.random(count) < 0.4)
    spend = np.where(buy & (scenario == 0), 10 + 20 * values[:, 0], np.nan)
    labels = np.stack([click, buy, spend]).astype(np.float32)
    features = Features((FUSED, "one", "two"), values, _SCENARIOS, scenario.astype(np.int64))
    users = np.arange(count) // 10
    weights = np.where(click, 1.0, 3.0)
    return Examples(features, _TASKS, labels, weights, users, users)
