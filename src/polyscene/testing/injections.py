"""Texts that try to steer a language model, for the tests of whatever sends texts to one."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["Injection", "injections"]


@dataclass(frozen=True, slots=True)
class Injection:
    """One such text."""

    language: str
    """en or zh."""
    place: str
    """Where it stands: title, description, tags or name."""
    text: str


@cache
def injections() -> tuple[Injection, ...]:
    """All of `injections.toml`."""
    text = (files("polyscene.testing") / "injections.toml").read_text("utf-8")
    return tuple(Injection(**table) for table in tomllib.loads(text)["injection"])
