"""Trying questions: a list with its reasons, and how it moves with simulated events."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.data.schema import Event
from polyscene.engine import Answer, Recommendation
from polyscene.errors import DataError
from polyscene.server.dashboard.charts import Step, steps
from polyscene.server.dashboard.visit import DashboardRoute, Visit, visit_of
from polyscene.server.question import Question
from polyscene.server.wire import Happened, RecommendQuery
from polyscene.settings import Scenario
from polyscene.storage import Store, tables

__all__ = ["Line", "lines", "router", "some_users"]

router = APIRouter(route_class=DashboardRoute)

_DEED: TypeAdapter[tuple[str, str]] = TypeAdapter(tuple[str, str])
_MOST_ACTIONS = 4
_SUGGESTED = 200
_MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Line:
    """A target of a list, and where it came from."""

    item: Recommendation
    moved: int | None
    """Places that it rose since the event; None where it was not in the list."""
    steps: Sequence[Step]


@router.get("/try")
async def ask(request: Request) -> Response:
    """The form, for a user where the address names one."""
    visit = visit_of(request)
    service = visit.service
    users = await service.aside(lambda: some_users(service.workspace.store))
    scenarios = list(service.workspace.settings.scenarios)
    chosen = request.query_params.get("scenario", "")
    form = {
        "user": request.query_params.get("user", ""),
        "scenario": chosen if chosen in scenarios else next(iter(scenarios), ""),
        "text": "",
        "n": "10",
    }
    return visit.page("try.html", form=form, users=users, scenarios=scenarios, answer=None)


@router.post("/try")
async def answer(request: Request) -> Response:
    """The list of the form; with an event, beside what it was before."""
    visit = visit_of(request)
    service = visit.service
    question, deeds, new = _asked(visit)
    found = await service.ask(lambda: service.answering.recommend(question))
    before = None
    if new:
        earlier = replace(question, events=question.events[:-1], reasons=False, explain=False)
        before = await service.ask(lambda: service.answering.recommend(earlier))
    spec = service.workspace.settings.scenarios[question.scenario]
    values: dict[str, Any] = {
        "answer": found,
        "lines": lines(found, before),
        "left": [] if before is None else _left(found, before),
        "deeds": [(json.dumps(deed), *deed) for deed in deeds],
        "actions": _actions(spec),
        "dumps": json.dumps,
    }
    if visit.partial:
        return visit.page("_list.html", **values)
    form = {name: visit.field(name) for name in ("user", "scenario", "text", "n")}
    users = await service.aside(lambda: some_users(service.workspace.store))
    scenarios = list(service.workspace.settings.scenarios)
    return visit.page("try.html", form=form, users=users, scenarios=scenarios, **values)


def lines(found: Answer, before: Answer | None) -> list[Line]:
    """The list with how far each target rose.

    Args:
        found: The list.
        before: The list before the last event; None where there was none.
    """
    ranks = {} if before is None else {item.item_id: item.rank for item in before.items}
    return [
        Line(
            item,
            0 if before is None else _rise(ranks.get(item.item_id), item.rank),
            steps(item),
        )
        for item in found.items
    ]


def _rise(before: int | None, now: int) -> int | None:
    return None if before is None else before - now


def _left(found: Answer, before: Answer) -> list[str]:
    here = {item.item_id for item in found.items}
    return [item.title or item.item_id for item in before.items if item.item_id not in here]


def _asked(visit: Visit) -> tuple[Question, list[tuple[str, str]], bool]:
    """The question of a form, its simulated events as target and action, whether one is new.

    Raises:
        DataError: When n is too large.
        ValidationError: When a field is wrong.
    """
    deeds = [] if visit.field("reset") else [
        _DEED.validate_json(value) for name, value in visit.fields if name == "done"
    ]  # fmt: skip
    event = visit.field("event")
    if event:
        deeds.append(_DEED.validate_json(event))
    given = {name: visit.field(name).strip() for name in ("scenario", "user", "text", "n")}
    query = RecommendQuery.model_validate({name: value for name, value in given.items() if value})
    if query.n > _MOST_SHOWN:
        raise DataError(f"n is at most {_MOST_SHOWN} here; got {query.n}")
    query = query.model_copy(update={"explain": True, "language": visit.language})
    return query.question(_events(deeds, query.scenario)), deeds, bool(event)


def _events(deeds: Sequence[tuple[str, str]], scenario: str) -> list[Event]:
    now = time.time()
    return [
        Happened(item_id=target, action=action, scenario=scenario).event(now)
        for target, action in deeds
    ]


def _actions(spec: Scenario) -> list[str]:
    """What can be simulated: actions of interest, strongest first, and one of dislike."""
    if spec.target == "person":  # what is done with people is stored, not told
        return []
    ranked = sorted(spec.actions, key=lambda name: -spec.actions[name].weight)
    liked = [name for name in ranked if spec.actions[name].weight > 0]
    other = [name for name in ranked[::-1] if spec.actions[name].weight < 0]
    return (liked[: _MOST_ACTIONS - 1] + other[:1]) or ["click"]


def some_users(store: Store) -> list[str]:
    """The first users, to suggest."""
    users = tables.users.c
    with store.read() as connection:
        return list(
            connection.scalars(sa.select(users.user_id).order_by(users.seq).limit(_SUGGESTED))
        )
