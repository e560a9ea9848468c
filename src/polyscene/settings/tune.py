"""Which settings `polyscene tune` tries, and how."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from polyscene.settings.validate import Config

__all__ = ["Range", "TuneSettings"]


class Range(Config):
    """The values of one setting that are tried: `low` to `high`, or `choices`."""

    low: float | None = None
    """The smallest number."""
    high: float | None = None
    """The largest number."""
    log: bool = False
    """Whether factors rather than differences are alike: 1 to 10 as much as 10 to 100."""
    whole: bool = False
    """Whether only whole numbers are tried."""
    choices: list[bool | int | float | str] = []
    """In place of numbers between two ends, these values."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.choices:
            if self.low is not None or self.high is not None:
                raise ValueError("a range has choices, or low and high")
            return self
        if self.low is None or self.high is None:
            raise ValueError("a range has low and high, or choices")
        if self.low >= self.high:
            raise ValueError("low is not below high")
        if self.log and self.low <= 0:
            raise ValueError("with log, low is above 0")
        if self.whole and (self.low % 1 or self.high % 1):
            raise ValueError("with whole, low and high are whole numbers")
        return self


class TuneSettings(Config):
    """What `polyscene tune` tries."""

    trials: int = Field(default=40, ge=1)
    """How many settings are tried, those as they are included."""
    ranges: dict[str, Range] = {}
    """What is tried, by the path of a setting: sources.NAME.OPTION, scenarios.NAME.sources.SOURCE
    or whitening.KEY; for the training of an encoder, training.OPTION. Without any, the kernel's
    options."""
