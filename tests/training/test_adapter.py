"""Which weights are trained, and what is kept of the layers below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyscene.training import EncoderTraining

from .conftest import WORDS

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # peft, of transformers

TEXTS = ["w0 w2 w4", "w1 w3", "w5"]


@pytest.fixture
def deep(tiny: str) -> Any:
    """The tiny model with three layers."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel

    model = SentenceTransformer(tiny, device="cpu")
    config = BertConfig.from_pretrained(tiny)
    config.num_hidden_layers = 3
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model[0].model = BertModel(config).eval()
    return model


@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_the_layers_below_are_asked_once(deep: Any, adapter: str) -> None:
    """The vectors are the same but for half precision, and what is said below is kept."""
    from polyscene.training.adapter import Adapted

    plain = deep.encode(TEXTS)
    config = EncoderTraining.model_validate(
        {"name": "x", "adapter": adapter, "layers": 1, "rank": 2}
    )
    adapted = Adapted(deep, config)
    core = deep[0].auto_model
    asked: list[int] = []
    core.embeddings.part.register_forward_hook(lambda *_: asked.append(1))
    np.testing.assert_allclose(deep.encode(TEXTS), plain, atol=2e-3)
    np.testing.assert_allclose(deep.train().encode(TEXTS[::-1])[::-1], plain, atol=2e-3)
    assert len(asked) == 1
    trained = {name for name, weight in deep.named_parameters() if weight.requires_grad}
    assert trained
    assert all(name.startswith("0.model.encoder.layer.0.") for name in trained), trained
    adapted.finish()
    assert len(core.encoder.layer) == 3
    np.testing.assert_allclose(deep.eval().encode(TEXTS), plain, atol=1e-6)


def test_what_is_learned_above_stays_in_the_model(deep: Any, tmp_path: Path) -> None:
    """It is saved as the model that it was, with other weights in its last layer."""
    import torch
    from sentence_transformers import SentenceTransformer

    from polyscene.training.adapter import Adapted

    before = {name: weight.clone() for name, weight in deep.state_dict().items()}
    adapted = Adapted(deep, EncoderTraining(name="x", layers=1, rank=2))
    weights = [weight for weight in deep.parameters() if weight.requires_grad]
    with torch.no_grad():
        for weight in weights:
            weight += 0.1
    learned = deep.encode(TEXTS)
    adapted.finish()
    after = deep.state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("0.model.encoder.layer.2.") for name in changed)
    deep.save_pretrained(str(tmp_path), create_model_card=False)
    again = SentenceTransformer(str(tmp_path), device="cpu")
    np.testing.assert_allclose(again.encode(TEXTS), learned, atol=2e-3)


def test_the_rate_follows_what_is_trained() -> None:
    """All weights need about a tenth of what LoRA needs; a rate that is set stays."""
    rates = [
        EncoderTraining.model_validate({"name": "x", "adapter": name}).rate
        for name in ("lora", "full", "head")
    ]
    assert rates == [5e-4, 5e-5, 1e-3]
    assert EncoderTraining(name="x", learning_rate=0.1).rate == 0.1


def test_a_batch_holds_each_text_once(tiny: str) -> None:
    """Groups of like length, and the mean of its texts for each node."""
    import torch
    from sentence_transformers import SentenceTransformer

    from polyscene.training.pairs import Pairs
    from polyscene.training.texts import Collator, PairBatches

    texts = [("w0 w1 w2", "w3"), ("w3",), tuple(WORDS[10:19])]
    codes = np.zeros(2, np.int32)
    some = Pairs(
        np.array([0, 1]), np.array([1, 2]), np.ones(2, np.float32), codes, codes, ("shop",)
    )
    data = PairBatches(some, texts, [np.array([0, 1])], np.zeros((2, 0), np.int64), 0)
    batch = Collator(SentenceTransformer(tiny, device="cpu"), size=4)([data[0]])
    shapes = [tuple(group["input_ids"].shape) for group in batch["features"]]
    assert shapes == [(4, 3), (2, 5)]  # with the marks at both ends
    slots = batch["slots"]
    assert torch.equal(slots["nodes"], torch.tensor([[0, 1], [1, 2]]))
    assert slots["owner"].tolist() == [0, 0, 1, 2, 3, 3, 3, 3]
    assert slots["text"].tolist()[2] == slots["text"].tolist()[3] == slots["text"].tolist()[1]
