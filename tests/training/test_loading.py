"""Models that cannot be had."""

from __future__ import annotations

from typing import Any

import pytest

from polyscene.encoders import open_encoder
from polyscene.errors import EncoderError
from polyscene.training import train_encoder
from polyscene.workspace import Workspace
from training.test_train import contrastive


def test_a_public_name_without_network_is_one_error(
    shop: Workspace, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for once, not by the library, which asks again and again."""
    import huggingface_hub

    asked: list[str] = []

    def unreachable(_: Any, name: str, **__: Any) -> Any:
        asked.append(name)
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    with pytest.raises(EncoderError, match=r"cannot load the model 'nobody/none': Name or service"):
        train_encoder(shop, contrastive("nobody/none"))
    table = {"type": "transformer", "model": "nobody/none"}
    with pytest.raises(EncoderError, match="cannot load the model 'nobody/none'"):
        open_encoder([table], None).encode(["w1"])
    assert asked == ["nobody/none"] * 2
    assert not (shop.runs / "shop").exists()
