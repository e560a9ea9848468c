"""Task models: the contract, the choice between them, and calibration."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polyscene.component import build, component_names
from polyscene.errors import MissingExtraError, ModelError, SettingsError
from polyscene.extras import require
from polyscene.metrics.probability import calibration_error
from polyscene.ranking import Auto, Fused, Gates, Gbdt, TaskModel
from polyscene.ranking.auto import gained, losses
from polyscene.ranking.examples import FUSED, Examples, Features
from polyscene.ranking.gates import GatesConfig
from polyscene.settings import Task
from polyscene.testing.ranking_contract import TaskModelContract, contract_examples


def loads(module: str) -> bool:
    """Whether a module is there with the system's libraries that it needs."""
    try:
        require(module, "ranking", "a test")
    except MissingExtraError:
        return False
    return True


needs_lightgbm = pytest.mark.skipif(
    not loads("lightgbm"), reason="needs lightgbm and the system's libgomp"
)
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")


class TestFused(TaskModelContract):
    def make(self) -> TaskModel:
        return build(TaskModel, "fused")


@needs_lightgbm
class TestGbdt(TaskModelContract):
    def make(self) -> TaskModel:
        return build(TaskModel, "gbdt")


@needs_lightgbm
class TestLambdaMart(TaskModelContract):
    def make(self) -> TaskModel:
        return build(TaskModel, "gbdt", {"objective": "lambdarank"})


@needs_lightgbm
class TestSeparateGbdt(TaskModelContract):
    def make(self) -> TaskModel:
        return build(TaskModel, "gbdt", {"separate": True})


@needs_torch
class TestGates(TaskModelContract):
    def make(self) -> TaskModel:
        return build(TaskModel, "gates", {"epochs": 15})


@needs_torch
class TestChainedGates(TaskModelContract):
    def make(self) -> TaskModel:
        chain = {"chain": ["click", "buy"], "balance": "equal", "epochs": 15}
        return build(TaskModel, "gates", chain)


class TestAuto(TaskModelContract):
    def make(self) -> TaskModel:
        return build(TaskModel, "auto", {"least": 0})


def test_every_model_has_a_contract_test() -> None:
    tested = {case().make().name for case in TaskModelContract.__subclasses__()}
    assert tested == set(component_names("ranking"))


def made(fused: list[float], labels: list[float], weights: list[float] | None = None) -> Examples:
    """One scenario, one task, a user a row."""
    count = len(fused)
    values = np.array(fused, np.float32)[:, None]
    features = Features((FUSED,), values, ("home",), np.zeros(count, np.int64))
    return Examples(
        features=features,
        tasks=(Task("click", "click"),),
        labels=np.array([labels], np.float32),
        weights=np.ones(count) if weights is None else np.array(weights),
        users=np.arange(count),
        questions=np.arange(count),
    )


def test_fused_is_the_share_at_each_score() -> None:
    """1000 of 4000 at score 0, 3000 of 4000 at score 1: 0.25 and 0.75; between them linear."""
    fused = Fused()
    fused.fit(made([0] * 4000 + [1] * 4000, [1] * 1000 + [0] * 3000 + [1] * 3000 + [0] * 1000))
    features = made([0, 0.5, 1], [0, 0, 0]).features
    assert fused.predict(features)[0] == pytest.approx([0.25, 0.5, 0.75])


def test_few_examples_give_a_logistic_curve() -> None:
    """50 of 200 and 150 of 200: near 0.25 and 0.75; a falling share is no curve, but the rate."""
    fused, low, high = Fused(), [1] * 50 + [0] * 150, [1] * 150 + [0] * 50
    features = made([0, 1], [0, 0]).features
    fused.fit(made([0] * 200 + [1] * 200, low + high))
    assert fused.predict(features)[0] == pytest.approx([0.25, 0.75], abs=0.005)
    fused.fit(made([0] * 200 + [1] * 200, high + low))
    assert fused.predict(features)[0] == pytest.approx([0.5, 0.5])


def test_a_score_that_says_nothing_gives_the_rate() -> None:
    """Of 60 rows 20 succeed, whatever the score: a slope would be of this sample only.

    One logistic curve goes from 0.26 to 0.40 here.
    """
    rng = np.random.default_rng(4)
    scores, labels = rng.random(60).tolist(), rng.permutation([1] * 20 + [0] * 40).tolist()
    fused = Fused()
    fused.fit(made(scores, labels))
    found = fused.predict(made([0, 1], [0, 0]).features)[0]
    assert found == pytest.approx([1 / 3, 1 / 3], abs=0.05)


@pytest.mark.parametrize(
    ("known", "wanted"), [(None, 0.3), (0.25, 0.25 + 0.05 * 0.16), (0.05, 0.05 + 0.25 * 0.9664)]
)
def test_a_rate_moves_to_that_of_all_as_far_as_chance_goes(
    known: float | None, wanted: float
) -> None:
    """30 of 100, with variance 0.3·0.7/100 = 0.0021. From 0.25 it is 0.05 away, 0.0025 squared, so
    that 1 - 0.0021/0.0025 = 0.16 of it stays; from 0.05 it is 1 - 0.0021/0.0625 = 0.9664."""
    examples = made([0] * 100, [1] * 30 + [0] * 70)
    rates = {} if known is None else {("home", "click"): known}
    fused = Fused()
    fused.fit(replace(examples, rates=rates))
    assert fused.predict(made([0], [0]).features)[0] == pytest.approx([wanted], abs=1e-6)


def test_drawn_negatives_stand_for_all() -> None:
    """10 of 20 drawn; each other stands for 9 pairs: 10 of 10 + 90 = 0.1, not 0.5."""
    fused = Fused()
    fused.fit(made([0] * 20, [1] * 10 + [0] * 10, [1.0] * 10 + [9.0] * 10))
    assert fused.predict(made([0], [0]).features)[0] == pytest.approx([0.1])


def test_nine_successes_are_too_few() -> None:
    fused = Fused()
    fused.fit(made([0] * 40, [1] * 9 + [0] * 31))
    assert not fused.cells
    assert np.isnan(fused.predict(made([0], [0]).features)).all()


@pytest.mark.parametrize(("count", "saved"), [(1.0, 1.8192), (3.0, 0.0)])
def test_what_was_drawn_seldom_counts_in_the_order_too(count: float, saved: float) -> None:
    """A success, what was shown in its place, and one drawn of three, which is put above it.

    The other model saves ln(.25/.3) + ln(.99/.1) + count·ln(.74/.99) a user: with one target each,
    both orders win one of two pairs; with three, it wins one of four where `fused` wins three.
    """
    users, labels = np.repeat(np.arange(30), 3), [1.0, 0.0, 0.0] * 30
    examples = made([0.0] * 90, labels, [1.0, 1.0, count] * 30)
    examples = replace(examples, users=users, questions=users)
    fused, other = np.array([[0.3, 0.9, 0.01] * 30]), np.array([[0.25, 0.01, 0.26] * 30])
    rows = np.ones(90, np.bool_)
    assert gained(fused, other, examples, 0, rows) == pytest.approx(saved, abs=1e-3)
    assert gained(other, fused, examples, 0, rows) == 0


@needs_lightgbm
def test_auto_takes_trees_where_the_fused_score_says_nothing() -> None:
    """What happens hangs on another feature alone; in a second task on the fused score alone."""
    examples = contract_examples(4000)
    rng = np.random.default_rng(1)
    values = examples.features.values
    other = rng.random(4000) < 0.9 * values[:, 1]
    same = rng.random(4000) < 0.9 * values[:, 0]
    labels = np.stack([other, same, np.full(4000, np.nan)]).astype(np.float32)
    auto = Auto()
    auto.fit(
        Examples(
            examples.features, examples.tasks, labels, np.ones(4000), examples.users,
            examples.questions,
        )
    )  # fmt: skip
    assert {auto.chosen(name, "click") for name in ("home", "mail")} == {"gbdt"}
    assert {auto.chosen(name, "buy") for name in ("home", "mail")} == {"fused"}


@needs_lightgbm
def test_auto_is_no_worse_than_fused_by_what_it_compared() -> None:
    examples = contract_examples(4000)
    auto, fused = Auto(), Fused()
    auto.fit(examples)
    fused.fit(examples)
    for _, task, rows in examples.cells():
        known = rows & np.isfinite(fused.crossed[task])
        if known.any():
            own, other = (losses(m.crossed, examples, task, known).sum() for m in (auto, fused))
            assert own <= other + 1e-9


@needs_lightgbm
def test_trees_are_calibrated_on_new_users() -> None:
    """Error under 0.03 in ten bins on 20,000 rows of users that the fit never saw."""
    examples = contract_examples(8000)
    gbdt = Gbdt()
    gbdt.fit(examples)
    new = contract_examples(20_000, seed=1)
    rows = new.features.scenario == 0
    # every failure stands for three pairs, so that it comes three times
    times = np.where(new.labels[0][rows] == 1, 1, 3)
    chance = np.repeat(gbdt.predict(new.features)[0][rows], times)
    assert calibration_error(chance, np.repeat(new.labels[0][rows], times), 10, "mass") < 0.03


def test_auto_without_lightgbm_is_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: str) -> None:
        raise MissingExtraError("not there")

    monkeypatch.setattr("polyscene.ranking.gbdt.require", missing)
    auto, examples = Auto(), contract_examples(4000)
    auto.fit(examples)
    assert {auto.chosen(*cell) for cell in auto.cells} == {"fused"}
    with pytest.raises(MissingExtraError):
        Gbdt().fit(examples)


@needs_lightgbm
def test_damaged_trees_are_reported(tmp_path: Path) -> None:
    gbdt = Gbdt()
    gbdt.fit(contract_examples())
    gbdt.save(tmp_path)
    (tmp_path / "trees-0.txt").write_text("no trees", "utf-8")
    with pytest.raises(ModelError, match="damaged trees"):
        Gbdt().load(tmp_path)


@needs_torch
def test_along_a_chain_the_later_task_is_the_rarer() -> None:
    """What every network says of `buy` is at most what it says of `click`."""
    gates, examples = Gates(GatesConfig(chain=["click", "buy"], epochs=2)), contract_examples(500)
    gates.fit(examples)
    inputs, codes = gates._inputs(examples.features), examples.features.scenario
    for _, net in gates._nets:
        click, buy, _ = gates._said(net, inputs, codes, np.ones(500, np.bool_))
        assert (buy <= click + 1e-9).all()


@needs_torch
def test_a_chain_of_unknown_tasks_is_refused() -> None:
    with pytest.raises(SettingsError, match="'spend' is no task that has a probability"):
        Gates(GatesConfig(chain=["spend"])).fit(contract_examples(500))


@needs_torch
def test_a_loss_is_weighed_by_what_is_uncertain() -> None:
    """Log loss ln 2 at logit 0; with s = 1 it is ln 2 / e + 1/2. Unknown labels count nothing."""
    import torch

    from polyscene.ranking.gates_net import balanced_loss

    said, labels = torch.zeros(2, 2), torch.tensor([[1.0, np.nan], [0.0, np.nan]])
    plain = balanced_loss(said, labels, [False, False], None)
    assert float(plain) == pytest.approx(np.log(2))
    weighed = balanced_loss(said, labels, [False, False], torch.ones(2))
    assert float(weighed) == pytest.approx(np.log(2) / np.e + 0.5)
