"""The factor source: users by hand from the factors of items, and what is chosen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planes import NOW, dataset, history, query, settings, space
from polyscene.component import Query, Training
from polyscene.errors import ModelError
from polyscene.fitting.holdout import validations
from polyscene.sources import Factor, Source
from polyscene.sources import factor as module
from polyscene.sources.base import SILENT
from polyscene.sources.factor import FactorConfig
from polyscene.testing.source_contract import SourceContract

METHODS = ["als", "bpr"]
SHOP = {"shop": {"target": "item", "actions": {"like": 1.0, "hide": -1.0}}}


class TestAlsContract(SourceContract):
    def make(self) -> Source:
        return Factor(FactorConfig(factors=8))


class TestBprContract(SourceContract):
    def make(self) -> Source:
        return Factor(FactorConfig(method="bpr", factors=4, iterations=20))


def training(events: Sequence[tuple[str, ...]], items: int = 12) -> Training:
    """Events as (user, item) or (user, item, action)."""
    full = [(e[0], e[1], e[2] if len(e) > 2 else "like", "shop", 1.0) for e in events]
    data = dataset(full, [f"i{row}" for row in range(items)])
    return Training(data, settings(**SHOP), np.zeros((items, 2), np.float32), NOW)


def tastes() -> Training:
    """Sixty users who each liked three of the five items of one of two tastes; i10, i11 are new."""
    rng = np.random.default_rng(0)
    return training(
        [
            (f"u{number}", f"i{5 * (number % 2) + row}")
            for number in range(60)
            for row in rng.choice(5, 3, replace=False)
        ]
    )


def fitted(method: str = "als", known: Training | None = None, **options: Any) -> Factor:
    given = {"method": method, "factors": 4, "iterations": 30, "alpha": 1.0}
    given["reg"] = 3.0 if method == "als" else 0.01
    source = Factor(FactorConfig.model_validate({**given, "graded": True, **options}))
    source.fit(known or tastes())
    return source


def asked(rows: Sequence[int], strengths: Sequence[float] = (), items: int = 12) -> Query:
    things = space(np.zeros((items, 2)).tolist())
    past = history(things, rows, strengths or [1.0] * len(rows))
    return query(things, past, n=items, target="item")


def factors(source: Factor) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Y and b of the ten items that have some."""
    assert source._fitted is not None
    assert source._fitted.warm.tolist() == list(range(10))
    return source._fitted.items.astype(float), source._fitted.bias.astype(float)


def test_a_user_of_als_solves_the_normal_equations() -> None:
    """x = (YᵀY + λI + Σ α·w·y·yᵀ)⁻¹ Σ (1 + α·w)·y with w = 1 and 0.5, λ = 0.5, α = 3."""
    source = fitted(reg=0.5, alpha=3.0, graded=False)
    Y, bias = factors(source)
    own, w = Y[[2, 7]], np.array([1.0, 0.5])
    inner = Y.T @ Y + 0.5 * np.eye(4) + own.T @ np.diag(3 * w) @ own
    wanted = Y @ np.linalg.solve(inner, own.T @ (1 + 3 * w))
    found = source.scores([asked([2, 7], [1.0, 0.5])])[0]
    np.testing.assert_allclose(found[:10], wanted, rtol=1e-3, atol=1e-5)
    assert not bias.any()


def test_a_user_of_bpr_is_the_mean_of_what_was_liked() -> None:
    """α·(1·y2 + 0.5·y7)/1.5 with α = 2, and the bias of the target."""
    source = fitted("bpr", alpha=2.0, graded=False)
    Y, bias = factors(source)
    wanted = Y @ (2 * (Y[2] + 0.5 * Y[7]) / 1.5) + bias
    found = source.scores([asked([2, 7], [1.0, 0.5])])[0]
    np.testing.assert_allclose(found[:10], wanted, rtol=1e-4, atol=1e-5)
    assert bias.any()


@pytest.mark.parametrize("method", METHODS)
def test_the_taste_of_the_history_comes_first(method: str) -> None:
    source = fitted(method, reg=10.0) if method == "als" else fitted(method)
    for liked, same in (([0, 1], {2, 3, 4}), ([6], {5, 7, 8, 9})):
        rows = [row for row in source(asked(liked)).rows.tolist() if row not in liked]
        assert set(rows[:2]) <= same


@pytest.mark.parametrize("method", METHODS)
def test_a_new_event_changes_the_answer(method: str) -> None:
    """The users who ask are unknown to the fit."""
    source = fitted(method)
    before, after = source.scores([asked([0]), asked([6, 0])])
    assert after[7] > before[7]


@pytest.mark.parametrize("method", METHODS)
def test_items_with_fewer_than_two_likes_are_left_out(method: str) -> None:
    """i2 has one like and one dislike; i3 came after the fit."""
    known = training([("a", "i0"), ("b", "i0"), ("a", "i1"), ("b", "i1"), ("a", "i2"),
                      ("b", "i2", "hide")], 3)  # fmt: skip
    source = fitted(method, known)
    assert (source.scores([asked([0, 3], items=4)])[0] > SILENT).tolist() == [
        True, True, False, False,
    ]  # fmt: skip
    assert len(source(asked([2, 3], items=4))) == 0


@pytest.mark.parametrize("method", METHODS)
def test_who_only_dislikes_gets_nothing(method: str) -> None:
    for graded in (True, False):
        assert len(fitted(method, graded=graded)(asked([0, 1], [-1.0, -0.5]))) == 0


@pytest.mark.parametrize("method", METHODS)
def test_without_events_it_has_nothing_to_say(method: str, tmp_path: Path) -> None:
    for known in (training([]), training([("a", "i0")]), training([("a", "i0", "hide")])):
        source = fitted(method, known)
        assert len(source(asked([0, 1]))) == 0
        assert (source.support(asked([0, 1]), np.arange(3)) == -1).all()
    assert len(Factor()(asked([0]))) == 0
    source.save(tmp_path)
    assert len(Factor().load(tmp_path)(asked([0]))) == 0


@pytest.mark.parametrize("method", METHODS)
def test_two_users_are_enough(method: str) -> None:
    known = training([(user, item) for user in "ab" for item in ("i0", "i1")])
    assert set(fitted(method, known)(asked([0])).rows.tolist()) == {0, 1}


def test_people_are_not_its_matter() -> None:
    made = replace(asked([0]), spec=settings(here={"target": "person"}).scenario("here"))
    source = fitted()
    assert np.isinf(source.scores([made])).all()
    assert (source.support(made, np.arange(2)) == -1).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_support_is_of_the_same_taste(method: str) -> None:
    """Never the target itself, and nothing for what has no factors."""
    source = fitted(method, support=2)
    found = source.support(asked([0, 5]), np.array([1, 6, 0, 10])).tolist()
    assert found[0][0] == 0
    assert found[1][0] == 5
    assert 0 not in found[2]
    assert found[3] == [-1, -1]


@pytest.mark.parametrize("method", METHODS)
def test_what_the_entries_gave_adds_up_to_the_score(method: str) -> None:
    """Apart from the bias of the target."""
    source = fitted(method)
    made, rows = asked([0, 3, 6], [1.0, 0.2, 0.7]), np.array([1, 8])
    assert source._fitted is not None
    x = module.likes([made], source._fitted.warm, source.config)
    gave = source._fitted.gave(x, rows, source.config)
    wanted = source.scores([made])[0, rows] - source._fitted.bias[rows]
    np.testing.assert_allclose(gave.sum(axis=1), wanted, rtol=1e-3, atol=1e-5)


def test_threads_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    one = factors(fitted())
    monkeypatch.setattr(module, "_MANY", 0)
    np.testing.assert_array_equal(factors(fitted())[0], one[0])


class TestTuned:
    @pytest.mark.parametrize("method", METHODS)
    def test_every_option_is_set(self, method: str) -> None:
        before = FactorConfig.model_validate({"method": method, "factors": 4})
        for splits in ([], validations(tastes())):
            after = Factor(before).tuned(splits).config
            assert None not in after.model_dump().values()
            assert (after.method, after.factors) == (method, 4)

    def test_what_is_given_is_kept(self) -> None:
        splits = validations(tastes())
        chosen = Factor(FactorConfig(reg=7.0, factors=4)).tuned(splits).config
        assert chosen.reg == 7.0
        everything = FactorConfig(
            factors=4, reg=2.0, alpha=2.0, iterations=2, learning_rate=0.1, graded=True,
            decay=False, recency=1.0,
        )  # fmt: skip
        assert Factor(everything).tuned(splits).config == everything

    def test_a_few_fits_are_made(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = []

        def learn(rows: Any, config: FactorConfig) -> Any:
            made.append(config)
            return real(rows, config)

        real = module._learn
        monkeypatch.setattr(module, "_learn", learn)
        for method in METHODS:
            made.clear()
            given = {"method": method, "factors": 4, "iterations": 2}
            Factor(FactorConfig.model_validate(given)).tuned(validations(tastes()))
            assert 2 <= len(made) <= 6

    def test_too_large_a_regularisation_is_not_chosen(self) -> None:
        """With λ = 300 on sixty users every factor goes to 0, and nothing is told apart."""
        splits = validations(tastes())
        chosen = Factor(FactorConfig(factors=8)).tuned(splits).config
        assert chosen.reg is not None
        assert chosen.reg < 300

    def test_the_options_are_tried_on_popular_items(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "COLUMNS", 4)
        assert Factor(FactorConfig(factors=4)).tuned(validations(tastes())).config.reg


class TestSaved:
    @pytest.mark.parametrize("method", METHODS)
    def test_the_chosen_options_come_back(self, method: str, tmp_path: Path) -> None:
        given = FactorConfig.model_validate({"method": method, "factors": 4})
        source = Factor(given).tuned(validations(tastes()))
        source.fit(tastes())
        source.save(tmp_path)
        loaded = Factor().load(tmp_path)
        assert loaded.config == source.config
        made = asked([0, 7])
        np.testing.assert_array_equal(loaded.scores([made]), source.scores([made]))

    @pytest.mark.parametrize("name", ["options.json", "warm.npy", "items.npy", "bias.npy"])
    @pytest.mark.parametrize("how", ["gone", "cut", "empty", "nonsense"])
    def test_damage_is_told(self, name: str, how: str, tmp_path: Path) -> None:
        fitted().save(tmp_path)
        path = tmp_path / name
        content = path.read_bytes()
        if how == "gone":
            path.unlink()
        else:
            path.write_bytes({"cut": content[:-3], "empty": b""}.get(how, b"nonsense"))
        with pytest.raises(ModelError, match="polyscene fit"):
            Factor().load(tmp_path)

    def test_files_of_different_fits_are_told(self, tmp_path: Path) -> None:
        fitted().save(tmp_path)
        np.save(tmp_path / "bias.npy", np.zeros(3, np.float32))
        with pytest.raises(ModelError, match="3 biases"):
            Factor().load(tmp_path)


def test_implicit_is_imported_by_the_first_fit_only() -> None:
    code = "import sys, polyscene.sources.factor; print('implicit' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_options_have_bounds() -> None:
    for wrong in ({"factors": 1}, {"reg": 0}, {"alpha": 0}, {"iterations": 0}):
        with pytest.raises(ValueError, match="greater than"):
            FactorConfig.model_validate(wrong)
    with pytest.raises(ValueError, match="'als' or 'bpr'"):
        FactorConfig.model_validate({"method": "svd"})
