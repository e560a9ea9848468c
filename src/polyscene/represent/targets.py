"""What is known of each target besides its vector, in columns: for filters, rewards and reasons."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from polyscene.data.dataset import IdMap
from polyscene.data.schema import Item, User
from polyscene.errors import ModelError
from polyscene.represent.attributes import sorted_out
from polyscene.settings import Scenario

__all__ = ["Targets"]

_FILE = "targets.parquet"
_SCHEMA: dict[str, Any] = {
    "id": pl.String,
    "kind": pl.String,
    "title": pl.String,
    "tags": pl.List(pl.String),
    "language": pl.String,
    "provider": pl.String,
    "available": pl.Boolean,
    "scenarios": pl.List(pl.String),
    "published_at": pl.Float64,
    "text_key": pl.UInt64,
    "numbers": pl.List(pl.Struct({"name": pl.String, "value": pl.Float64})),
    "texts": pl.List(pl.Struct({"name": pl.String, "value": pl.List(pl.String)})),
}


class Targets:
    """The targets of a space by row: ids, titles, tags, and the columns that filters look at."""

    def __init__(self) -> None:
        self.ids = IdMap()
        self.kinds: list[str] = []
        self.titles: list[str] = []
        self.tags: list[tuple[str, ...]] = []
        self.languages: list[str | None] = []
        self.providers: list[str | None] = []
        self.scenarios: list[tuple[str, ...]] = []
        self.numbers: list[dict[str, float]] = []
        self.texts: list[dict[str, tuple[str, ...]]] = []
        self.available: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.is_tag: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.published_at: npt.NDArray[np.float64] = np.zeros(0, np.float64)
        self.text_keys: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.changes = 0
        """How often targets were put: what is made of the columns is out of date when it grew."""

    def __len__(self) -> int:
        return len(self.ids)

    def put(self, records: Sequence[Item] | Sequence[User]) -> npt.NDArray[np.int64]:
        """Add or replace targets; returns their rows, shape (number of records,)."""
        cells = [_cells(record) for record in records]
        self._put(cells)
        self.changes += 1
        return self.ids.rows(cell["id"] for cell in cells)

    def field(self, name: str, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """A numeric field of some targets, NaN where they have none. Shape (number of rows,)."""
        if name == "published_at":
            return self.published_at[rows]
        return np.array([self.numbers[row].get(name, math.nan) for row in rows], np.float64)

    def attributes(self) -> set[str]:
        """The names of all attributes that a target has."""
        return {name for held in self.numbers for name in held}.union(*self.texts)

    def shown_in(self, name: str, spec: Scenario) -> npt.NDArray[np.bool_]:
        """Which targets a scenario may show: its kind, its scenarios, its languages, available.

        Args:
            name: Name of the scenario.
            spec: Its declaration.
        """
        languages = {language.lower() for language in spec.languages}
        fits = (
            kind == spec.target
            and (not scenarios or name in scenarios)
            and (not languages or _is_in(language, languages))
            for kind, scenarios, language in zip(
                self.kinds, self.scenarios, self.languages, strict=True
            )
        )
        return np.fromiter(fits, np.bool_, count=len(self)) & self.available

    def save(self, path: Path) -> None:
        """Write the columns into the existing directory `path`."""
        frame = pl.DataFrame(
            {
                "id": list(self.ids.ids),
                "kind": self.kinds,
                "title": self.titles,
                "tags": [list(tags) for tags in self.tags],
                "language": self.languages,
                "provider": self.providers,
                "available": self.available,
                "scenarios": [list(names) for names in self.scenarios],
                "published_at": self.published_at,
                "text_key": self.text_keys,
                "numbers": [_entries(numbers) for numbers in self.numbers],
                "texts": [_entries(texts) for texts in self.texts],
            },
            schema=_SCHEMA,
        )
        frame.write_parquet(path / _FILE)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When the file is missing or damaged.
        """
        try:
            frame = pl.read_parquet(path / _FILE)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise ModelError(f"cannot read the targets in {path}: {error}") from error
        targets = cls()
        targets.ids = IdMap(frame["id"].to_list())
        targets.titles = frame["title"].to_list()
        targets.kinds, targets.languages, targets.providers = (
            _shared(frame[name]) for name in ("kind", "language", "provider")
        )
        targets.tags, targets.scenarios = (_shared(frame[name]) for name in ("tags", "scenarios"))
        targets.numbers, targets.texts = (_named(frame[name]) for name in ("numbers", "texts"))
        targets.available = frame["available"].to_numpy().astype(np.bool_)
        targets.published_at = frame["published_at"].to_numpy().astype(np.float64)
        targets.text_keys = frame["text_key"].to_numpy().astype(np.uint64)
        targets.is_tag = np.array([kind == "tag" for kind in targets.kinds], np.bool_)
        return targets

    def _put(self, cells: Iterable[dict[str, Any]]) -> None:
        available, published, keys = (
            self.available.tolist(),
            self.published_at.tolist(),
            self.text_keys.tolist(),
        )
        for cell in cells:
            row, known = self.ids.add(cell["id"]), len(self.titles)
            columns: tuple[tuple[list[Any], Any], ...] = (
                (self.kinds, cell["kind"]),
                (self.titles, cell["title"]),
                (self.tags, tuple(cell["tags"])),
                (self.languages, cell["language"]),
                (self.providers, cell["provider"]),
                (self.scenarios, tuple(cell["scenarios"])),
                (self.numbers, cell["numbers"]),
                (self.texts, cell["texts"]),
                (available, cell["available"]),
                (published, cell["published_at"]),
                (keys, cell["text_key"]),
            )
            for column, value in columns:
                if row == known:
                    column.append(value)
                else:
                    column[row] = value
        self.available = np.array(available, np.bool_)
        self.is_tag = np.array([kind == "tag" for kind in self.kinds], np.bool_)
        self.published_at = np.array(published, np.float64)
        self.text_keys = np.array(keys, np.uint64)


def _is_in(language: str | None, languages: set[str]) -> bool:
    """Whether a language is none, one of some, or a variety of one, as zh-cn is of zh."""
    return language is None or not languages.isdisjoint({language, re.split("[-_]", language)[0]})


def _shared(column: pl.Series) -> list[Any]:
    """The values of a column; lists as tuples, and what is equal as one object."""
    values = column.to_list()
    if isinstance(column.dtype, pl.List):
        values = list(map(tuple, values))
    known: dict[Any, Any] = {}
    return [known.setdefault(value, value) for value in values]


def _named(column: pl.Series) -> list[dict[str, Any]]:
    """What `_entries` made of attributes; lists as tuples."""
    found: list[dict[str, Any]] = [{} for _ in range(len(column))]
    some = (column.list.len() > 0).arg_true()
    for row, entries in zip(some.to_list(), column.gather(some).to_list(), strict=True):
        for entry in entries:
            value = entry["value"]
            found[row][entry["name"]] = tuple(value) if isinstance(value, list) else value
    return found


def _entries(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in attributes.items()]


def _cells(record: Item | User) -> dict[str, Any]:
    numbers, texts = sorted_out(record.attributes)
    prose = ("description", "image", "audio") if isinstance(record, Item) else ("description",)
    texts |= {name: () for name in prose if str(getattr(record, name) or "").strip()}
    if isinstance(record, User):
        title = str(record.attributes.get("name") or record.user_id)
        return {
            "id": record.user_id,
            "kind": "person",
            "title": title,
            "tags": record.tags,
            "language": record.language,
            "provider": None,
            "available": True,
            "scenarios": (),
            "published_at": math.nan,
            # People are never duplicates of each other, however alike they describe themselves.
            "text_key": _key("person", record.user_id),
            "numbers": numbers,
            "texts": texts,
        }
    return {
        "id": record.item_id,
        "kind": record.kind,
        "title": record.title,
        "tags": record.tags,
        "language": record.language,
        "provider": record.provider,
        "available": record.available,
        "scenarios": record.scenarios,
        "published_at": math.nan if record.published_at is None else record.published_at,
        "text_key": _item_key(record),
        "numbers": numbers,
        "texts": texts,
    }


def _item_key(item: Item) -> int:
    """A key that is equal for items that read the same."""
    if item.description.strip():
        return _key("text", item.title, item.description)
    if not item.title.strip():
        return _key("id", item.item_id)
    # Titles alone are shared by different things, such as two songs.
    said = [item.provider or "", *item.tags]
    said += [f"{name}={value}" for name, value in sorted(item.attributes.items())]
    return _key("title", item.title, *said)


def _key(*parts: str) -> int:
    """A 64-bit key that is equal for equal texts, whatever their case and spacing."""
    text = "\x1f".join(" ".join(part.casefold().split()) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
