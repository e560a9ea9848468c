"""A transformer exported to ONNX."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from polyscene.encoders import Encoder, OnnxEncoder, TransformerEncoder, open_encoder
from polyscene.encoders.onnx import OnnxConfig
from polyscene.encoders.transformer import TransformerConfig
from polyscene.errors import EncoderError, MissingExtraError
from polyscene.settings import parse_settings
from polyscene.testing.encoder_contract import TEXTS, EncoderContract
from polyscene.training import EncoderTraining, train_encoder
from polyscene.training.runs import promote
from polyscene.workspace import Workspace
from training.conftest import fill_shop, shop_settings

for module in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(module)

WORDS = ["w0 w2", "w1 w3 w5 w7 w9", "w4"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Path:
    """The run that exported the tiny transformer, in a workspace where it is the current one."""
    with Workspace(tmp_path_factory.mktemp("onnx"), shop_settings()) as shop:
        fill_shop(shop)
        config = EncoderTraining(
            name="fast", objective="onnx", base=tiny, max_tokens=12, keep=0.01, device="cpu"
        )
        outcome = train_encoder(shop, config)
        assert outcome.passed
        promote(shop.runs, "fast", outcome.version)
        return outcome.folder


class TestOnnx(EncoderContract):
    """Int8 too gives a text the same vector alone and among others."""

    tolerance = 0.0

    @pytest.fixture(autouse=True)
    def _folder(self, exported: Path) -> None:
        self.folder = exported / "model"

    def make(self) -> Encoder:
        return OnnxEncoder(OnnxConfig(folder=str(self.folder)))

    def test_different_texts_differ(self) -> None:
        """Of the words that the tiny model knows."""
        first, second = self.make().encode(WORDS[:2])
        assert first @ second < 0.99


def test_it_is_small_judged_and_used(exported: Path, tiny: str) -> None:
    metrics = json.loads((exported / "metrics.json").read_text())
    assert metrics["precision"] == "int8"
    assert metrics["bytes"]["onnx"] < metrics["bytes"]["base"]
    assert min(metrics["texts_per_second"].values()) > 0
    assert "`onnx`" in (exported / "README.md").read_text()
    table = parse_settings({"encoders": ["workspace:fast"]}).encoders
    encoder = open_encoder(table, None, exported.parent.parent)
    assert encoder.id.startswith("onnx sha256:")
    base = TransformerEncoder(TransformerConfig(model=tiny, device="cpu", max_tokens=12))
    texts = [*WORDS, "w1 " * 30]
    cosines = (encoder.encode(texts) * base.encode(texts)).sum(axis=1)
    assert encoder.dim == 16
    assert cosines.min() > 0.98
    assert not np.array_equal(encoder.encode(texts), base.encode(texts))


def test_damaged_files_are_said(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def use(folder: Path) -> None:
        OnnxEncoder(OnnxConfig(folder=str(folder))).encode(TEXTS[:2])

    with pytest.raises(EncoderError, match="no folder"):
        _ = OnnxEncoder(OnnxConfig(folder=str(tmp_path / "none"))).id
    folder = tmp_path / "model"
    shutil.copytree(exported / "model", folder)
    (folder / "model.onnx").write_bytes(b"no")
    with pytest.raises(EncoderError, match=r"cannot read .*model\.onnx"):
        use(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(EncoderError, match=r"cannot read .*model\.onnx"):
        use(folder)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"polyscene\[onnx\]"):
        use(folder)
