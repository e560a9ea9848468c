"""Questions whose answers would teach most, one after the other, and what was answered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.data.schema import Item
from polyscene.errors import DataError
from polyscene.fitting.labels import answers_of, change_answer, key_of, questions_of, settle
from polyscene.server.dashboard.records import day
from polyscene.server.dashboard.visit import DashboardRoute, Visit, visit_of
from polyscene.server.labels import MOST, TAGS, subjects
from polyscene.server.review import NOBODY
from polyscene.server.service import Service

__all__ = ["router"]

router = APIRouter(route_class=DashboardRoute)

_LATEST = 10
"""Answers that the page lists."""
_TEXT = 1000
"""Characters of a text."""
_ANSWER: TypeAdapter[Literal["yes", "no", "skip"]] = TypeAdapter(Literal["yes", "no", "skip"])
_SAID = {"yes": True, "no": False, "skip": None}


@dataclass(frozen=True, slots=True)
class _Question:
    """A question as the page shows it."""

    key: str
    one: Mapping[str, Any]
    item: Item | None
    """The record as it is now."""
    user: str
    """The text of the user."""


@dataclass(frozen=True, slots=True)
class _Row:
    """An answer as the page shows it."""

    key: str
    one: Mapping[str, Any]
    title: str
    when: str
    latest: bool
    """Whether it is the answer that counts."""


@router.get("/labels")
async def labels(request: Request) -> Response:
    """The next question, and the latest answers."""
    return await _shown(visit_of(request))


@router.post("/labels")
async def answer(request: Request) -> Response:
    """Answer a question or skip it, or answer anew what was answered."""
    visit = visit_of(request)
    service = visit.service
    said = _SAID[_ANSWER.validate_python(visit.field("answer"))]
    key, by = visit.field("question"), service.guard.name(visit.session.key_id) or NOBODY
    if visit.field("again"):
        new = bool(said)
        await service.aside(lambda: change_answer(service.workspace, key, new, by))
    else:
        await service.aside(lambda: settle(service.workspace, key, said, by))
    return await _shown(visit) if visit.partial else visit.go("/labels")


@router.post("/labels/choose")
async def choose(request: Request) -> Response:
    """Choose new questions in the background."""
    visit = visit_of(request)
    n = visit.field("n", "50")
    if not (n.isascii() and n.isdigit() and 1 <= int(n) <= MOST):
        raise DataError(visit.say("How many: a number from 1 to {most}", most=MOST))
    await visit.service.labels.start(visit.field("subject"), int(n))
    return await _shown(visit) if visit.partial else visit.go("/labels")


async def _shown(visit: Visit) -> Response:
    service = visit.service
    return visit.page(
        "_labels.html" if visit.partial else "labels.html",
        most=MOST,
        tags=TAGS,
        latest=_LATEST,
        **await service.aside(lambda: _found(service)),
    )


def _found(service: Service) -> dict[str, Any]:
    """What the page shows. O(answers)."""
    workspace = service.workspace
    waiting, answers = questions_of(workspace.path), answers_of(workspace.path)
    past = list(reversed(answers))[:_LATEST]
    named = [*(one["item_id"] for one in past), *(one["item_id"] for one in waiting[:1])]
    items = {one.item_id: one for one in workspace.store.items(named)}
    rows, seen = [], set[str]()
    for one in past:
        key, item = key_of(one), items.get(one["item_id"])
        title = "" if item is None else item.title
        when = day(one.get("at"))
        rows.append(_Row(key, one, title or one["item_id"], when, key not in seen))
        seen.add(key)
    counts = {key_of(one): one["answer"] for one in answers}.values()
    choice = service.labels.state()
    return {
        "question": _asked(waiting[0], items.get(waiting[0]["item_id"])) if waiting else None,
        "waiting": len(waiting),
        "rows": rows,
        "yes": sum(counts),
        "no": len(counts) - sum(counts),
        "subjects": subjects(workspace.path, workspace.settings),
        "choice": choice,
        "seconds": 0 if choice.started_at is None else max(0, time.time() - choice.started_at),
    }


def _asked(one: Mapping[str, Any], item: Item | None) -> _Question:
    return _Question(key_of(one), one, item, _short(str(one.get("user", ""))))


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}…"
