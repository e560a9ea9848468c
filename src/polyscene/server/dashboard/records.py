"""Items and users: what is stored, the texts made of it, neighbours and history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.data.schema import Item, User
from polyscene.engine import Answer
from polyscene.engine.profile import item_texts, user_texts
from polyscene.errors import NotFoundError
from polyscene.server.dashboard.visit import DashboardRoute, visit_of
from polyscene.server.question import Question
from polyscene.server.service import Service
from polyscene.storage import Store, notes_of, tables
from polyscene.text.verbalise import Verbaliser

__all__ = ["day", "found_items", "found_users", "router"]

router = APIRouter(route_class=DashboardRoute)

_MOST = 50
"""Records that a search lists."""
_NEIGHBOURS = 8
_HISTORY = 50


@router.get("/items")
async def items(request: Request, q: str = "") -> Response:
    """Items whose id or title has a text."""
    visit = visit_of(request)
    store = visit.service.workspace.store
    found = await visit.service.aside(lambda: found_items(store, q.strip()))
    template = "_items.html" if visit.partial else "items.html"
    return visit.page(template, q=q, items=found, most=_MOST)


@router.get("/items/{item_id:path}")
async def item(request: Request, item_id: str) -> Response:
    """One item."""
    visit = visit_of(request)
    service = visit.service
    workspace = service.workspace
    texts = await service.aside(
        lambda: item_texts(workspace, Verbaliser(workspace.settings), item_id)
    )
    record = await service.aside(lambda: workspace.store.item(item_id))
    if record is None:
        raise NotFoundError(f"unknown item {item_id!r}")
    near = await service.ask(lambda: _neighbours(service, record))
    return visit.page("item.html", record=record, rows=_rows(record), texts=texts, near=near)


@router.get("/users")
async def users(request: Request, q: str = "") -> Response:
    """Users whose id or description has a text."""
    visit = visit_of(request)
    store = visit.service.workspace.store
    found = await visit.service.aside(lambda: found_users(store, q.strip()))
    template = "_users.html" if visit.partial else "users.html"
    return visit.page(template, q=q, users=found, most=_MOST)


@router.get("/users/{user_id:path}")
async def user(request: Request, user_id: str) -> Response:
    """One user."""
    visit = visit_of(request)
    service = visit.service
    workspace, store = service.workspace, service.workspace.store
    texts = await service.aside(
        lambda: user_texts(workspace, Verbaliser(workspace.settings), user_id)
    )
    record = await service.aside(lambda: store.user(user_id))
    if record is None:
        raise NotFoundError(f"unknown user {user_id!r}")
    notes = await service.aside(lambda: notes_of(store, "user", user_id))
    history = await service.aside(lambda: store.history(user_id, _HISTORY))
    named = list({event.item_id for event in history})
    titles = await service.aside(lambda: {one.item_id: one.title for one in store.items(named)})
    return visit.page(
        "user.html",
        record=record,
        rows=_rows(record),
        texts=texts,
        notes=[(note, day(note.created_at)) for note in notes],
        history=[(event, titles.get(event.item_id), day(event.timestamp)) for event in history],
        most=_HISTORY,
    )


def found_items(store: Store, text: str) -> Sequence[sa.Row[Any]]:
    """The first items whose id or title has a text. O(items).

    Args:
        store: The store.
        text: What to look for, in any case; "" for all.
    """
    column = tables.items.c
    query = sa.select(column.item_id, column.title, column.kind, column.tags, column.available)
    return _matching(store, query, (column.item_id, column.title), text, column.seq)


def found_users(store: Store, text: str) -> Sequence[sa.Row[Any]]:
    """The first users whose id or description has a text. O(users).

    Args:
        store: The store.
        text: What to look for, in any case; "" for all.
    """
    column = tables.users.c
    query = sa.select(column.user_id, column.description, column.tags)
    return _matching(store, query, (column.user_id, column.description), text, column.seq)


def _matching(
    store: Store,
    query: sa.Select[Any],
    columns: Sequence[sa.Column[str]],
    text: str,
    order: sa.Column[int],
) -> Sequence[sa.Row[Any]]:
    if text:
        query = query.where(sa.or_(*(one.icontains(text, autoescape=True) for one in columns)))
    with store.read() as connection:
        return connection.execute(query.order_by(order).limit(_MOST)).all()


def _neighbours(service: Service, item: Item) -> Answer | None:
    """The targets nearest to an item, in the first scenario where it may be shown.

    Where there is none, in the first that has some.
    """
    model = service.answering.model
    if model is None:
        return None
    scenarios = service.workspace.settings.scenarios

    def elsewhere(name: str) -> bool:
        return scenarios[name].target != item.kind or name not in (item.scenarios or [name])

    names = [name for name, spec in scenarios.items() if spec.target != "person"]
    names.sort(key=elsewhere)
    for name in names:
        try:
            found = service.answering.similar(item.item_id, Question(name, _NEIGHBOURS))
        except NotFoundError:
            continue
        if found.items:
            return found
    return None


def _rows(record: Item | User) -> list[tuple[str, str]]:
    """The fields of a record that say something, as text."""
    found = record.model_dump(exclude_none=True)
    return [(name, _text(name, value)) for name, value in found.items() if value not in ("", [])]


def _text(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return day(value) if name == "published_at" else str(value)


def day(moment: float | None) -> str:
    """A moment as the pages show it, in UTC; "" for None."""
    return "" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"
