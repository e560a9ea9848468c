"""Wishes for a list as a whole: variety, the user's own mix, a share for every provider."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from polyscene.settings.validate import Config
from polyscene.settings.vocabulary import grouping

__all__ = ["TEXT", "Diversity", "Exposure"]

TEXT = "text"
"""By the vectors of the targets' texts, not by a field."""


class Diversity(Config):
    """How varied a list is, against how well each target fits."""

    method: Literal["mmr", "dpp", "calibrated"] = "mmr"
    """mmr: unlike the nearest one before it; dpp: unlike all before it together; calibrated: in the
    proportions of what the user liked before."""
    by: str = TEXT
    """What makes targets alike: "text", their vectors; or a field or attribute, of whose values
    they share some."""
    strength: float = Field(default=0.0, ge=0, le=1)
    """How much it counts: 0 not at all, 1 alone."""

    @field_validator("by")
    @classmethod
    def _field(cls, name: str) -> str:
        return name if name == TEXT else grouping(name)

    @model_validator(mode="after")
    def _mixed(self) -> Self:
        if self.method == "calibrated" and self.by == TEXT:
            raise ValueError("calibrated needs by, the field whose mix is kept, such as tags")
        return self


class Exposure(Config):
    """What share of the places every provider gets, at least."""

    by: str = "provider"
    """The field or attribute whose values are the providers."""
    floor: float = Field(default=0.0, ge=0, le=1)
    """The share of a provider's part that it gets of the first k places, for every k: 0 nothing, 1
    all of it."""
    parts: Literal["candidates", "equal"] = "candidates"
    """What a provider's part is: its part of the candidates, or the same for every provider that
    has any."""

    @field_validator("by")
    @classmethod
    def _field(cls, name: str) -> str:
        return grouping(name)
