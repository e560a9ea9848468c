"""What waits for a decision, and what was decided, by whom and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.engine.review import holds
from polyscene.server.dashboard.records import day
from polyscene.server.dashboard.visit import DashboardRoute, Visit, visit_of
from polyscene.server.review import NOBODY, decided_on, waiting
from polyscene.server.service import Service
from polyscene.storage import Decision, reviewed

__all__ = ["router"]

router = APIRouter(route_class=DashboardRoute)

_MOST = 50
"""Targets and decisions that the page lists."""
_TEXT = 280
"""Characters of a description."""
_DECISION: TypeAdapter[Decision] = TypeAdapter(Decision)


@dataclass(frozen=True, slots=True)
class _Row:
    """A target of the page, with what one needs to see to decide on it."""

    scenario: str
    target: str
    person: bool
    title: str
    text: str
    tags: Sequence[str]
    why: str
    decision: str = ""
    by: str = ""
    when: str = ""
    latest: bool = False
    """Whether it is the decision that counts."""


@router.get("/review")
async def review(request: Request) -> Response:
    """What waits, and the latest decisions."""
    return await _shown(visit_of(request), request.query_params.get("scenario", ""))


@router.post("/review")
async def decide(request: Request) -> Response:
    """Approve, block or reopen a target."""
    visit = visit_of(request)
    decision = _DECISION.validate_python(visit.field("decision"))
    by = visit.service.guard.name(visit.session.key_id) or NOBODY
    target = visit.field("target")
    await decided_on(visit.service, visit.field("scenario"), [target], decision, by)
    only = visit.field("only")
    return await _shown(visit, only) if visit.partial else visit.go("/review")


async def _shown(visit: Visit, only: str) -> Response:
    service = visit.service
    held, past, more = await service.aside(lambda: _rows(service, only or None))
    declared = service.workspace.settings.scenarios
    return visit.page(
        "_review.html" if visit.partial else "review.html",
        held=held,
        past=past,
        more=more,
        most=_MOST,
        only=only,
        holding=any(holds(spec) for spec in declared.values()),
        scenarios=list(declared),
    )


def _rows(service: Service, only: str | None) -> tuple[list[_Row], list[_Row], bool]:
    """What waits, the decisions that the store has, newest first, and whether more waits."""
    found, more = waiting(service, only, _MOST)
    reviews = reviewed(service.workspace.store, only, None, _MOST)
    named = {(one.scenario, one.item_id) for one in found}
    records = _records(service, named | {(one.scenario, one.target) for one in reviews})

    def row(scenario: str, target: str, why: str, **decided: Any) -> _Row:
        person, title, text, tags = records.get((scenario, target), (False, "", "", ()))
        short = text if len(text) <= _TEXT else f"{text[:_TEXT]}…"
        return _Row(scenario, target, person, title or target, short, tags, why, **decided)

    held = [row(one.scenario, one.item_id, one.why.removeprefix("on hold for ")) for one in found]
    past, seen = [], set[tuple[str, str]]()
    for one in reviews:
        latest = (one.scenario, one.target) not in seen
        seen.add((one.scenario, one.target))
        past.append(
            row(one.scenario, one.target, one.why, decision=one.decision, by=one.decided_by,
                when=day(one.decided_at), latest=latest)
        )  # fmt: skip
    return held, past, more


def _records(
    service: Service, named: set[tuple[str, str]]
) -> dict[tuple[str, str], tuple[bool, str, str, Sequence[str]]]:
    """Of each scenario and target: whether it is a person, its title, description and tags."""
    settings, store = service.workspace.settings, service.workspace.store
    people = {name for name, spec in settings.scenarios.items() if spec.target == "person"}
    items = {one.item_id: one for one in store.items([t for s, t in named if s not in people])}
    users = {one.user_id: one for one in store.users([t for s, t in named if s in people])}
    found: dict[tuple[str, str], tuple[bool, str, str, Sequence[str]]] = {}
    for scenario, target in named:
        user, item = users.get(target), items.get(target)
        if scenario in people and user is not None:
            name = str(user.attributes.get("name", ""))
            found[scenario, target] = (True, name, user.description, user.tags)
        elif scenario not in people and item is not None:
            found[scenario, target] = (False, item.title, item.description, item.tags)
    return found
