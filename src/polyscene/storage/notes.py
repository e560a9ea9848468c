"""What enrichment says of items and users, as the store has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import sqlalchemy as sa

from polyscene.storage import tables
from polyscene.storage.store import Store
from polyscene.storage.writer import StoreWriter

__all__ = ["KINDS", "Note", "drop_notes", "notes_of", "put_notes"]

Kind = Literal["item", "user"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What notes are on."""
CHUNK = 500
"""Rows that one statement writes."""


@dataclass(frozen=True, slots=True)
class Note:
    """What one facet says of one subject."""

    kind: Kind
    subject: str
    """Id of the item or user."""
    facet: str
    """tags, category, audience, mood, profile, or told: what a person said of tags."""
    words: Sequence[str]
    """The words, best first; of a profile the text alone."""
    scores: Sequence[float]
    """The chance that each fits, as far as it is known; told: 1 where it fits, else 0."""
    source: str
    """What said so: joint, encoder, model or person."""
    basis: str
    """What it was made from, as a digest or a count; another basis calls for another note. Of what
    a person said, who did so last."""
    created_at: float
    """Seconds since 1970-01-01 UTC."""
    scenario: str = ""
    """Where it holds; "" for everywhere."""


_COLUMNS = tuple(tables.notes.c[name] for name in Note.__dataclass_fields__)


def put_notes(store: Store, notes: Sequence[Note]) -> None:
    """Write notes, each replacing the one on the same subject, facet and scenario.

    Users count as changed: their interests may have a part in what they are recommended.
    """
    table = tables.notes
    keys = (table.c.kind, table.c.subject, table.c.scenario, table.c.facet)
    delete = sa.delete(table).where(*(key == sa.bindparam(f"old_{key.name}") for key in keys))
    with store.begin() as connection:
        for start in range(0, len(notes), CHUNK):
            rows = [asdict(note) for note in notes[start : start + CHUNK]]
            connection.execute(
                delete, [{f"old_{key.name}": row[key.name] for key in keys} for row in rows]
            )
            connection.execute(sa.insert(table), rows)
        users = {one.subject for one in notes if one.kind == "user"}
        StoreWriter(connection).changed_users(users)


def notes_of(store: Store, kind: Kind, subject: str | None = None) -> list[Note]:
    """The notes on one subject, or on all of a kind, sorted by subject, scenario and facet."""
    columns = tables.notes.c
    query = sa.select(*_COLUMNS).where(columns.kind == kind)
    if subject is not None:
        query = query.where(columns.subject == subject)
    with store.read() as connection:
        found = connection.execute(query.order_by(columns.subject, columns.scenario, columns.facet))
        return [Note(*row) for row in found]


def drop_notes(store: Store, kind: Kind, subject: str) -> int:
    """Remove the notes on a subject; returns how many there were."""
    columns = tables.notes.c
    with store.begin() as connection:
        delete = sa.delete(tables.notes)
        dropped = connection.execute(
            delete.where(columns.kind == kind, columns.subject == subject)
        ).rowcount
        if dropped and kind == "user":
            StoreWriter(connection).changed_users([subject])
    return dropped
