"""Which parts of an expression are the same for all targets, users and times."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from polyscene.expressions.expression import Run
from polyscene.expressions.kinds import Kind, Reference

__all__ = ["constant"]


class _VariesError(Exception):
    """A name or the time was asked for."""


class _NoScope:
    """Where no name has a value."""

    def read(self, reference: Reference, kind: Kind) -> npt.NDArray[Any]:
        raise _VariesError

    def has(self, reference: Reference) -> npt.NDArray[np.bool_]:
        raise _VariesError

    @property
    def now(self) -> float:
        raise _VariesError


def constant(run: Run) -> float | None:
    """The number that a part always is; None where it depends on a name or the time."""
    try:
        with np.errstate(all="ignore"):
            return float(run(_NoScope()))
    except _VariesError:
        return None
