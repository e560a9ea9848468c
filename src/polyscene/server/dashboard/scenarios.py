"""Scenarios: what is declared, whether the file is valid, and what another reward would change."""

from __future__ import annotations

import json
import re
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.errors import NotFoundError, PolysceneError, did_you_mean
from polyscene.logs import get_logger
from polyscene.server.dashboard.trying import lines, some_users
from polyscene.server.dashboard.visit import DashboardRoute, Visit, visit_of
from polyscene.server.review import NOBODY
from polyscene.server.service import Service
from polyscene.server.wire import RecommendQuery
from polyscene.settings import SETTINGS_FILE, Scenario, load_settings
from polyscene.settings.edit import save_reward

__all__ = ["router"]

router = APIRouter(route_class=DashboardRoute)

_log = get_logger(__name__)


@router.get("/scenarios")
async def scenarios(request: Request) -> Response:
    """All that are declared, and whether the file on disk is valid."""
    visit = visit_of(request)
    wrong, changed = await visit.service.aside(lambda: _checked(visit.service))
    declared = visit.service.workspace.settings.scenarios
    return visit.page(
        "scenarios.html", scenarios=declared, reward=_reward, wrong=wrong, changed=changed
    )


@router.post("/save-reward")
async def save(request: Request) -> Response:
    """Write another reward into the file on disk."""
    visit = visit_of(request)
    name, reward = visit.field("scenario"), visit.field("reward").strip()
    _spec(visit, name)
    path = visit.service.workspace.path / SETTINGS_FILE
    settings = await visit.service.aside(lambda: save_reward(path, name, reward))
    await visit.service.keeper.keep_up()
    by = visit.service.guard.name(visit.session.key_id) or NOBODY
    _log.info("%s wrote the reward of %s: %s", by, name, reward)
    if not visit.partial:
        return visit.go("/scenarios")
    used = visit.service.workspace.settings
    return visit.page("_saved.html", reward=reward, changed=settings != used)


@router.get("/scenarios/{name:path}")
async def scenario(request: Request, name: str) -> Response:
    """One declaration, and the form for another reward."""
    visit = visit_of(request)
    spec = _spec(visit, name)
    start = spec.reward if isinstance(spec.reward, str) else "similarity"
    return await _page(visit, name, spec, {"reward": start, "user": ""}, {"lines": None})


@router.post("/scenarios/{name:path}")
async def compare(request: Request, name: str) -> Response:
    """The list as it is, beside that of another reward; nothing is changed."""
    visit = visit_of(request)
    spec, service = _spec(visit, name), visit.service
    form = {field: visit.field(field).strip() for field in ("reward", "user")}
    query = RecommendQuery(scenario=name, user=form["user"] or None, reasons=False)
    question, reward = query.question(), form["reward"]
    now = await service.ask(lambda: service.answering.recommend(question))
    other = await service.ask(lambda: service.answering.preview(question, reward))
    heading = name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name)
    values: dict[str, Any] = {
        "now": now.items,
        "lines": lines(other, now),
        "notes": other.notes,
        "declared_reward": _reward(spec),
        "other_reward": reward,
        "name": name,
        "toml": f"[scenarios.{heading}]\nreward = {json.dumps(reward, ensure_ascii=False)}",
    }
    if visit.partial:
        return visit.page("_compared.html", **values)
    return await _page(visit, name, spec, form, values)


async def _page(
    visit: Visit, name: str, spec: Scenario, form: dict[str, str], values: dict[str, Any]
) -> Response:
    store = visit.service.workspace.store
    users = await visit.service.aside(lambda: some_users(store))
    declared = [
        (key, json.dumps(value, ensure_ascii=False))
        for key, value in spec.model_dump(mode="json", exclude_defaults=True).items()
    ]
    return visit.page(
        "scenario.html", **{**values, "name": name}, form=form, users=users, declared=declared
    )


def _spec(visit: Visit, name: str) -> Scenario:
    declared = visit.service.workspace.settings.scenarios
    if name not in declared:
        raise NotFoundError(f"unknown scenario {name!r}; {did_you_mean(name, declared)}")
    return declared[name]


def _reward(spec: Scenario) -> str:
    """The reward as one reads it."""
    if isinstance(spec.reward, str):
        return spec.reward
    options = {key: value for key, value in spec.reward.items() if key != "type"}
    told = ", ".join(f"{key} = {value}" for key, value in options.items())
    return f"{spec.reward.get('type', 'constant')}" + (f" ({told})" if told else "")


def _checked(service: Service) -> tuple[str, bool]:
    """What is wrong with the file on disk, and whether it says something new."""
    workspace = service.workspace
    path = workspace.path / SETTINGS_FILE
    try:
        return "", load_settings(path) != workspace.settings
    except PolysceneError as error:
        return str(error), False
