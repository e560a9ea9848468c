"""Records as rows of the tables, and back.

What is read was validated when it was written, so records are rebuilt without validating again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from polyscene.data.schema import Event, Item, Relation, User
from polyscene.storage import tables

__all__ = [
    "EVENT_COLUMNS",
    "ITEM_COLUMNS",
    "RELATION_COLUMNS",
    "USER_COLUMNS",
    "Impression",
    "Key",
    "event_of",
    "item_of",
    "item_row",
    "relation_of",
    "user_of",
    "user_row",
]


@dataclass(frozen=True, slots=True)
class Impression:
    """What one answer showed."""

    request_id: str
    user_id: str | None
    scenario: str
    context: str | None
    model: str
    """Version of the model that answered."""
    variant: str
    """Which variant of the scenario answered."""
    timestamp: float
    """Seconds since 1970-01-01 UTC."""
    targets: Sequence[str | None]
    """Ids of the targets in order of their position; None where a person was erased."""
    propensities: Sequence[float]
    """The probability with which each stood at its place."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the service, without its secret."""

    key_id: str
    name: str
    """What it is for, in words of whoever made it."""
    role: str
    """read, write or admin."""
    digest: str
    """SHA-256 of the secret, in hexadecimal."""
    requests_per_minute: float | None
    """Upper limit of requests; None for no limit."""
    created_at: float
    revoked_at: float | None = None


_ITEM_FIELDS = tuple(Item.model_fields)
_USER_FIELDS = tuple(User.model_fields)
_EVENT_FIELDS = tuple(Event.model_fields)
_RELATION_FIELDS = tuple(Relation.model_fields)

ITEM_COLUMNS = (*(tables.items.c[name] for name in _ITEM_FIELDS), tables.items.c.attributes)
USER_COLUMNS = (*(tables.users.c[name] for name in _USER_FIELDS), tables.users.c.attributes)
RELATION_COLUMNS = tuple(tables.relations.c[name] for name in _RELATION_FIELDS)
EVENT_COLUMNS = tuple(
    sa.func.coalesce(tables.events.c.item_id, tables.events.c.person_id).label("item_id")
    if name == "item_id"
    else tables.events.c[name]
    for name in _EVENT_FIELDS
)


def item_row(item: Item, revision: int) -> dict[str, Any]:
    """The row that holds an item."""
    return {**item.__dict__, "attributes": item.model_extra or {}, "revision": revision}


def user_row(user: User, revision: int) -> dict[str, Any]:
    """The row that holds a user."""
    return {**user.__dict__, "attributes": user.model_extra or {}, "revision": revision}


def item_of(row: sa.Row[Any]) -> Item:
    """The item in a row of `ITEM_COLUMNS`."""
    known, attributes = row[:-1], row[-1]
    item = Item.model_construct(**dict(zip(_ITEM_FIELDS, known, strict=True)))
    _set_attributes(item, attributes)
    return item


def user_of(row: sa.Row[Any]) -> User:
    """The user in a row of `USER_COLUMNS`."""
    known, attributes = row[:-1], row[-1]
    user = User.model_construct(**dict(zip(_USER_FIELDS, known, strict=True)))
    _set_attributes(user, attributes)
    return user


def _set_attributes(record: Item | User, attributes: dict[str, Any]) -> None:
    # Not passed to model_construct: an attribute may have the name of one of its arguments.
    if attributes and record.model_extra is not None:
        record.model_extra.update(attributes)


def event_of(row: sa.Row[Any] | tuple[Any, ...]) -> Event:
    """The event in a row of `EVENT_COLUMNS`."""
    return Event.model_construct(**dict(zip(_EVENT_FIELDS, row, strict=True)))


def relation_of(row: sa.Row[Any]) -> Relation:
    """The relation in a row of `RELATION_COLUMNS`."""
    return Relation.model_construct(**dict(zip(_RELATION_FIELDS, row, strict=True)))
