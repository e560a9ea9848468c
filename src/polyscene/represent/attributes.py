"""Free attributes of records, as expressions and rules read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from polyscene.data.schema import parse_timestamp
from polyscene.expressions import Kind

__all__ = ["MAX_WORD", "read_as", "sorted_out"]

MAX_WORD = 256
"""Characters of a text that is kept for comparing; a longer one is prose."""
_TRUTHS = {"true": 1.0, "false": 0.0}


def sorted_out(
    attributes: Mapping[str, Any],
) -> tuple[dict[str, float], dict[str, tuple[str, ...]]]:
    """Attributes as numbers and as lists of texts; a truth is 1 or 0, prose an empty list."""
    numbers: dict[str, float] = {}
    texts: dict[str, tuple[str, ...]] = {}
    for name, value in attributes.items():
        if isinstance(value, int | float):
            if abs(value) < 1e300:  # what a float can hold
                numbers[name] = float(value)
            continue
        parts = value if isinstance(value, list) else [str(value)]
        texts[name] = tuple(part for part in parts if len(part) <= MAX_WORD)
    return numbers, texts


def read_as(kind: Kind, number: float | None, texts: tuple[str, ...] | None) -> Any:
    """An attribute as a kind: a float or NaN, a text or None, a tuple of texts or None.

    A number is the text of its digits, a single text a list of one, true and false may be written
    out, and a time may be seconds or ISO 8601.
    """
    if kind is Kind.TEXTS:
        return texts if texts is not None or number is None else (_digits(number),)
    if kind is Kind.TEXT:
        if number is not None:
            return _digits(number)
        return texts[0] if texts is not None and len(texts) == 1 else None
    word = texts[0] if texts is not None and len(texts) == 1 else ""
    if kind is Kind.TIME:
        try:
            return parse_timestamp(word if number is None else number)
        except (ValueError, OverflowError):
            return math.nan
    if number is not None:
        return number
    return _TRUTHS.get(word.casefold(), math.nan) if kind is Kind.TRUTH else math.nan


def _digits(number: float) -> str:
    return str(int(number)) if number.is_integer() else repr(number)
