"""The languages of the pages: English in the templates, others in a table beside them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

__all__ = ["LANGUAGES", "preferred", "table", "translated"]

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}
"""The languages, each by its own name."""


@cache
def table() -> Mapping[str, str]:
    """English to Chinese."""
    text = files("polyscene.server.dashboard").joinpath("words.toml").read_text("utf-8")
    found: Mapping[str, str] = tomllib.loads(text)["zh"]
    return found


def translated(english: str, language: str) -> str:
    """A text in a language; in English where there is no translation."""
    return table().get(english, english) if language == "zh" else english


def preferred(chosen: str, accepted: str) -> str:
    """The language to show.

    Args:
        chosen: What was chosen before, if anything.
        accepted: The header Accept-Language, such as "zh-CN,zh;q=0.9,en;q=0.8".
    """
    if chosen in LANGUAGES:
        return chosen
    ranked = []
    for place, part in enumerate(accepted.split(",")):
        name, _, weight = part.strip().partition(";q=")
        try:
            ranked.append((-float(weight or 1), place, name.split("-")[0].lower()))
        except ValueError:
            continue
    return next((name for _, _, name in sorted(ranked) if name in LANGUAGES), "en")
