"""Places of a list that are drawn, so that what follows can be learned from."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from polyscene.settings.validate import Config

__all__ = ["Explore"]


class Explore(Config):
    """Which places of a list are drawn, among how many, and how. Without places, none is."""

    slots: list[Annotated[int, Field(ge=1, le=1000)]] = []
    """The places that are drawn, from 1; those past the end of a list say nothing."""
    share: float = Field(default=0.0, ge=0, le=0.5)
    """In place of `slots` the share of the places, evenly spread: 0.1 is every tenth."""
    among: int = Field(default=10, ge=2, le=100)
    """How many targets each of these places is drawn among: the one that would stand there, and
    others that would follow the list."""
    draw: Literal["softmax", "uniform"] = "softmax"
    """softmax: the higher a target's score, the likelier; uniform: each alike."""
    temperature: float = Field(default=0.5, ge=0.05, le=100)
    """How much `softmax` levels: with t, the best of them is e^(1/t) times as likely as the last,
    7.4 times with 0.5."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.slots and self.share:
            raise ValueError("slots and share both say which places are drawn; declare one")
        return self
