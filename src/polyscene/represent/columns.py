"""What expressions read: fields and attributes of targets and of one user, as columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import IntArray
from polyscene.data.schema import User
from polyscene.expressions import Kind, Reference
from polyscene.represent.attributes import read_as, sorted_out
from polyscene.represent.strength import SECONDS_A_DAY
from polyscene.represent.targets import Targets
from polyscene.settings.vocabulary import ITEM_FIELDS, USER_FIELDS

__all__ = ["Columns"]


class Columns:
    """Some targets, a user and a moment; satisfies `polyscene.expressions.Scope`.

    Args:
        targets: The targets of a space.
        rows: Rows of the targets that are looked at, shape (m,).
        user: The user.
        now: The time to count ages from, seconds since 1970-01-01 UTC.
        computed: What is known of these targets besides their fields, by name, each of shape (m,).
    """

    def __init__(
        self,
        targets: Targets,
        rows: IntArray,
        user: User,
        now: float,
        computed: Mapping[str, npt.NDArray[np.floating[Any]]] | None = None,
    ) -> None:
        self.targets = targets
        self.rows = rows
        self.user = user
        self.now = now
        self._listed = rows.tolist()
        self._computed = computed or {}

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, reference: Reference, kind: Kind) -> npt.NDArray[Any]:
        """See `polyscene.expressions.Scope`; O(m)."""
        match reference.owner:
            case "user":
                return _column([self._of_user(reference.name, kind)], kind).reshape(())
            case "item":
                return self._of_targets(reference.name, kind)
        if reference.name == "age_days":
            ages = np.maximum(self.now - self.targets.published_at[self.rows], 0.0)
            return ages / SECONDS_A_DAY
        return np.asarray(self._computed[reference.name], np.float64)

    def has(self, reference: Reference) -> npt.NDArray[np.bool_]:
        """See `polyscene.expressions.Scope`; O(m)."""
        name = reference.name
        match reference.owner:
            case "user":
                if name in USER_FIELDS:
                    return np.asarray(bool(getattr(self.user, name)))
                return np.asarray(self.user.attributes.get(name) is not None)
            case "item" if name == "published_at":
                return np.asarray(~np.isnan(self.targets.published_at[self.rows]))
            case "item" if name == "available":
                return np.ones(len(self), np.bool_)
            case "item" if (field := self._fields().get(name)) is not None:
                return np.array([bool(field[row]) for row in self._listed], np.bool_)
            case "item":
                numbers, texts = self.targets.numbers, self.targets.texts
                there = [name in numbers[row] or name in texts[row] for row in self._listed]
                return np.array(there, np.bool_)
        return np.asarray(~np.isnan(self.read(reference, Kind.NUMBER)))

    def words(self, name: str) -> list[tuple[str, ...]]:
        """The values of a field or attribute of each target in lower case; () where it has none."""
        if ITEM_FIELDS.get(name) is Kind.TEXT:
            found = self._of_targets(name, Kind.TEXT)
            return [(word.casefold(),) if word else () for word in found]
        lists = self._of_targets(name, Kind.TEXTS)
        return [tuple(dict.fromkeys(map(str.casefold, words or ()))) for words in lists]

    def _fields(self) -> Mapping[str, Any]:
        """The columns of fields that hold texts or lists of texts."""
        targets = self.targets
        return {
            "item_id": targets.ids.ids, "kind": targets.kinds, "title": targets.titles,
            "tags": targets.tags, "language": targets.languages, "provider": targets.providers,
            "scenarios": targets.scenarios,
        }  # fmt: skip

    def _of_targets(self, name: str, kind: Kind) -> npt.NDArray[Any]:
        targets, rows = self.targets, self._listed
        if name == "published_at":
            return targets.published_at[self.rows]
        if name == "available":
            return targets.available[self.rows].astype(np.float64)
        if (field := self._fields().get(name)) is not None:
            empty = () if kind is Kind.TEXTS else None
            return _column((field[row] or empty for row in rows), kind, len(rows))
        if kind is Kind.NUMBER:
            return targets.field(name, self.rows)
        numbers, texts = targets.numbers, targets.texts
        values = (read_as(kind, numbers[row].get(name), texts[row].get(name)) for row in rows)
        return _column(values, kind, len(rows))

    def _of_user(self, name: str, kind: Kind) -> Any:
        match name:
            case "user_id" | "language":
                return getattr(self.user, name)
            case "description":
                return self.user.description or None
            case "tags":
                return tuple(self.user.tags)
        value = self.user.attributes.get(name)
        if value is None:
            return math.nan if kind not in (Kind.TEXT, Kind.TEXTS) else None
        numbers, texts = sorted_out({name: value})
        return read_as(kind, numbers.get(name), texts.get(name))


def _column(values: Iterable[Any], kind: Kind, count: int = 1) -> npt.NDArray[Any]:
    held = object if kind in (Kind.TEXT, Kind.TEXTS) else np.float64
    return np.fromiter(values, dtype=held, count=count)
