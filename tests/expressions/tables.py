"""A small table of targets, and one user, for expressions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from polyscene.expressions import Kind, Reference, Vocabulary, compile_expression

DAY = 86_400.0
WORDS = Vocabulary(
    names={"similarity": Kind.NUMBER},
    item={
        "tags": Kind.TEXTS, "provider": Kind.TEXT, "published_at": Kind.TIME,
        "available": Kind.TRUTH,
    },
    user={"tags": Kind.TEXTS, "language": Kind.TEXT},
    absent={"popularity": "is known to rewards only"},
)  # fmt: skip
TARGETS: dict[str, list[Any]] = {
    "similarity": [0.5, 1.0, 0.0, 0.25],
    "price": [1.0, math.nan, 3.0, 0.0],
    "cost": [1.0, 2.0, 2.0, math.nan],
    "provider": ["Own", None, "acme", "own"],
    "city": ["Riga", "Lisbon", None, "riga"],
    "tags": [("Adult", "tea"), (), ("maps",), ("tea", "green")],
    "published_at": [0.0, math.nan, 9 * DAY, 10 * DAY],
    "available": [1.0, 1.0, 0.0, math.nan],
    "old-name": [7.0, 8.0, 9.0, 10.0],
}
USER: dict[str, Any] = {"tags": ("Tea", "running"), "age": 17.0, "city": "riga", "language": None}
SIZE = 4


class Table:
    """The values above; every name but those has none."""

    now = 10 * DAY

    def __init__(self) -> None:
        self.asked: list[Reference] = []

    def read(self, reference: Reference, kind: Kind) -> npt.NDArray[Any]:
        self.asked.append(reference)
        if reference.owner == "user":
            return column([USER.get(reference.name)], kind).reshape(())
        return column(TARGETS.get(reference.name, [None] * SIZE), kind)

    def has(self, reference: Reference) -> npt.NDArray[np.bool_]:
        values = USER if reference.owner == "user" else TARGETS
        given = values.get(reference.name)
        listed = given if reference.owner != "user" and given is not None else [given] * SIZE
        return np.array([value is not None and value == value for value in listed])


def column(values: list[Any], kind: Kind) -> npt.NDArray[Any]:
    """Each value as that kind, missing where it is none."""
    fits = {Kind.TEXT: str, Kind.TEXTS: tuple}.get(kind, float)
    kept = [value if isinstance(value, fits) else None for value in values]
    if fits is float:
        return np.array(kept, np.float64)
    return np.fromiter(kept, dtype=object, count=len(kept))


def numbers(text: str) -> list[float]:
    return compile_expression(text, WORDS, Kind.NUMBER).numbers(Table(), SIZE).tolist()


def holds(text: str) -> list[bool]:
    return compile_expression(text, WORDS, Kind.TRUTH).holds(Table(), SIZE).tolist()
