"""RecBole's atomic files: tab-separated, with a header of `name:type` cells.

| file | becomes |
|---|---|
| `.item` | items: item_id; title, movie_title, name or item_name as title; genre, class, category, categories or tags as tags; description as description; the rest as attributes |
| `.user` | users: user_id; interests or tags as tags; the rest as attributes |
| `.inter` | events: user_id, item_id, timestamp; rating as the value of an event "rate", otherwise label as whether there was an event (0 is left out), otherwise each row as one; other columns are dropped |
| `.kg` | relations: head_id, relation_id, tail_id; entities that a `.link` file ties to an item have its id |
| `.net` | relations "follows": source_id, target_id |

The type of a column says how it is read: `token` as text, `float` as a number, `token_seq` and
`float_seq` as lists, separated by commas where there are any, otherwise by spaces.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from polyscene.data.importers.base import (
    Importer,
    find_file,
    mapped,
    named_only,
    optional_file,
    read_batches,
    read_dicts,
)
from polyscene.data.ingest import Part
from polyscene.errors import DataError

__all__ = ["RecBole"]

_TITLES = ("title", "movie_title", "name", "item_name")
_TAGS = ("genre", "genres", "class", "category", "categories", "tags", "interests")


class RecBole(Importer):
    """A data set of RecBole; the module's documentation has the mapping of columns.

    Args:
        action: The action of its events; None means "rate" where there is a rating, otherwise
            "click".
    """

    name: ClassVar[str] = "recbole"
    description: ClassVar[str] = (
        "RecBole folder with one .inter and, if present, .item .user .kg .net"
    )

    def __init__(self, action: str | None = None) -> None:
        self._action = action

    def read(self, path: Path) -> Iterator[Part]:
        """The items, users, relations and events.

        Raises:
            DataError: When there is no .inter file, or a header is not one of atomic files.
        """
        inter = find_file(path, "*.inter")
        events = _Atomic(inter, "user_id", "item_id")
        known: set[str] = set()
        if item := optional_file(path, "*.item"):
            table = _Atomic(item, "item_id")
            known = {row["item_id"] for row in table.rows()}
            yield Part("items", item, mapped(table.batches(), _described("item_id", title=True)))
        yield named_only(inter, (row["item_id"] for row in events.rows()), known)
        if user := optional_file(path, "*.user"):
            change = _described("user_id", title=False)
            yield Part("users", user, mapped(_Atomic(user, "user_id").batches(), change))
        yield from _relations(path)
        yield Part("events", inter, mapped(events.batches(), self._event))

    def _event(self, row: dict[str, Any]) -> dict[str, Any] | None:
        if "rating" not in row and row.get("label", 1) == 0:
            return None
        action = self._action or ("rate" if "rating" in row else "click")
        names = {"user_id": "user_id", "item_id": "item_id", "timestamp": "timestamp",
                 "rating": "value"}  # fmt: skip
        return {"action": action} | {names[name]: row[name] for name in names if name in row}


class _Atomic:
    """An atomic file; `required` are the names of the columns that it must have."""

    def __init__(self, path: Path, *required: str) -> None:
        self._path = path
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            header = file.readline().rstrip("\r\n").split("\t")
        self._types = dict(cell.strip().partition(":")[::2] for cell in header)
        for name in required:
            if not self._types.get(name):
                raise DataError(
                    f"{path}: no column {name}:token in the header; the columns are "
                    f"{', '.join(header)}"
                )
        self._required = [f"{name}:{self._types[name]}" for name in required]

    def batches(self) -> Iterator[Any]:
        """The file in batches, with plain names and values of the declared types."""
        return mapped(read_batches(self._path, self._required, raw_tsv=True), self._typed)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Its rows, each of which must have the required columns."""
        return map(self._typed, read_dicts(self._path, self._required, raw_tsv=True))

    def _typed(self, row: dict[str, str]) -> dict[str, Any]:
        typed: dict[str, Any] = {}
        for cell, value in row.items():
            name, _, kind = cell.partition(":")
            if kind in ("token_seq", "float_seq") and name not in (*_TITLES, "description"):
                parts = value.split(",") if "," in value else value.split()
                typed[name] = [part.strip() for part in parts]
            else:
                typed[name] = _number(value) if kind == "float" else value
        return typed


def _number(value: str) -> Any:
    """The number, or the text as it is, so that the report can show it."""
    try:
        return float(value)
    except ValueError:
        return value


def _described(key: str, *, title: bool) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(row: dict[str, Any]) -> dict[str, Any]:
        record = dict(row)
        tags: list[Any] = []
        for name in _TAGS:
            value = record.pop(name, [])
            tags += value if isinstance(value, list) else [value]
        record["tags"] = tags
        found = next((name for name in _TITLES if title and name in record), None)
        if found is not None:
            record["title"] = record.pop(found)
        return record

    return change


def _relations(folder: Path) -> Iterator[Part]:
    if kg := optional_file(folder, "*.kg"):
        links: dict[str, str] = {}
        if link := optional_file(folder, "*.link"):
            rows = _Atomic(link, "item_id", "entity_id").rows()
            links = {row["entity_id"]: row["item_id"] for row in rows}

        def fact(row: dict[str, Any]) -> dict[str, Any]:
            ends = {"subject": row.get("head_id"), "object": row.get("tail_id")}
            linked = {name: links.get(end, end) for name, end in ends.items() if end is not None}
            return linked | ({"predicate": row["relation_id"]} if "relation_id" in row else {})

        table = _Atomic(kg, "head_id", "relation_id", "tail_id")
        yield Part("relations", kg, mapped(table.batches(), fact))
    if net := optional_file(folder, "*.net"):

        def follows(row: dict[str, Any]) -> dict[str, Any]:
            names = {"source_id": "subject", "target_id": "object"}
            ends = {names[name]: row[name] for name in names if name in row}
            return {"predicate": "follows"} | ends

        table = _Atomic(net, "source_id", "target_id")
        yield Part("relations", net, mapped(table.batches(), follows))
