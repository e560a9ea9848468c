"""A transformer distilled into vectors of tokens."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyscene.encoders import Encoder, StaticEncoder, open_encoder
from polyscene.encoders.static import StaticConfig
from polyscene.errors import EncoderError, MissingExtraError, SettingsError
from polyscene.settings import parse_settings
from polyscene.testing.encoder_contract import EncoderContract
from polyscene.training import EncoderTraining, train_encoder
from polyscene.workspace import Workspace


def distilling(base: str | None, **options: Any) -> EncoderTraining:
    given = {"name": "fast", "objective": "distil", "base": base, "keep": 0.01, "device": "cpu"}
    return EncoderTraining.model_validate({**given, **options})


def opened(workspace: Workspace, name: str = "fast") -> Encoder:
    settings = parse_settings({"encoders": [f"workspace:{name}"]})
    return open_encoder(settings.encoders, None, workspace.runs)


@pytest.fixture(scope="session")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of static vectors of a handful of words."""
    tokenizers = pytest.importorskip("tokenizers")
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    folder = tmp_path_factory.mktemp("static")
    words = ["[UNK]", "red", "blue", "shoe", "hat", "stock"]
    model = WordLevel({word: row for row, word in enumerate(words)}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    np.save(folder / "vectors.npy", np.eye(6, dtype=np.float32) * [1, 1, 1, 2, 3, 9])
    return folder


class TestStatic(EncoderContract):
    @pytest.fixture(autouse=True)
    def _folder(self, static: Path) -> None:
        self.folder = static

    def make(self) -> Encoder:
        return StaticEncoder(StaticConfig(folder=str(self.folder)))


def test_a_text_is_the_sum_of_its_tokens(static: Path) -> None:
    encoder = StaticEncoder(StaticConfig(folder=str(static)))
    found = encoder.encode(["red shoe", "shoe red", "hat hat blue", "strange words"])
    np.testing.assert_allclose(found[0], np.array([0, 1, 0, 2, 0, 0]) / 5**0.5, rtol=1e-6)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[2], np.array([0, 0, 1, 0, 6, 0]) / 37**0.5, rtol=1e-6)
    np.testing.assert_array_equal(found[3], [1, 0, 0, 0, 0, 0])


def test_damaged_files_are_said(
    static: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def use(folder: Path) -> None:
        StaticEncoder(StaticConfig(folder=str(folder))).encode(["a red hat"])

    with pytest.raises(EncoderError, match="no folder"):
        _ = StaticEncoder(StaticConfig(folder=str(tmp_path / "none"))).id
    folder = tmp_path / "model"
    shutil.copytree(static, folder)
    np.save(folder / "vectors.npy", np.ones((3, 4), np.float32))
    with pytest.raises(EncoderError, match="tokens without a row"):
        use(folder)
    np.save(folder / "vectors.npy", np.ones(3, np.float32))
    with pytest.raises(EncoderError, match="two axes"):
        use(folder)
    (folder / "vectors.npy").write_bytes(b"no")
    with pytest.raises(EncoderError, match=r"cannot read .*vectors\.npy"):
        use(folder)
    shutil.copy(static / "vectors.npy", folder / "vectors.npy")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(EncoderError, match=r"cannot read .*tokenizer\.json"):
        use(folder)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"polyscene\[train\]"):
        use(folder)


def test_it_is_distilled_judged_and_used(shop: Workspace, tiny: str) -> None:
    """What was made is an encoder of the workspace, and the same again when made again."""
    outcome = train_encoder(shop, distilling(tiny, components=8))
    assert outcome.passed
    metrics = json.loads((outcome.folder / "metrics.json").read_text())
    assert metrics["tokens"] == 30
    assert metrics["parameters"] == 30 * 8
    assert min(metrics["texts_per_second"].values()) > 0
    assert min(metrics["bytes"].values()) >= 30 * 8 * 4
    assert outcome.more["bytes"] == metrics["bytes"]
    assert "`distil`" in (outcome.folder / "README.md").read_text()
    encoder = opened(shop)
    found = encoder.encode(["w0 w2", "w2 w0"])
    assert found.shape == (2, 8)
    assert encoder.id.startswith("static sha256:")
    np.testing.assert_array_equal(found[0], found[1])
    train_encoder(shop, distilling(tiny, components=8, name="again"))
    np.testing.assert_array_equal(opened(shop, "again").encode(["w0 w2"])[0], found[0])


def test_frequent_tokens_say_little(shop: Workspace, tiny: str) -> None:
    outcome = train_encoder(shop, distilling(tiny))
    lengths = np.linalg.norm(np.load(outcome.folder / "model" / "vectors.npy"), axis=1)
    marks, dot, words = lengths[[0, 2, 3, 4]], lengths[5], lengths[6:]
    assert not marks.any()  # they stand for no word
    assert words.max() < 0.2 * dot  # which no title has


def test_what_keeps_too_little_is_not_used(shop: Workspace, tiny: str) -> None:
    outcome = train_encoder(shop, distilling(tiny, keep=1.0))
    assert outcome.passed == (outcome.after["mean"] >= outcome.before["mean"])
    assert (shop.runs / "fast" / "current").exists() == outcome.passed


def test_only_transformers_are_distilled(shop: Workspace, tiny: str, tmp_path: Path) -> None:
    """Also one that was trained here, but not what was distilled already."""
    trained = EncoderTraining(
        name="slow", base=tiny, steps=2, evaluate_every=2, max_tokens=16, batch_size=16,
        learning_rate=5e-3, adapter="full", device="cpu",
    )  # fmt: skip
    slow = train_encoder(shop, trained)
    (shop.runs / "slow" / "current").write_text(slow.version)
    assert train_encoder(shop, distilling("workspace:slow")).passed
    with pytest.raises(SettingsError, match="expected a transformer"):
        train_encoder(shop, distilling("workspace:fast"))
    with pytest.raises(EncoderError, match="cannot load the model"):
        train_encoder(shop, distilling(str(tmp_path)))
