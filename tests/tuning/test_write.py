from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from polyscene.errors import SettingsError
from polyscene.settings import parse_settings
from polyscene.tuning.write import with_values, write_values

TEXT = """\
# our shop
version = 1

[whitening]
dims = 128   # enough

[scenarios.shop]
preset = "shop"   # and its rules

[scenarios."front page"]
sources = { kernel = "auto", trending = 0.1 }  # both
"""


def changed(values: dict[str, bool | int | float | str]) -> str:
    return with_values(TEXT, values, parse_settings(tomllib.loads(TEXT)))


def test_comments_and_order_stay() -> None:
    """Only the lines of the values differ, and what is there is not moved."""
    text = changed(
        {"whitening.dims": 64, "sources.kernel.reg": 12.345678, "sources.kernel.decay": False}
    )
    assert text.startswith(TEXT.replace("dims = 128", "dims = 64"))
    assert tomllib.loads(text)["sources"] == {"kernel": {"reg": 12.35, "decay": False}}


def test_a_weight_in_a_declared_table() -> None:
    text = changed({'scenarios."front page".sources.kernel': 0.75})
    assert text == TEXT.replace('kernel = "auto"', "kernel = 0.75")


def test_a_weight_of_a_preset_keeps_the_other_sources() -> None:
    """A declared table of sources takes the place of the preset's, so it must be whole."""
    before = parse_settings(tomllib.loads(TEXT)).scenario("shop").sources
    name = next(iter(before))
    text = changed({f"scenarios.shop.sources.{name}": 0.5})
    assert parse_settings(tomllib.loads(text)).scenario("shop").sources == before | {name: 0.5}
    assert "# our shop\n" in text
    assert 'preset = "shop"   # and its rules\n' in text


def test_the_file_changes_as_a_whole_and_what_it_was_is_kept(tmp_path: Path) -> None:
    path, keep = tmp_path / "polyscene.toml", tmp_path / "before.toml"
    path.write_text(TEXT, "utf-8")
    lines = write_values(tmp_path, {"whitening.dims": 64}, keep)
    assert lines == ["-5: dims = 128   # enough", "+5: dims = 64   # enough"]
    assert keep.read_text("utf-8") == TEXT
    with pytest.raises(SettingsError, match=r"whitening\.dims"):
        write_values(tmp_path, {"whitening.dims": 1}, keep)
    assert path.read_text("utf-8") == TEXT.replace("128", "64")
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["before.toml", "polyscene.toml"]
