"""Encoders from settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polyscene.component import component_names
from polyscene.encoders import (
    BundledEncoder,
    CachedEncoder,
    Encoder,
    EncoderConfig,
    JointEncoder,
    RemoteEncoder,
    open_encoder,
)
from polyscene.errors import SettingsError


def test_the_known_encoders() -> None:
    assert set(component_names("encoder")) >= {"bundled", "remote", "transformer"}


def test_one_table_without_a_cache() -> None:
    assert isinstance(open_encoder([{"type": "bundled"}], None), BundledEncoder)


def test_options_reach_the_encoder(tmp_path: Path) -> None:
    encoder = open_encoder([{"type": "remote", "model": "m", "weight": 2.5}], tmp_path)
    assert isinstance(encoder, CachedEncoder)
    assert isinstance(encoder.encoder, RemoteEncoder)
    assert encoder.encoder.config.model == "m"
    assert encoder.weight == 2.5


def test_several_are_joined_each_with_its_cache(tmp_path: Path) -> None:
    encoder = open_encoder([{"type": "bundled", "weight": 3}, {"type": "remote"}], tmp_path)
    assert isinstance(encoder, JointEncoder)
    assert all(isinstance(part, CachedEncoder) for part in encoder.parts)
    assert [part.weight for part in encoder.parts] == [3, 1]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([], "encoders: empty"),
        ([{}], r"encoders\.0\.type: got None; allowed: bundled, "),
        ([{"type": 3}], r"encoders\.0\.type: got 3"),
        ([{"type": "bundle"}], "unknown encoder 'bundle'; did you mean 'bundled'"),
        (
            [{"type": "bundled"}, {"type": "remote", "modle": "m"}],
            r"encoders\.1\.modle: unknown key; did you mean 'model'",
        ),
        ([{"type": "bundled", "weight": 0}], r"encoders\.0\.weight: got 0"),
    ],
)
def test_wrong_tables_say_what_is_wrong(tables: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        open_encoder(tables, None)


def test_every_encoder_has_the_common_options() -> None:
    for cls in Encoder.__subclasses__():
        assert issubclass(cls.config_type, EncoderConfig)
        if cls.name and cls.__module__.startswith("polyscene.encoders"):
            cls()  # its options all have defaults
