"""What runs tell TensorBoard that have no trainer of transformers."""

from __future__ import annotations

import sys

import pytest

from polyscene.training import train_encoder
from polyscene.workspace import Workspace
from training.test_train import contrastive, mapping


def test_runs_without_a_trainer_are_told_to_tensorboard_too(shop: Workspace, tiny: str) -> None:
    """What was measured before and after, under the names that transformers' runs have."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for options in (
        {"objective": "map", "components": 8, "adapter": "lora"},
        {"adapter": "head", "steps": 4, "evaluate_every": 2},
        {"objective": "distil", "components": 8},
    ):
        outcome = train_encoder(shop, contrastive(tiny, **options))
        logs = events.EventAccumulator(str(outcome.folder / "logs"))
        logs.Reload()
        last = 4 if options.get("adapter") == "head" else 1
        found = [(one.step, one.value) for one in logs.Scalars("eval/ndcg")]
        expected = [(0, outcome.before["mean"]), (last, outcome.after["mean"])]
        assert found == [(step, pytest.approx(value)) for step, value in expected]
        assert {"eval/ndcg", "eval/ndcg_shop"} <= set(logs.Tags()["scalars"])
        assert ("train/loss" in logs.Tags()["scalars"]) == ("adapter" in options and last == 4)
        assert ("eval/texts_per_second" in logs.Tags()["scalars"]) == (
            options.get("objective") == "distil"
        )


def test_a_graph_tells_its_size_and_rate(shop: Workspace, tiny: str) -> None:
    """Of the base at step 0, and of the graph at step 1."""
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module)
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    outcome = train_encoder(shop, contrastive(tiny, objective="onnx"))
    logs = events.EventAccumulator(str(outcome.folder / "logs"))
    logs.Reload()
    names = {"eval/ndcg", "eval/ndcg_shop", "eval/bytes", "eval/texts_per_second"}
    assert names == set(logs.Tags()["scalars"])
    assert [one.step for one in logs.Scalars("eval/bytes")] == [0, 1]


def test_without_tensorboard_a_run_ends_all_the_same(
    shop: Workspace, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert not (train_encoder(shop, mapping(tiny)).folder / "logs").exists()
