"""The reward f(u,i): what one recommendation is worth beyond how well it fits.

The satisfaction of a user u with a list I is the sum over its targets

    S(u, I) = Σ_{i in I}  sim(u, i) · f(u, i)

and the best list I* of length n takes the n targets with the highest sim·f, since the sum has no
terms that join targets. sim is the fused score of the sources, not below 0.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from polyscene.component import Component, Config
from polyscene.data.dataset import IntArray
from polyscene.represent.strength import SECONDS_A_DAY
from polyscene.represent.targets import Targets

__all__ = [
    "ConstantReward",
    "ConstantRewardConfig",
    "FieldReward",
    "FieldRewardConfig",
    "RecencyReward",
    "RecencyRewardConfig",
    "Reward",
]


class Reward(Component):
    """Gives f(u,i) for candidates."""

    family: ClassVar[str] = "reward"

    @abstractmethod
    def __call__(self, targets: Targets, rows: IntArray, now: float) -> npt.NDArray[np.float64]:
        """Rewards of candidates, finite and not negative. Shape (number of rows,).

        Args:
            targets: The targets of the space.
            rows: Rows of the candidates.
            now: Time of the question, seconds since 1970-01-01 UTC.
        """


class ConstantRewardConfig(Config):
    """Options of `constant`."""

    value: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """The reward of every target."""


class ConstantReward(Reward):
    """f = c: targets are ordered by fit alone."""

    name: ClassVar[str] = "constant"
    config_type = ConstantRewardConfig
    config: ConstantRewardConfig

    def __call__(self, targets: Targets, rows: IntArray, now: float) -> npt.NDArray[np.float64]:
        """See `Reward`."""
        return np.full(len(rows), self.config.value)


class FieldRewardConfig(Config):
    """Options of `field`."""

    field: str
    """A numeric attribute of the targets, such as price."""
    transform: Literal["linear", "log"] = "linear"
    """linear: the value itself; log: log(1 + value)."""
    default: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """The value of targets without that field, or with a negative one."""


class FieldReward(Reward):
    """f = x or log(1 + x), x a numeric field of the target such as its price or margin."""

    name: ClassVar[str] = "field"
    config_type = FieldRewardConfig
    config: FieldRewardConfig

    def __call__(self, targets: Targets, rows: IntArray, now: float) -> npt.NDArray[np.float64]:
        """See `Reward`."""
        values = targets.field(self.config.field, rows)
        values = np.where(np.isnan(values) | (values < 0), self.config.default, values)
        return np.log1p(values) if self.config.transform == "log" else values


class RecencyRewardConfig(Config):
    """Options of `recency`."""

    half_life_days: float = Field(default=7.0, gt=0)
    """The age since `published_at` at which the part above the floor has halved."""
    floor: float = Field(default=0.1, ge=0, le=1)
    """The reward of what is very old, or has no date; new targets have 1."""


class RecencyReward(Reward):
    """f = floor + (1 - floor) · 0.5^(age / half-life)."""

    name: ClassVar[str] = "recency"
    config_type = RecencyRewardConfig
    config: RecencyRewardConfig

    def __call__(self, targets: Targets, rows: IntArray, now: float) -> npt.NDArray[np.float64]:
        """See `Reward`."""
        ages = np.maximum(now - targets.published_at[rows], 0.0) / SECONDS_A_DAY
        fresh = np.nan_to_num(np.exp2(-ages / self.config.half_life_days), nan=0.0)
        return self.config.floor + (1.0 - self.config.floor) * fresh
