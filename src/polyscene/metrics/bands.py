"""What a method is worth for users who are known by little and by much, apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from polyscene.metrics.compare import paired

__all__ = ["LEAST", "Band", "band_of"]

LEAST = 20
"""Users from which on a gain is believed."""


class Band(BaseModel):
    """What a method was worth for users with so many targets in their history."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least: int
    most: int
    users: int
    """Users that it was measured on."""
    before: float
    """NDCG of their lists without it."""
    after: float
    """NDCG with it."""
    low: float
    """Lower end of the 95 % interval of the difference."""
    high: float
    """Upper end."""

    @property
    def gains(self) -> bool:
        """Whether it is a gain beyond chance."""
        return self.low > 0

    def holds(self, size: int) -> bool:
        """Whether a history of so many targets belongs here."""
        return self.least <= size <= self.most


def band_of(
    least: int, most: int, sizes: Sequence[int], before: Sequence[float], after: Sequence[float]
) -> Band:
    """What was measured of users with histories of such lengths; below `LEAST` users no gain.

    Args:
        least: The shortest history.
        most: The longest.
        sizes: Targets in the history of each user.
        before: NDCG of each without the method.
        after: NDCG of each with it.
    """
    inside = np.array([least <= size <= most for size in sizes], np.bool_)
    old, new = np.asarray(before, np.float64)[inside], np.asarray(after, np.float64)[inside]
    if not len(old):
        return Band(least=least, most=most, users=0, before=0.0, after=0.0, low=0.0, high=0.0)
    low = high = 0.0
    if len(old) >= LEAST:
        compared = paired(new, old)
        low, high = compared.low, compared.high
    return Band(
        least=least, most=most, users=len(old), before=float(old.mean()),
        after=float(new.mean()), low=low, high=high,
    )  # fmt: skip
