"""What records are written to: the store, as the layer of the data sees it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from polyscene.data.schema import Event, Item, Relation, User
from polyscene.data.tags import GivenTag

__all__ = ["Sink", "Writer"]


class Writer(Protocol):
    """What records are written to; `polyscene.storage.StoreWriter` is one."""

    def put_items(self, items: Sequence[Item]) -> None:
        """Insert or replace items."""

    def put_users(self, users: Sequence[User]) -> None:
        """Insert or replace users."""

    def add_events(self, events: Sequence[Event]) -> int:
        """Append events; returns how many were new."""

    def put_relations(self, relations: Sequence[Relation]) -> int:
        """Add relations; returns how many were new."""

    def put_given_tags(self, origin: str, given: Collection[GivenTag]) -> None:
        """Keep which users gave which tags to items; replaces what the origin had."""

    def known_items(self, ids: Collection[str]) -> set[str]:
        """Those of the ids that are the id of an item."""

    def known_targets(self, ids: Collection[str]) -> set[str]:
        """Those of the ids that are the id of an item or of a user."""


class Sink(Protocol):
    """What gives writers; `polyscene.storage.Store` is one."""

    def write(self) -> AbstractContextManager[Writer]:
        """A transaction: kept when its block ends, dropped when it raises."""
