"""What an answer to one user rests on, read at once and by column: four short queries."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from polyscene.data.schema import User
from polyscene.storage import rows, tables

__all__ = ["HISTORY", "USER", "Acts", "Person", "read_person"]

_EVENTS, _RELATIONS = tables.events.c, tables.relations.c
HISTORY = (_EVENTS.timestamp.desc().nulls_last(), _EVENTS.seq.desc())
"""The order of a history, newest first."""
USER = sa.select(*rows.USER_COLUMNS).where(tables.users.c.user_id == sa.bindparam("id"))
"""The user of an id."""
_ACTS = (
    sa.select(
        sa.func.coalesce(_EVENTS.item_id, _EVENTS.person_id),
        _EVENTS.context,
        _EVENTS.action,
        _EVENTS.scenario,
        _EVENTS.timestamp,
        _EVENTS.value,
    )
    .where(_EVENTS.user_id == sa.bindparam("id"))
    .order_by(*HISTORY)
)
_TRIPLES = sa.select(_RELATIONS.subject, _RELATIONS.predicate, _RELATIONS.object)
# two indexed look-ups: one condition with OR would read the whole table
_LINKS = (
    _TRIPLES.where(_RELATIONS.subject == sa.bindparam("id"))
    .union(_TRIPLES.where(_RELATIONS.object == sa.bindparam("id")))
    .order_by("subject", "predicate", "object")
)
_ACTORS = (
    sa.select(_EVENTS.user_id)
    .distinct()
    .where(
        _EVENTS.person_id == sa.bindparam("id"),
        _EVENTS.action.in_(sa.bindparam("actions", expanding=True)),
    )
    .order_by(_EVENTS.user_id)
)


@dataclass(frozen=True, slots=True)
class Acts:
    """Events of one user, newest first, by field; see `Event`."""

    item_ids: Sequence[str] = ()
    contexts: Sequence[str | None] = ()
    actions: Sequence[str] = ()
    scenarios: Sequence[str | None] = ()
    timestamps: Sequence[float | None] = ()
    values: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """What the store holds of and about a user."""

    user: User
    acts: Acts
    links: Sequence[tuple[str, str, str]]
    """Relations from or to the user: subject, predicate and object."""
    actors: Sequence[str]
    """The users who did one of some actions on the user."""


def read_person(connection: sa.Connection, user_id: str, actions: Collection[str]) -> Person | None:
    """What is held of and about a user; None of somebody unknown.

    Args:
        connection: Of the store, inside one transaction.
        user_id: The user.
        actions: What others may have done on the user, for `Person.actors`.
    """
    about = {"id": user_id}
    user = connection.execute(USER, about).one_or_none()
    if user is None:
        return None
    acts = connection.execute(_ACTS, about).all()
    links = connection.execute(_LINKS, about).all()
    actors = connection.scalars(_ACTORS, {**about, "actions": list(actions)})
    return Person(
        rows.user_of(user),
        Acts(*zip(*acts, strict=True)),
        [(subject, predicate, target) for subject, predicate, target in links],
        actors.all(),
    )
