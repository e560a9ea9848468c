"""Domain presets: what a scenario of a known domain starts from. One TOML file each."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from polyscene.errors import SettingsError, did_you_mean

__all__ = ["preset_names", "preset_table", "preset_verbs"]


@cache
def preset_names() -> tuple[str, ...]:
    """The names of the presets, sorted."""
    folder = files("polyscene") / "presets"
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def preset_table(name: str, where: str = "preset") -> dict[str, Any]:
    """A fresh copy of a preset's scenario table.

    Args:
        name: One of `preset_names()`.
        where: The setting that names it, for the message.

    Raises:
        SettingsError: When there is no preset of that name.
    """
    if name not in preset_names():
        hint = did_you_mean(name, preset_names())
        raise SettingsError(f"{where}: unknown preset {name!r}; {hint}")
    table = tomllib.loads((files("polyscene") / "presets" / f"{name}.toml").read_text("utf-8"))
    return {"preset": name, **table}


@cache
def preset_verbs() -> dict[str, dict[str, str]]:
    """The verbs of all presets by action; where presets differ, of the first by name."""
    verbs: dict[str, dict[str, str]] = {}
    for name in preset_names():
        verbs = preset_table(name).get("verbs", {}) | verbs
    return verbs
