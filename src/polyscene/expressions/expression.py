"""An expression, and the names it may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from polyscene.expressions.kinds import Kind, Reference, Scope

__all__ = ["Expression", "Run", "Vocabulary"]

Run = Callable[[Scope], Any]
"""What gives the values of a part: a column, or a `Truth`."""


@dataclass(frozen=True)
class Vocabulary:
    """The names that an expression may use.

    A name that is in none of these is an attribute of the target, since those are an open set; its
    kind is what its place in the expression asks for.
    """

    names: Mapping[str, Kind] = field(default_factory=dict)
    """What is computed, such as similarity. It hides a field of that name, which is item.NAME."""
    item: Mapping[str, Kind] = field(default_factory=dict)
    """Fields of the target."""
    user: Mapping[str, Kind] = field(default_factory=dict)
    """Fields of the user, written user.NAME."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Names that say something elsewhere, and why they do not here."""


class Expression:
    """An expression that fits its vocabulary.

    Attributes:
        text: As it was written.
        references: The names it uses, each with the kind it is read as; None where only `has` asks
            for it.
        places: Where each name stands first, as the end of a message: column, text and mark.
    """

    def __init__(
        self,
        text: str,
        references: frozenset[tuple[Reference, Kind | None]],
        run: Run,
        places: Mapping[Reference, str],
    ) -> None:
        self.text = text
        self.references = references
        self.places = places
        self._run = run

    def __str__(self) -> str:
        return self.text

    def uses(self, owner: str, name: str | None = None) -> bool:
        """Whether it names something of that owner: a certain name, or any."""
        return any(
            reference.owner == owner and name in (None, reference.name)
            for reference, _ in self.references
        )

    def numbers(self, scope: Scope, size: int) -> npt.NDArray[np.float64]:
        """The value for each target, shape (size,); NaN or infinite where there is none."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(self._run(scope), np.float64), size).copy()

    def holds(self, scope: Scope, size: int) -> npt.NDArray[np.bool_]:
        """Where it is true, shape (size,); what is missing makes it neither true nor false."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(self._run(scope).yes, np.bool_), size).copy()
