"""The JSON lines that Gorse exports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from polyscene.data.importers.base import (
    Importer,
    event_id,
    find_file,
    mapped,
    named_only,
    optional_file,
    read_batches,
    read_dicts,
)
from polyscene.data.ingest import Part

__all__ = ["Gorse", "gorse_event", "gorse_item", "gorse_user"]


class Gorse(Importer):
    """Feedback, and items and users where their files are present.

    Items: Categories and the texts among Labels are tags, Comment is the title, Timestamp the
    time of publication, IsHidden the opposite of available; Labels that are numbers become
    attributes, and embeddings are dropped. Users: the texts among Labels are interests, Comment
    is the description. Feedback: FeedbackType is the action, and the same type, user and item
    count once, as in Gorse. Items that only feedback names are created empty.
    """

    name: ClassVar[str] = "gorse"
    description: ClassVar[str] = (
        "Gorse dump with feedback.jsonl and, if present, items.jsonl and users.jsonl"
    )

    def read(self, path: Path) -> Iterator[Part]:
        """The items, users and events.

        Raises:
            DataError: When there is no feedback.jsonl.
        """
        feedback = find_file(path, "feedback.jsonl")
        known: set[str] = set()
        if items := optional_file(path, "items.jsonl"):
            known = {str(row["ItemId"]) for row in read_dicts(items, ("ItemId",))}
            yield Part("items", items, mapped(read_batches(items), gorse_item))
        acted_on = (str(row["ItemId"]) for row in read_dicts(feedback, ("ItemId",)))
        yield named_only(feedback, acted_on, known)
        if users := optional_file(path, "users.jsonl"):
            yield Part("users", users, mapped(read_batches(users), gorse_user))
        yield Part("events", feedback, mapped(read_batches(feedback), gorse_event))


def gorse_item(row: dict[str, Any]) -> dict[str, Any]:
    """An item of Gorse as one of ours."""
    tags, attributes = _labels(row.get("Labels"))
    names = {"ItemId": "item_id", "Comment": "title", "Timestamp": "published_at"}
    return {
        **attributes,
        "tags": [*(row.get("Categories") or []), *tags],
        "available": not row.get("IsHidden", False),
        **_renamed(row, names),
    }


def gorse_user(row: dict[str, Any]) -> dict[str, Any]:
    """A user of Gorse as one of ours."""
    tags, attributes = _labels(row.get("Labels"))
    names = {"UserId": "user_id", "Comment": "description"}
    return {**attributes, "tags": tags, **_renamed(row, names)}


def gorse_event(row: dict[str, Any]) -> dict[str, Any]:
    """Feedback of Gorse as an event; the same type, user and item have one event_id."""
    names = {"UserId": "user_id", "ItemId": "item_id", "FeedbackType": "action",
             "Timestamp": "timestamp", "Value": "value"}  # fmt: skip
    key = (row.get("FeedbackType"), row.get("UserId"), row.get("ItemId"))
    return {"event_id": event_id("gorse", *key), **_renamed(row, names)}


def _renamed(row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names[name]: value for name, value in row.items() if name in names and value != ""}


def _labels(labels: Any) -> tuple[list[str], dict[str, Any]]:
    """The texts of labels in any of the shapes that Gorse allows, and their numbers by name."""
    tags: list[str] = []
    numbers: dict[str, Any] = {}
    if isinstance(labels, str):
        tags.append(labels)
    elif isinstance(labels, list):
        tags += [label for label in labels if isinstance(label, str)]
    elif isinstance(labels, dict):
        for name, value in labels.items():
            if isinstance(value, int | float):
                numbers[name] = value
            else:
                tags += _labels(value)[0]
    return tags, numbers
