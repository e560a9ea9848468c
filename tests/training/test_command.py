"""`polyscene train`, with the linear map."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from calling import Done, call, fails
from polyscene.training import EncoderTraining
from polyscene.training.classify.config import ClassifierTraining
from polyscene.training.train import Outcome
from polyscene.workspace import Workspace


def test_it_is_trained_listed_and_taken_back(
    shop: Workspace, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (shop.path / "polyscene.toml").write_text('version = 1\n[scenarios.shop]\npreset = "shop"\n')
    options = tmp_path / "options.toml"
    options.write_text("components = 8\n")
    words = ("train", "encoder", "m", "--objective", "map", "--base", tiny)
    first = call("-w", shop.path, *words, "--options", options, "--json")
    assert first.code == 0, first
    assert first.json["passed"]
    done = call("-w", shop.path, *words)
    assert 'encoders = ["workspace:m"]; fit again' in done.out
    rows = call("-w", shop.path, "train", "list", "--json").json
    assert [row["state"] for row in rows] == ["passed", "in use"]
    done = call("-w", shop.path, "train", "rollback", "m")
    assert f"workspace:m is {first.json['version']} now" in done.out
    assert "in use" in call("-w", shop.path, "train", "list", "m").out
    assert call("-w", shop.path, "train", "use", "m", "--version", rows[1]["version"]).code == 0
    fails(call("-w", shop.path, "train", "use", "m", "--version", "2"), "no version '2'")
    fails(call("-w", shop.path, "train", "rollback", "n"), "no encoder workspace:n", "allowed: m")


def test_what_is_worse_says_what_to_try(
    shop: Workspace, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    (shop.path / "polyscene.toml").write_text('version = 1\n[scenarios.shop]\npreset = "shop"\n')

    def worse(_: Workspace, config: EncoderTraining, **__: object) -> Outcome:
        before, after = {"shop": 0.2, "mean": 0.2}, {"shop": 0.1, "mean": 0.1}
        return Outcome(config.name, "1", False, before, after, 1.0, shop.path, False)

    monkeypatch.setattr("polyscene.training.train_encoder", worse)
    words = ("-w", shop.path, "train", "encoder", "m", "--base", tiny)
    assert "not in use; its learning_rate was 0.0005, try a lower one" in call(*words).out
    done = call(*words, "--objective", "map")
    assert "not in use" in done.out
    assert "learning_rate" not in done.out
    done = call(*words, "--objective", "distil")
    assert "it keeps 50% of the NDCG of its base, less than 90%, and is not in use" in done.out


def test_rate_and_size_are_printed_before_and_after(
    shop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where something was made for speed; other training prints none."""
    monkeypatch.setenv("COLUMNS", "200")
    (shop.path / "polyscene.toml").write_text('version = 1\n[scenarios.shop]\npreset = "shop"\n')
    fast = {
        "bytes": {"base": 91_190_292, "onnx": 23_599_594},
        "texts_per_second": {"base": 25.5, "onnx": 167.0},
        "precision": "int8",
    }

    def done(_: Workspace, config: EncoderTraining, **__: object) -> Outcome:
        ndcg, more = {"shop": 0.2, "mean": 0.2}, fast if config.objective == "onnx" else {}
        return Outcome(config.name, "1", True, ndcg, ndcg, 1.0, shop.path, False, more=more)

    monkeypatch.setattr("polyscene.training.train_encoder", done)
    words = ("-w", shop.path, "train", "encoder", "m", "--objective")
    said = call(*words, "onnx").out
    rows = [re.findall(r"[^│┃\s]+", line) for line in said.splitlines()]
    assert ["texts", "a", "second", "26", "167"] in rows
    assert ["bytes", "91,190,292", "23,599,594"] in rows
    assert "speed and size" not in call(*words, "map").out
    shown = call(*words, "onnx", "--json").json
    assert {key: shown[key] for key in ("bytes", "texts_per_second")} == {
        key: fast[key] for key in ("bytes", "texts_per_second")
    }


def test_what_became_of_pseudo_labels_is_printed(
    shop: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Network by network, where they were asked for."""
    (shop.path / "polyscene.toml").write_text('version = 1\n[scenarios.shop]\npreset = "shop"\n')
    options = tmp_path / "options.toml"
    options.write_text("pseudo = 0.95\n")

    class Done:
        passed, seconds, metrics = True, 1.0, {}  # type: ignore[var-annotated]
        pseudo = ((1257, 0.3417, 0.3405), (0, 0.4, 0.4))

    monkeypatch.setattr("polyscene.training.classify.train.train_classifier", lambda *_, **__: Done)
    words = ("-w", shop.path, "train", "classifier", "likes")
    said = call(*words, "--options", options).out
    assert "network 1: 1,257 pseudo-labels, validation loss 0.3417 -> 0.3405" in said
    assert "network 2: pseudo-labels made nothing better, and are left out" in said
    assert "pseudo" not in call(*words).out
    shown = call(*words, "--options", options, "--json").json
    assert shown["pseudo"][0] == {"kept": 1257, "loss_before": 0.3417, "loss": 0.3405}


def test_what_is_said_comes_before_what_a_file_says(
    shop: Workspace, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop.path / "polyscene.toml").write_text('version = 1\n[scenarios.shop]\npreset = "shop"\n')
    options = tmp_path / "options.toml"
    options.write_text('name = "n"\nobjective = "map"\nsteps = 7\nseed = 3\nscenarios = ["a"]\n')
    told: list[EncoderTraining] = []

    def told_of(_: Workspace, config: EncoderTraining, **__: object) -> Outcome:
        told.append(config)
        return Outcome(config.name, "1", True, {}, {}, 1.0, shop.path, False)

    monkeypatch.setattr("polyscene.training.train_encoder", told_of)
    words = ("-w", shop.path, "train", "encoder", "m", "--options", options)
    call(*words)
    adapt = ("--objective", "adapt", "--method", "denoise")
    call(*words, "--steps", "2", "--seed", "0", *adapt, "--scenario", "shop")
    assert [(one.name, one.objective, one.steps, one.seed) for one in told] == [
        ("m", "map", 7, 3), ("m", "adapt", 2, 0)
    ]  # fmt: skip
    assert [one.scenarios for one in told] == [["a"], ["shop"]]
    assert [one.method for one in told] == ["contrast", "denoise"]


def test_the_objective_classify_trains_a_classifier(
    shop: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as `train classifier`, with the name that is given or the default."""
    (shop.path / "polyscene.toml").write_text('version = 1\n[scenarios.shop]\npreset = "shop"\n')
    options = tmp_path / "options.toml"
    options.write_text('objective = "classify"\nmembers = 1\n')
    told: list[tuple[str, int, int]] = []

    class Done:
        passed, seconds, metrics = True, 1.0, {}  # type: ignore[var-annotated]
        pseudo = ()

    def told_of(_: Workspace, config: ClassifierTraining, **__: object) -> type[Done]:
        told.append((config.name, config.members, config.seed))
        return Done

    monkeypatch.setattr("polyscene.training.classify.train.train_classifier", told_of)
    train = ("-w", shop.path, "train")
    done = call(*train, "encoder", "--objective", "classify", "--seed", "2")
    assert "trained classifier in 1 s: it is saved" in done.out
    call(*train, "encoder", "likes", "--options", options)
    call(*train, "classifier", "likes", "--objective", "classify")
    assert call(*train, "classifier", "--json").json["name"] == "classifier"
    assert told == [("classifier", 3, 2), ("likes", 1, 0), ("likes", 3, 0), ("classifier", 3, 0)]


def test_what_learned_nothing_is_not_called_worse(
    shop: Workspace, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its numbers are those of the base: it says so, and what stays in use."""
    from polyscene.training.judge import Judge
    from polyscene.training.runs import promote

    monkeypatch.setenv("COLUMNS", "200")
    (shop.path / "polyscene.toml").write_text('version = 1\n[scenarios.shop]\npreset = "shop"\n')
    options = shop.path / "options.toml"
    options.write_text("whiten = false\nbatch_size = 16\nmax_tokens = 16\n")
    words = ("-w", shop.path, "train", "encoder", "m", "--base", tiny, "--steps", "1")

    def done(*more: str) -> Done:
        told = iter([{"shop": 0.5, "mean": 0.5}] + [{"shop": 0.4, "mean": 0.4}] * 20)
        monkeypatch.setattr(Judge, "__call__", lambda *_: next(told))
        return call(*words, "--options", options, *more)

    said = done().out
    assert "nothing was learned that helps: no step was as good as the start" in said
    assert "the base stays in use; its learning_rate was 0.0005" in said
    assert "worse" not in said
    (row,) = call("-w", shop.path, "train", "list", "--json").json
    assert row["state"] == "learned nothing"
    assert (row["base"], row["trained"]) == ("0.5000", "0.5000")
    card = shop.runs / "m" / row["version"] / "README.md"
    assert "nothing was learned that helps" in card.read_text()
    promote(shop.runs, "m", row["version"])
    assert f"version {row['version']} stays in use" in done().out
    told = done("--json").json
    assert (told["passed"], told["gained"]) == (False, False)


def test_wrong_words_are_said(shop: Workspace, tmp_path: Path) -> None:
    (shop.path / "polyscene.toml").write_text('version = 1\n[scenarios.shop]\npreset = "shop"\n')
    train = ("-w", shop.path, "train")
    fails(call(*train, "encoder"), "polyscene train encoder NAME")
    fails(call(*train, "encoder", "a/b"), "training.name")
    fails(call(*train, "encoder", "a", "--objective", "guess"), "training.objective", "contrastive")
    classify = ("encoder", "a", "--objective", "classify")
    fails(call(*train, *classify, "--steps", "3"), "got --steps 3, which goes with an encoder")
    fails(call(*train, "classifier", "--objective", "map"), "got --objective map")
    fails(call(*train, "encoder", "a", "--method", "mask"), "mask goes with the objective adapt")
    words = ("encoder", "a", "--objective", "adapt", "--method", "guess")
    fails(call(*train, *words), "training.method", "denoise")
    words = ("encoder", "a", "--objective", "adapt", "--adapter", "head")
    fails(call(*train, *words), "adapt trains a transformer: adapter lora or full")
    fails(call(*train, "encoder", "a", "--options", tmp_path / "none.toml"), "cannot read")
    (tmp_path / "bad.toml").write_text("step = 3\n")
    fails(call(*train, "encoder", "a", "--options", tmp_path / "bad.toml"), "did you mean 'steps'")
