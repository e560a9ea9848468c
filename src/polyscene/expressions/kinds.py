"""What an expression computes with: numbers, texts, lists of texts, and what is true of them.

Every value is a column with one entry a target, or one value for all of them (a constant, or a
field of the user), which numpy broadcasts. An entry may be missing: NaN among numbers, None among
texts and lists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = [
    "FUNCTIONS",
    "Function",
    "Kind",
    "Reference",
    "Scope",
    "Truth",
    "both",
    "compared",
    "contained",
    "either",
    "first_known",
    "overlap",
    "same_text",
    "same_truth",
]

Column = npt.NDArray[Any]
"""Shape (targets,), or () for one value."""


class Kind(StrEnum):
    """What a value is."""

    NUMBER = "a number"
    TEXT = "a text"
    TEXTS = "a list of texts"
    TRUTH = "true or false"
    TIME = "a time"
    PROSE = "prose, of which only has(...) can be asked"


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A name in an expression."""

    owner: str
    """"item" or "user" for a field or attribute of theirs, "" for what is computed."""
    name: str


class Scope(Protocol):
    """Where the values of names come from."""

    def read(self, reference: Reference, kind: Kind) -> Column:
        """The values of a name, each as that kind, missing where it is none.

        Returns:
            Numbers and times (seconds) float64, truths float64 with 1 and 0, texts and lists of
            texts (tuples) object. Shape (targets,) for the target's, () for the user's.
        """

    def has(self, reference: Reference) -> npt.NDArray[np.bool_]:
        """Whether there is a value of any kind, shapes as above."""

    @property
    def now(self) -> float:
        """The time to count ages from, seconds since 1970-01-01 UTC."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Where something is true and where it is false; neither where a value is missing."""

    yes: Column
    no: Column

    @classmethod
    def of(cls, holds: Column, known: Column) -> Truth:
        """Where something holds, as far as it is known."""
        return cls(holds & known, ~holds & known)

    def __invert__(self) -> Truth:
        return Truth(self.no, self.yes)


def both(first: Truth, then: Callable[[], Truth]) -> Truth:
    """Kleene's and; what comes then is computed only where the first leaves it open."""
    if first.no.ndim == 0 and first.no:
        return first
    second = then()
    return Truth(first.yes & second.yes, first.no | second.no)


def either(first: Truth, then: Callable[[], Truth]) -> Truth:
    """Kleene's or."""
    return ~both(~first, lambda: ~then())


def compared(relation: Callable[[Column, Column], Column], one: Column, other: Column) -> Truth:
    """Where two columns of numbers stand in a relation, neither where one is missing.

    A list of numbers to look among counts as one value.
    """
    known = ~np.isnan(one) if relation is np.isin else ~(np.isnan(one) | np.isnan(other))
    return Truth.of(relation(one, other), known)


def same_truth(one: Truth, other: Truth) -> Truth:
    """Where both are true or both are false."""
    return Truth((one.yes & other.yes) | (one.no & other.no),
                 (one.yes & other.no) | (one.no & other.yes))  # fmt: skip


def same_text(one: Column, other: Column) -> Truth:
    """Where two columns have the same text, whatever its case."""
    known = _present(one) & _present(other)
    return Truth.of(np.asarray(_folded(one) == _folded(other), np.bool_), known)


def contained(needle: Column, stack: Column) -> Truth:
    """Where a text is one of a list, whatever its case."""

    def found(text: str | None, texts: tuple[str, ...] | None) -> bool:
        return text is not None and texts is not None and text in map(str.casefold, texts)

    known = _present(needle) & _present(stack)
    holds = np.asarray(np.frompyfunc(found, 2, 1)(_folded(needle), stack), np.bool_)
    return Truth.of(holds, known)


def overlap(one: Column, other: Column) -> Column:
    """How many texts two lists share, whatever their case."""

    def count(some: tuple[str, ...] | None, others: tuple[str, ...] | None) -> int | None:
        if some is None or others is None:
            return None
        return len({*map(str.casefold, some)} & {*map(str.casefold, others)})

    return np.asarray(np.frompyfunc(count, 2, 1)(one, other), np.float64)


def _folded(texts: Column) -> Column:
    fold = np.frompyfunc(lambda text: None if text is None else text.casefold(), 1, 1)
    return np.asarray(fold(texts), object)


def _present(values: Column) -> Column:
    return np.asarray(values != np.array(None), np.bool_)


def first_known(one: Truth, other: Truth) -> Truth:
    """The one where it is known, else the other."""
    known = one.yes | one.no
    return Truth(one.yes | (~known & other.yes), one.no | (~known & other.no))


@dataclass(frozen=True, slots=True)
class Function:
    """A function of numbers."""

    run: Callable[..., Column]
    least: int
    """How few arguments it takes."""
    most: int
    """How many arguments it takes."""


def _clip(x: Column, low: Column, high: Column) -> Column:
    return np.asarray(np.minimum(np.maximum(x, low), high))


def _fold(step: Callable[[Column, Column], Column]) -> Callable[..., Column]:
    def run(first: Column, *rest: Column) -> Column:
        for other in rest:
            first = step(first, other)
        return first

    return run


_MANY = 16
FUNCTIONS = {
    "abs": Function(np.abs, 1, 1),
    "clip": Function(_clip, 3, 3),
    "exp": Function(np.exp, 1, 1),
    "log": Function(np.log, 1, 1),
    "log1p": Function(np.log1p, 1, 1),
    "max": Function(_fold(np.maximum), 2, _MANY),
    "min": Function(_fold(np.minimum), 2, _MANY),
    "sqrt": Function(np.sqrt, 1, 1),
}
"""The functions of numbers by name; a missing argument makes the result missing."""
