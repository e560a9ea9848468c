from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calling import call, fails
from evaluation.planted import events, friends
from evaluation.planted import make as planted
from polyscene.errors import DataError, SettingsError
from polyscene.evaluation.protocols import Plan
from polyscene.settings import Range, Settings, ValidationSettings, parse, parse_settings
from polyscene.training import EncoderTraining, train_encoder
from polyscene.training.train import Outcome
from polyscene.tuning.encoder import tune_encoder, write_options
from polyscene.tuning.ranges import applied, ranges
from polyscene.tuning.study import Tuned, tune
from polyscene.tuning.trials import Trials
from polyscene.workspace import Workspace
from tiny_world import NOW, words

optuna = pytest.importorskip("optuna")

KERNEL = {
    "rank": 8, "text": 10.0, "graded": True, "floor": 0.2, "decay": False, "near": 0.0,
    "recency": 0.0, "cold": 0.5, "cold_reg": 1.0, "doubt": 0.0,
}  # fmt: skip
"""All but reg, so that little is left for each fit to choose."""
PLAN = Plan("random", ("商店",), share=0.3)
TOML = """\
# a comment
[tune]
trials = 3

[tune.ranges]
"sources.kernel.reg" = { low = 1.0, high = 1000.0, log = true }
"sources.kernel.graded" = { choices = [true, false] }

[sources.kernel]
rank = 8
text = 10.0
near = 0.0
recency = 0.0
cold = 0.5
cold_reg = 1.0
doubt = 0.0

[validation]
folds = 2

[scenarios."商店"]
sources = { kernel = "auto", semantic-mean = "auto", trending = "auto" }
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The planted world; a study in it may be continued."""
    folder = tmp_path_factory.mktemp("tune") / "w"
    with planted(folder, events(), friends()) as made:
        settings = made.settings.model_copy(
            update={
                "sources": {"kernel": KERNEL},
                "validation": ValidationSettings(folds=2, users=20),
            }
        )
        with Workspace(folder, settings, made.encoder) as workspace:
            yield workspace


def with_ranges(world: Workspace, **tried: dict[str, Any]) -> Workspace:
    names = {name.replace("__", "."): one for name, one in tried.items()}
    tune = {"trials": 4, "ranges": names}
    settings = world.settings.model_copy(update={"tune": parse_settings({"tune": tune}).tune})
    return Workspace(world.path, settings, world.encoder)


REG = {"low": 1.0, "high": 1000.0, "log": True}


@pytest.fixture(scope="module")
def found(world: Workspace) -> Tuned:
    with with_ranges(world, sources__kernel__reg=REG) as workspace:
        return tune(workspace, PLAN, now=NOW)


def test_the_best_is_no_worse_than_what_a_fit_chooses(found: Tuned) -> None:
    """The first trial has what the fit would choose, so that nothing can be lost."""
    assert len(found.trials) + found.pruned == 4
    assert found.trials[0] == (0, pytest.approx(found.before))
    assert found.best == max(score for _, score in found.trials) >= found.before
    assert 1 <= found.values["sources.kernel.reg"] <= 1000
    assert found.check["商店"].users > 20


def test_a_study_is_continued(world: Workspace, found: Tuned) -> None:
    """Trials of before are not repeated, and the rest of the number is done."""
    with with_ranges(world, sources__kernel__reg=REG) as workspace:
        more = tune(workspace, PLAN, trials=6, now=NOW)
    assert more.trials[: len(found.trials)] == found.trials
    assert len(more.trials) + more.pruned == 6


def test_a_trial_of_a_killed_process_counts_as_not_done(world: Workspace) -> None:
    with with_ranges(world, sources__kernel__reg=REG) as workspace:
        tune(workspace, PLAN, study="killed", trials=1, now=NOW)
        journal = world.path / "tune" / "killed" / "study.journal"
        storage = optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(journal))
        )
        optuna.load_study(storage=storage, study_name="killed").ask()
        more = tune(workspace, PLAN, study="killed", trials=2, now=NOW)
    assert len(more.trials) + more.pruned == 2


def test_a_study_of_something_else_is_not_continued(world: Workspace, found: Tuned) -> None:
    with (
        with_ranges(world, sources__kernel__reg=REG | {"high": 10.0}) as workspace,
        pytest.raises(DataError, match="made with other ranges"),
    ):
        tune(workspace, PLAN, now=NOW)
    with (
        with_ranges(world, sources__kernel__reg=REG) as workspace,
        pytest.raises(DataError, match="made with other seed"),
    ):
        tune(workspace, Plan("random", ("商店",), share=0.3, seed=1), now=NOW)


def test_weights_and_whitening(world: Workspace) -> None:
    """Each family of paths reaches what it names."""
    with with_ranges(world, whitening__dims={"low": 2, "high": 8, "whole": True}) as workspace:
        found = tune(workspace, PLAN, study="more", trials=3, weights=True, now=NOW)
    names = ("kernel", "semantic-mean", "trending")
    paths = [f"scenarios.商店.sources.{name}" for name in names]
    assert list(found.values) == ["whitening.dims", *paths]
    assert found.values["whitening.dims"] in range(2, 9)


def test_the_training_of_an_encoder_is_tuned(world: Workspace, tmp_path: Path) -> None:
    """The first trial is as declared; the best options come into a file that `train` takes."""
    config = EncoderTraining(name="map", objective="map", base="bundled", reg=3.0)
    with with_ranges(world, training__reg=REG | {"low": 0.1}) as workspace:
        workspace = Workspace(world.path, workspace.settings, words())
        found = tune_encoder(workspace, PLAN, config, study="map", trials=3, now=NOW)
        more = tune_encoder(workspace, PLAN, config, study="map", trials=4, now=NOW)
    assert found.before == found.trials[0][1] <= found.best
    assert more.trials[:3] == found.trials
    assert len(more.trials) == 4
    assert found.check["商店"].users > 20
    assert 1 <= len([*(world.path / "runs" / "map.trial").glob("2*")]) <= 2
    write_options(config, more.values, tmp_path / "best.toml")
    written = tomllib.loads((tmp_path / "best.toml").read_text("utf-8"))
    assert written["reg"] == more.values["training.reg"]
    assert written["objective"] == "map"
    with with_ranges(world) as workspace, pytest.raises(SettingsError, match="nothing to tune of"):
        tune_encoder(
            workspace, PLAN, EncoderTraining(name="fast", objective="distil"), study="x", now=NOW
        )
    with (
        with_ranges(world, training__rgo=REG) as workspace,
        pytest.raises(SettingsError, match="did you mean 'reg'"),
    ):
        tune_encoder(workspace, PLAN, config, study="x", now=NOW)


def test_a_study_that_is_stopped_at_its_first_trial_begins_with_it_again(
    world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is compared with the options as they are, an unset rate among them."""
    tried: list[float | None] = []

    def trained(workspace: Workspace, config: EncoderTraining, **options: Any) -> Outcome:
        tried.append(config.learning_rate)
        if len(tried) == 1:
            raise KeyboardInterrupt
        by_map = config.model_copy(update={"objective": "map", "base": "bundled", "reg": 3.0})
        return train_encoder(workspace, by_map, **options)

    monkeypatch.setattr("polyscene.tuning.encoder.train_encoder", trained)
    config = EncoderTraining(name="rate")
    rates = {"low": 1e-5, "high": 1e-2, "log": True}
    with with_ranges(world, training__learning_rate=rates) as workspace:
        workspace = Workspace(world.path, workspace.settings, words())
        with pytest.raises(KeyboardInterrupt):
            tune_encoder(workspace, PLAN, config, study="rate", trials=2, now=NOW)
        found = tune_encoder(workspace, PLAN, config, study="rate", trials=1, now=NOW)
    assert tried == [pytest.approx(5e-4)] * 2
    assert found.trials == [(1, found.before)]


class TestTrials:
    """What is not changed by a trial is not done again, and changes nothing of its score."""

    def trials(self, world: Workspace) -> Trials:
        store = world.store
        return Trials(world, ("商店", "news"), store.dataset(), store.links(), NOW)

    def test_as_scored_afresh(self, world: Workspace) -> None:
        first = applied(world.settings, {"sources.kernel.reg": 3.0})
        second = applied(world.settings, {"sources.kernel.reg": 300.0})
        used = self.trials(world)
        again = [list(used.scores(one)) for one in (first, second, first)]
        assert again[0] == again[2] != again[1]
        assert again[1] == list(self.trials(world).scores(second))

    def test_vectors_are_made_anew_where_they_depend_on_it(self, world: Workspace) -> None:
        changed = applied(world.settings, {"whitening.dims": 2})
        used = self.trials(world)
        assert list(used.scores(changed)) != list(used.scores(world.settings))
        with Workspace(world.path, changed, world.encoder) as own:
            assert list(used.scores(changed)) == list(self.trials(own).scores(changed))


def declared(**names: Any) -> Settings:
    tune = {"ranges": {name.replace("__", "."): one for name, one in names.items()}}
    shop = {"sources": {"kernel": "auto", "trending": "auto"}}
    return parse_settings({"tune": tune, "scenarios": {"shop": shop, "a b": shop}})


class TestRanges:
    def test_without_any_the_kernel(self) -> None:
        found = ranges(declared(), ["shop"], weights=False)
        assert {path.rpartition(".")[0] for path in found} == {"sources.kernel"}

    def test_weights_of_a_name_with_a_blank(self) -> None:
        found = ranges(declared(sources__kernel__reg=REG), ["a b"], weights=True)
        path = 'scenarios."a b".sources.trending'
        assert set(found) == {"sources.kernel.reg", 'scenarios."a b".sources.kernel', path}
        assert applied(declared(), {path: 0.5}).scenario("a b").sources["trending"] == 0.5

    @pytest.mark.parametrize(
        ("path", "one", "said"),
        [
            ("sources.kernel.rge", REG, "did you mean 'reg'"),
            ("sources.kernle.reg", REG, "did you mean 'kernel'"),
            ("sources.kernel.reg", {"low": -1, "high": 1}, "greater than 0"),
            ("scenarios.shop.sources.graph", REG, "no source 'graph'"),
            ("scenarios.shpo.sources.kernel", REG, "did you mean 'shop'"),
            ("scenarios.shop.sources.kernel", {"choices": ["much"]}, "at least 0"),
            ("whitening.dims", {"low": 1, "high": 9, "whole": True}, "whitening.dims"),
            ("reward", REG, "expected sources.NAME.OPTION"),
        ],
    )
    def test_what_cannot_be_tried(self, path: str, one: dict[str, Any], said: str) -> None:
        with pytest.raises(SettingsError, match=said):
            ranges(declared(**{path: one}), ["shop"], weights=False)

    @pytest.mark.parametrize(
        ("one", "said"),
        [
            ({}, "low and high, or choices"),
            ({"low": 2, "high": 1}, "low is not below high"),
            ({"low": 0, "high": 1, "log": True}, "above 0"),
            ({"low": 0.5, "high": 3, "whole": True}, "whole numbers"),
            ({"low": 0, "high": 1, "choices": [1]}, "choices, or low and high"),
        ],
    )
    def test_what_is_no_range(self, one: dict[str, Any], said: str) -> None:
        with pytest.raises(SettingsError, match=said):
            parse(Range, one, "tune.ranges.x")

    def test_nothing_to_tune(self) -> None:
        settings = parse_settings({"scenarios": {"shop": {"sources": {"trending": 1.0}}}})
        with pytest.raises(SettingsError, match="nothing to tune"):
            ranges(settings, ["shop"], weights=True)


def test_the_command(tmp_path: Path, world: Workspace) -> None:
    """From a file to the file with the best values, and a page; or it says why not."""
    path = tmp_path / "w"
    with planted(path, events(), friends()):
        (path / "polyscene.toml").write_text(TOML, "utf-8")
    page = tmp_path / "t.html"
    pytest.importorskip("matplotlib")
    done = call("-w", path, "tune", "--share", "0.3", "--html", page)
    assert done.code == 0, done.err
    assert "sources.kernel.reg" in done.out
    assert "events that no trial saw" in done.out
    text = (path / "polyscene.toml").read_text("utf-8")
    assert text.startswith("# a comment\n")
    assert ("\nreg = " in text) == ("next: polyscene" in done.out)
    assert page.read_text("utf-8").count("<svg") == 1
    fails(call("-w", path, "tune", "--scenario", "x"), "unknown scenario")
    fails(call("-w", path, "tune", "--study", "../x"), "a name has letters")
    fails(call("-w", path, "tune", "--protocol", "given"), "--protocol", code=2)


@pytest.mark.parametrize(
    ("ends", "holds", "by_chance"),
    [
        ([(0.01, -0.01, 0.03)], True, True),
        ([(0.02, 0.01, 0.03)], True, False),
        ([(-0.01, -0.02, 0.01)], False, True),
        ([(0.05, 0.03, 0.07), (0.0, -0.02, 0.02)], True, False),
        ([(0.03, 0.01, 0.05), (0.0, -0.02, 0.02)], True, True),
    ],
)
def test_what_chance_may_have_made_is_said(
    found: Tuned, ends: list[tuple[float, float, float]], holds: bool, by_chance: bool
) -> None:
    """The mean over the scenarios decides, and that of the lower ends says whether it is sure."""
    check = {
        str(place): replace(found.check["商店"], difference=one, low=low, high=high)
        for place, (one, low, high) in enumerate(ends)
    }
    tuned = replace(found, check=check)
    assert (tuned.holds, tuned.by_chance) == (holds, by_chance)


def test_the_best_options_of_a_training_are_written_where_they_hold(
    found: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As settings are; what is within chance is called so."""
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "w"
    with planted(path, events(), friends()):
        (path / "polyscene.toml").write_text(TOML, "utf-8")
    best = path / "tune" / "s" / "best.toml"
    best.parent.mkdir(parents=True)
    for ends, said in (
        ((-0.01, -0.02, 0.01), "kept as is"),
        ((0.01, -0.01, 0.03), "but within chance"),
        ((0.02, 0.01, 0.03), "wrote"),
    ):
        one = replace(found.check["商店"], difference=ends[0], low=ends[1], high=ends[2])
        made = replace(found, values={"training.reg": 2.0}, check={"商店": one})
        monkeypatch.setattr("polyscene.cli.tune.tune_encoder", lambda *_, made=made, **__: made)
        done = call("-w", path, "tune", "--encoder", "m", "--study", "s")
        assert said in done.out, done.err
        assert best.exists() == (ends[0] > 0)
        assert ("within chance" in done.out) == (ends[1] < 0 < ends[0])
