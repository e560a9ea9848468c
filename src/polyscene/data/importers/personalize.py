"""The CSV files that Amazon Personalize imports and exports."""

from __future__ import annotations

from collections.abc import Iterator
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

__all__ = ["Personalize"]

_EVENT_COLUMNS = {
    "USER_ID": "user_id",
    "ITEM_ID": "item_id",
    "EVENT_TYPE": "action",
    "EVENT_VALUE": "value",
    "TIMESTAMP": "timestamp",
    "EVENT_ID": "event_id",
    "RECOMMENDATION_ID": "request_id",
}
_ITEM_COLUMNS = {
    "ITEM_ID": "item_id",
    "TITLE": "title",
    "NAME": "title",
    "PRODUCT_NAME": "title",
    "DESCRIPTION": "description",
    "PRODUCT_DESCRIPTION": "description",
    "CREATION_TIMESTAMP": "published_at",
    "CONTENT_OWNER": "provider",
    "BRAND": "provider",
    "CONTENT_CLASSIFICATION": "content_classification",
}
_TAG_COLUMNS = ("CATEGORY_L1", "CATEGORY_L2", "CATEGORY_L3", "CATEGORY_L4", "GENRES",
                "GENRE_L2", "GENRE_L3", "CATEGORY", "TAGS")  # fmt: skip


class Personalize(Importer):
    """Interactions, and items and users where their files are present.

    Interactions become events: EVENT_TYPE is the action ("click" where there is none),
    EVENT_VALUE the value, RECOMMENDATION_ID the request; other columns (impressions, context)
    are dropped. Items have CATEGORY_L1 to L4, GENRES and TAGS as tags, CREATION_TIMESTAMP as
    the time of publication, TITLE, NAME or PRODUCT_NAME as title; their other columns, and
    those of users, become attributes in lower case. Items that only interactions name are
    created empty.
    """

    name: ClassVar[str] = "personalize"
    description: ClassVar[str] = (
        "Amazon Personalize folder with *interactions*.csv and, if present, *items*.csv and "
        "*users*.csv"
    )

    def read(self, path: Path) -> Iterator[Part]:
        """The items, users and events.

        Raises:
            DataError: When there is no file of interactions, or a file lacks its id column.
        """
        interactions = find_file(path, "*[iI]nteraction*.csv", "*INTERACTION*.csv")
        known: set[str] = set()
        if items := optional_file(path, "*[iI]tem*.csv", "*ITEM*.csv"):
            known = {row["ITEM_ID"] for row in read_dicts(items, ("ITEM_ID",))}
            yield Part("items", items, mapped(read_batches(items, ("ITEM_ID",)), _item))
        acted_on = (row["ITEM_ID"] for row in read_dicts(interactions, ("ITEM_ID",)))
        yield named_only(interactions, acted_on, known)
        if users := optional_file(path, "*[uU]ser*.csv", "*USER*.csv"):
            yield Part("users", users, mapped(read_batches(users, ("USER_ID",)), _lower))
        batches = read_batches(interactions, ("USER_ID", "ITEM_ID"))
        yield Part("events", interactions, mapped(batches, _event))


def _event(row: dict[str, Any]) -> dict[str, Any]:
    named = {_EVENT_COLUMNS[name]: value for name, value in row.items() if name in _EVENT_COLUMNS}
    return {"action": "click"} | named


def _item(row: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {"tags": []}
    for name, value in row.items():
        if name in _TAG_COLUMNS:
            record["tags"] += value.split("|")
        else:
            record[_ITEM_COLUMNS.get(name, name.lower())] = value
    return record


def _lower(row: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in row.items()}
