"""Adapting by texts that are to be written again: TSDAE and masked-language modelling."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from polyscene.errors import SettingsError
from polyscene.training import EncoderTraining, train_encoder
from polyscene.training.runs import promote
from polyscene.workspace import Workspace
from training.test_train import contrastive, vectors


@pytest.mark.parametrize("adapter", ["full", "lora"])
@pytest.mark.parametrize("method", ["denoise", "mask"])
def test_texts_are_written_again(shop: Workspace, tiny: str, method: str, adapter: str) -> None:
    """The loss falls, what wrote is thrown away, and the version is an encoder like any other."""
    options = {
        "objective": "adapt", "method": method, "adapter": adapter, "rank": 4, "steps": 60,
        "evaluate_every": 30, "learning_rate": 2e-2, "mini_batch": 8,
    }  # fmt: skip
    outcome = train_encoder(shop, contrastive(tiny, **options))
    metrics = json.loads((outcome.folder / "metrics.json").read_text())
    losses = [one["loss"] for one in metrics["history"] if "loss" in one]
    assert np.mean(losses[-2:]) < np.mean(losses[:2]) - 0.1
    assert metrics["thrown_away"] > 0
    assert (metrics["trained_parameters"] == metrics["parameters"]) == (adapter == "full")
    promote(shop.runs, "shop", outcome.version)
    assert vectors(shop)[1].shape == (2, 16)
    from safetensors import safe_open

    with safe_open(outcome.folder / "model" / "model.safetensors", "pt") as file:
        names = list(file.keys())
    assert not [name for name in names if "cross" in name or "cls" in name or "lora" in name]


@pytest.mark.parametrize("method", ["denoise", "mask"])
def test_writing_again_is_taken_up_and_ends_the_same(
    shop: Workspace, tiny: str, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Decoder and head are in the checkpoints; the same seed gives the same weights."""
    from polyscene.training import trainer as module

    options = {"objective": "adapt", "method": method, "steps": 4, "evaluate_every": 2}
    told: list[Any] = []

    def weights(config: EncoderTraining, **more: Any) -> Any:
        outcome = train_encoder(shop, config, **more)
        metrics = json.loads((outcome.folder / "metrics.json").read_text())
        told.append([one["loss"] for one in metrics["history"] if "loss" in one])
        return outcome

    config = contrastive(tiny, **options)
    weights(config, resume=False)
    weights(config, resume=False)
    weights(contrastive(tiny, **options, seed=1))
    assert told[0] == told[1]
    assert told[0] != told[2]

    class Killed(BaseException):
        pass

    evaluate = module.Trainer.evaluate

    def dies(self: Any, *args: Any, **options: Any) -> Any:
        if self.state.global_step == 4:
            raise Killed
        return evaluate(self, *args, **options)

    monkeypatch.setattr(module.Trainer, "evaluate", dies)
    with pytest.raises(Killed):
        train_encoder(shop, config)
    monkeypatch.undo()
    assert weights(config).resumed
    np.testing.assert_allclose(told[0], told[3], rtol=1e-5)


def test_few_layers_write_again_too(shop: Workspace, tiny: str) -> None:
    for method in ("denoise", "mask"):
        options = {"objective": "adapt", "method": method, "layers": 1, "adapter": "lora"}
        outcome = train_encoder(shop, contrastive(tiny, **options, steps=2, evaluate_every=2))
        assert outcome.after.keys() == {"shop", "mean"}


def test_what_does_not_go_with_a_method_is_said(tiny: str) -> None:
    for options, message in (
        ({"objective": "contrastive", "method": "mask"}, "mask goes with the objective adapt"),
        ({"method": "denoise", "dims": [8]}, "dims do not go with the method denoise"),
        ({"method": "mask", "adapter": "head"}, "adapter lora or full"),
    ):
        with pytest.raises(ValueError, match=message):
            contrastive(tiny, **{"objective": "adapt", **options})


def test_a_model_that_cannot_write_is_said(
    shop: Workspace, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    def none(*_: Any, **__: Any) -> Any:
        raise ValueError("Unrecognized configuration class.\nMore")

    monkeypatch.setattr(transformers.AutoModelForMaskedLM, "from_pretrained", none)
    with pytest.raises(SettingsError, match=r"mask needs a head, .*class; try another"):
        train_encoder(shop, contrastive(tiny, objective="adapt", method="mask"))
    assert not (shop.runs / "shop").exists()
