"""A tiny transformer with random weights, and a workspace with two tastes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from polyscene.data.schema import Event, Item
from polyscene.settings import Settings, parse_settings
from polyscene.workspace import Workspace

WORDS = [f"w{n}" for n in range(24)]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a sentence-transformers model: one layer, 16 components, its own words."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("sentence_transformers")
    pytest.importorskip("peft")
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny") / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join([*marks, ".", *WORDS]))
    torch.set_num_threads(1)  # so small a model is slower on several
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(WORDS) + 6, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=32,
        )  # fmt: skip
        BertModel(config).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {
            "idx": 1,
            "name": "1",
            "path": "1_Pooling",
            "type": "sentence_transformers.models.Pooling",
        },
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 32}))
    return str(folder)


def shop_settings() -> Settings:
    return parse_settings({"scenarios": {"shop": {"preset": "shop"}}})


def fill_shop(workspace: Workspace) -> None:
    """40 items in two halves of words; each of 60 users buys in one half."""
    rng = np.random.default_rng(0)
    halves = [WORDS[0::2], WORDS[1::2]]
    items = [Item(item_id=f"i{n}", title=" ".join(rng.choice(halves[n % 2], 3))) for n in range(40)]
    events = [
        Event(user_id=f"u{user}", item_id=f"i{2 * item + user % 2}", action="purchase",
              scenario="shop")
        for user in range(60)
        for item in rng.choice(20, 8, replace=False)
    ]  # fmt: skip
    with workspace.store.write() as writer:
        writer.put_items(items)
        writer.add_events(events)


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    """See `fill_shop`."""
    workspace = Workspace(tmp_path, shop_settings())
    fill_shop(workspace)
    return workspace
