"""Parts for each scenario on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from polyscene.sources.saved import load_each, mapped, save_each

NAMES = ["shop", "a/b", "../outside", "场景", ""]


@dataclass(frozen=True)
class Part:
    text: str

    def save(self, path: Path) -> None:
        (path / "part.txt").write_text(self.text, "utf-8")

    @classmethod
    def load(cls, path: Path) -> Part:
        return cls((path / "part.txt").read_text("utf-8"))


def test_any_name_of_a_scenario_comes_back_and_stays_inside(tmp_path: Path) -> None:
    """Names that would leave the directory, or nest in it, are no names of folders."""
    parts = {name: Part(name.upper()) for name in NAMES}
    inside = tmp_path / "inside"
    inside.mkdir()
    save_each(inside, parts)
    assert load_each(inside, Part.load) == parts
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert {path.name for path in inside.iterdir()} == {"scenarios.json", *"01234"}


def test_none_is_written_as_none(tmp_path: Path) -> None:
    save_each(tmp_path, {})
    assert load_each(tmp_path, Part.load) == {}
    assert json.loads((tmp_path / "scenarios.json").read_text("utf-8")) == []


def test_a_missing_part_is_an_error(tmp_path: Path) -> None:
    save_each(tmp_path, {"shop": Part("x")})
    (tmp_path / "0" / "part.txt").unlink()
    with pytest.raises(OSError, match=r"part\.txt"):
        load_each(tmp_path, Part.load)


def test_a_mapped_array_is_what_was_written(tmp_path: Path) -> None:
    """Large, and empty, which cannot be mapped; it cannot be written to."""
    for shape in ((300, 4), (0, 4)):
        array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        np.save(tmp_path / "array.npy", array)
        found = mapped(tmp_path / "array.npy")
        np.testing.assert_array_equal(found, array)
        assert not (found.size and found.flags.writeable)


def test_a_damaged_array_is_told_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    np.save(path, np.zeros((300, 4), np.float32))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cut|file|buffer|reshape|array"):
        mapped(path)
    np.save(path, np.zeros((300, 4)))
    with pytest.raises(ValueError, match="float64, not float32"):
        mapped(path)
    path.unlink()
    with pytest.raises(OSError, match=r"array\.npy"):
        mapped(path)
