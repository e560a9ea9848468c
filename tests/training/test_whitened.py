"""The linear layer behind a transformer: whitening, and what is learned on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyscene.component import Vectors
from polyscene.encoders import OnnxEncoder, StaticEncoder, TransformerEncoder
from polyscene.encoders.onnx import OnnxConfig
from polyscene.encoders.static import StaticConfig
from polyscene.encoders.transformer import TransformerConfig
from polyscene.logs import NO_PROGRESS
from polyscene.represent.whiten import Transform, normalise
from polyscene.settings import Whitening
from polyscene.training import EncoderTraining, train_encoder
from polyscene.training.pairs import Pairs
from polyscene.training.runs import promote
from polyscene.workspace import Workspace

WORDS = ["w0 w2 w4", "w1 w3", "w5 w6 w7 w8"]


def training(tiny: str, **options: Any) -> EncoderTraining:
    given = {
        "name": "shop", "base": tiny, "steps": 2, "evaluate_every": 2, "max_tokens": 16,
        "batch_size": 16, "adapter": "lora", "rank": 2, "device": "cpu", **options,
    }  # fmt: skip
    return EncoderTraining.model_validate(given)


def encoder(folder: Path | str) -> TransformerEncoder:
    return TransformerEncoder(TransformerConfig(model=str(folder), max_tokens=16, device="cpu"))


def layers(folder: Path) -> list[str]:
    modules = json.loads((folder / "modules.json").read_text())
    return [one["type"].rpartition(".")[2] for one in modules]


def loaded(tiny: str) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(tiny, device="cpu")


def titles(shop: Workspace) -> list[str]:
    return [item.title for item in shop.store.items()]


def test_the_layer_is_the_whitening_of_the_engine(shop: Workspace, tiny: str) -> None:
    """The vectors behind it are those that the engine makes of the vectors before it."""
    from polyscene.training.whitened import fit_layer

    model, base = loaded(tiny), encoder(tiny)
    layer = fit_layer(base.encode, titles(shop), 0)
    layer.put_behind(model)
    known = base.encode(titles(shop))
    expected = Transform.fit(known, Whitening(dims=16))(base.encode(WORDS))
    np.testing.assert_allclose(model.encode(WORDS), expected, atol=1e-4)
    np.testing.assert_allclose(layer(base.encode(WORDS)), expected, atol=1e-4)
    assert not any(weight.requires_grad for weight in model[3].parameters())


def test_a_turn_turns_the_vectors(shop: Workspace, tiny: str) -> None:
    from polyscene.training.whitened import fit_layer

    model, base = loaded(tiny), encoder(tiny)
    layer = fit_layer(base.encode, titles(shop), 0)
    turn = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    layer.put_behind(model, turn)
    expected = normalise(layer(base.encode(WORDS)) @ turn)
    np.testing.assert_allclose(model.encode(WORDS), expected, atol=1e-4)


def test_a_later_training_keeps_the_layer(shop: Workspace, tiny: str) -> None:
    """It is neither trained nor put there twice."""
    made = train_encoder(shop, training(tiny, whiten=True))
    promote(shop.runs, "shop", made.version)
    again = train_encoder(shop, training("workspace:shop", whiten=True))
    assert layers(again.folder / "model") == layers(made.folder / "model")
    assert again.before == pytest.approx(made.after)
    first, second = (loaded(str(one.folder / "model"))[3].linear.weight for one in (made, again))
    np.testing.assert_array_equal(first.detach().numpy(), second.detach().numpy())


@pytest.mark.parametrize("better", [True, False])
def test_unset_it_is_put_there_where_it_is_better(
    shop: Workspace, tiny: str, monkeypatch: pytest.MonkeyPatch, better: bool
) -> None:
    """By what is held out, before anything is learned; few texts give none."""
    from polyscene.training.judge import Judge

    told = iter([0.5, 0.6 if better else 0.4] + [0.7] * 20)

    def judge(*_: Any) -> dict[str, float]:
        found = next(told)
        return {"shop": found, "mean": found}

    monkeypatch.setattr(Judge, "__call__", judge)
    outcome = train_encoder(shop, training(tiny))
    assert ("Dense" in layers(outcome.folder / "model")) == better
    assert outcome.before["mean"] == (0.6 if better else 0.5)
    metrics = json.loads((outcome.folder / "metrics.json").read_text())
    assert metrics["start"]["encoded"]["mean"] == 0.5


def test_the_head_learns_before_the_layers(shop: Workspace, tiny: str) -> None:
    """With the layers as good as fixed, what is gained is gained by the matrix."""
    config = training(tiny, whiten=True, head_steps=100, learning_rate=1e-9)
    outcome = train_encoder(shop, config)
    metrics = json.loads((outcome.folder / "metrics.json").read_text())
    assert outcome.passed
    assert outcome.after["shop"] > outcome.before["shop"] + 0.03
    assert metrics["head"][0] == {"step": 0, "ndcg": pytest.approx(outcome.before["mean"])}
    assert layers(outcome.folder / "model") == [
        "Transformer", "Pooling", "Normalize", "Dense", "Normalize"
    ]  # fmt: skip
    found = encoder(outcome.folder / "model").encode(WORDS)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_without_it_the_model_ends_as_it_did(shop: Workspace, tiny: str) -> None:
    outcome = train_encoder(shop, training(tiny, whiten=False))
    assert layers(outcome.folder / "model") == ["Transformer", "Pooling"]


def test_the_start_wins_where_nothing_is_better(
    shop: Workspace, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was learned is taken back, and the version is not taken into use."""
    from polyscene.training.judge import Judge

    told = iter([{"shop": 0.5, "mean": 0.5}] + [{"shop": 0.4, "mean": 0.4}] * 20)
    monkeypatch.setattr(Judge, "__call__", lambda *_: next(told))
    options = {"whiten": False, "adapter": "full", "learning_rate": 1e-2}
    outcome = train_encoder(shop, training(tiny, **options))
    assert not outcome.passed
    assert outcome.after == outcome.before
    found = encoder(outcome.folder / "model").encode(WORDS)
    np.testing.assert_array_equal(found, encoder(tiny).encode(WORDS))


def test_a_whitened_model_is_made_fast(shop: Workspace, tiny: str) -> None:
    """Both fast forms take the layer with them."""
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module)
    made = train_encoder(shop, training(tiny, whiten=True))
    promote(shop.runs, "shop", made.version)
    expected = encoder(made.folder / "model").encode(WORDS)
    fast = {"keep": 0.01, "base": "workspace:shop"}
    outcome = train_encoder(
        shop, training(tiny, **fast, name="g", objective="onnx", precision="float32")
    )
    found = OnnxEncoder(OnnxConfig(folder=str(outcome.folder / "model"))).encode(WORDS)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    outcome = train_encoder(shop, training(tiny, **fast, name="d", objective="distil"))
    static = StaticEncoder(StaticConfig(folder=str(outcome.folder / "model")))
    assert static.encode(WORDS).shape[1] <= 16


def test_the_matrix_brings_pairs_together_and_is_the_same_each_time() -> None:
    """Nodes 0 and 2, and 1 and 3, belong together, and their texts are at right angles."""
    pytest.importorskip("torch")
    from polyscene.training.matrix import learn_matrix, told

    texts = [("a",), ("b",), ("c",), ("d", "d too")]
    codes = np.zeros(2, np.int32)
    some = Pairs(np.array([0, 1]), np.array([2, 3]), np.ones(2, np.float32), codes, codes, ("s",))
    said = told(some, texts)
    assert said.texts == ["a", "b", "c", "d", "d too"]
    assert said.members.sum(axis=1).A1.tolist() == [1, 1, 1, 2]
    x = np.eye(5, dtype=np.float32)
    right = np.array([2, 3])

    def score(matrix: Vectors) -> dict[str, float]:
        means = normalise(said.members @ normalise(x @ matrix))
        return {"mean": float((means[[0, 1]] * means[right]).sum(axis=1).mean())}

    config = EncoderTraining(
        name="m", adapter="head", steps=40, evaluate_every=10, batch_size=2, learning_rate=0.02
    )
    nothing = np.zeros((2, 0), np.int64)
    made = [learn_matrix(some, said, x, score, config, nothing, NO_PROGRESS) for _ in range(2)]
    assert made[0].gained
    assert score(made[0].matrix)["mean"] > 0.4
    np.testing.assert_array_equal(made[0].matrix, made[1].matrix)
    worse = learn_matrix(
        some, said, x, lambda matrix: {"mean": -score(matrix)["mean"]}, config, nothing, NO_PROGRESS
    )
    assert not worse.gained
    np.testing.assert_array_equal(worse.matrix, np.eye(5))


def test_the_matrix_is_learned_where_people_are() -> None:
    """Unless it is said how long; among items it learns by heart."""
    pytest.importorskip("torch")
    from polyscene.training.pairs import KINDS
    from polyscene.training.whitened import head_steps

    row, ones = np.zeros(2, np.int64), np.ones(2, np.float32)
    people, together = (np.full(2, KINDS.index(kind), np.int32) for kind in ("people", "together"))
    config = EncoderTraining(name="m")
    codes = np.zeros(2, np.int32)
    assert head_steps(Pairs(row, row, ones, codes, people, ("s",)), config) == 300
    assert head_steps(Pairs(row, row, ones, codes, together, ("s",)), config) == 0
    set_to = EncoderTraining(name="m", head_steps=7)
    assert head_steps(Pairs(row, row, ones, codes, together, ("s",)), set_to) == 7


def test_a_matrix_serves_at_shorter_lengths_too() -> None:
    """With `dims` the first two components alone have to bring the pairs together as well."""
    pytest.importorskip("torch")
    from polyscene.training.matrix import learn_matrix, told

    texts, half, codes = [(f"t{n}",) for n in range(12)], np.arange(6), np.zeros(6, np.int32)
    some = Pairs(half, half + 6, np.ones(6, np.float32), codes, codes, ("s",))
    x = np.random.default_rng(0).normal(size=(12, 12)).astype(np.float32)
    made = []
    for dims in ([], [2]):
        config = EncoderTraining(
            name="m", adapter="head", steps=60, evaluate_every=60, batch_size=6,
            learning_rate=0.02, dims=dims,
        )  # fmt: skip
        ticks = iter(range(9))
        learned = learn_matrix(
            some, told(some, texts), x, lambda _, at=ticks: {"mean": float(next(at))}, config,
            np.zeros((6, 0), np.int64), NO_PROGRESS,
        )  # fmt: skip
        short = normalise(x @ learned.matrix[:, :2])
        made.append(float((short[:6] * short[6:]).sum(axis=1).mean()))
    assert made[1] > made[0] + 0.2
