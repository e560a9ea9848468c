"""Routes for what waits for a decision: list, decide, and what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from polyscene.data.schema import Id
from polyscene.engine.review import Held, decide, on_hold
from polyscene.errors import NotFoundError, did_you_mean
from polyscene.server.lists import ERRORS, json_bytes, service_of
from polyscene.server.service import Service
from polyscene.server.wire import Words, dumped
from polyscene.settings import Scenario
from polyscene.storage import Decision, reviewed

__all__ = ["NOBODY", "decided_on", "router", "waiting"]

router = APIRouter(prefix="/v1/review", responses=ERRORS, tags=["review"])

NOBODY = "local"
"""Who decides where no key was ever made, so that the service is for its machine only."""
Some = Annotated[int, Field(ge=1, le=1000)]


class HeldModel(BaseModel):
    """A target that waits."""

    scenario: str
    item_id: str
    title: str
    why: str


class WaitingModel(BaseModel):
    """The first that wait, and whether more do."""

    waiting: list[HeldModel]
    more: bool


class ReviewModel(BaseModel):
    """A decision."""

    seq: int
    scenario: str
    target: str
    decision: str
    why: str
    """What the target was on hold for; empty where it was not."""
    decided_by: str
    decided_at: float


class ReviewsModel(BaseModel):
    """Decisions, newest first."""

    reviews: list[ReviewModel]


class DecidedModel(BaseModel):
    """On how many targets was decided."""

    decided: int


class DecideBody(BaseModel):
    """What is decided."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [{"scenario": "shop", "item_ids": ["tea-1"], "decision": "approve"}]
        },
    )

    scenario: Words
    """Where it counts."""
    item_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)]
    """The targets; ids of users where people are recommended."""
    decision: Decision
    """approve: show it although it is on hold; block: never show it; reopen: take that back."""


@router.get("", response_model=WaitingModel)
async def list_waiting(request: Request, scenario: Words | None = None, n: Some = 100) -> Response:
    """What is on hold, by scenario, in the order in which it arrived."""
    service = service_of(request)
    found, more = await service.aside(lambda: waiting(service, scenario, n))
    return json_bytes(dumped({"waiting": found, "more": more}))


@router.get("/decisions", response_model=ReviewsModel)
async def list_decisions(
    request: Request,
    scenario: Words | None = None,
    before: Annotated[int | None, Query(ge=0, le=2**62, description="A `seq`.")] = None,
    n: Some = 100,
) -> Response:
    """What was decided, by whom and when, newest first."""
    service = service_of(request)
    store = service.workspace.store
    found = await service.aside(lambda: reviewed(store, scenario, before, n))
    return json_bytes(dumped({"reviews": found}))


@router.post("", response_model=DecidedModel)
async def decide_on(request: Request, body: DecideBody) -> Response:
    """Approve, block, or take a decision back; it counts in the next answer."""
    service = service_of(request)
    by = service.guard.caller(request.headers.raw) or NOBODY
    count = await decided_on(service, body.scenario, body.item_ids, body.decision, by)
    return json_bytes(dumped({"decided": count}))


def waiting(service: Service, scenario: str | None, n: int) -> tuple[list[Held], bool]:
    """The first n targets on hold, and whether there are more. O(records).

    Raises:
        NotFoundError: When the scenario is unknown.
    """
    declared, store = service.workspace.settings.scenarios, service.workspace.store
    some = declared if scenario is None else {scenario: _spec(service, scenario)}
    held = chain.from_iterable(on_hold(store, name, spec) for name, spec in some.items())
    found = list(islice(held, n + 1))
    return found[:n], len(found) > n


async def decided_on(
    service: Service, scenario: str, ids: Sequence[str], decision: Decision, by: str
) -> int:
    """Write a decision down and serve by it; on how many targets that was.

    Raises:
        NotFoundError: When the scenario or a target is unknown.
        DataError: When a target that is withheld for good is to be approved.
    """
    spec, store = _spec(service, scenario), service.workspace.store
    count = await service.commits.write(
        lambda writer: decide(writer, store, scenario, spec, ids, decision, by)
    )
    await service.keeper.keep_up()
    return count


def _spec(service: Service, scenario: str) -> Scenario:
    declared: Any = service.workspace.settings.scenarios
    if scenario not in declared:
        raise NotFoundError(f"unknown scenario {scenario!r}; {did_you_mean(scenario, declared)}")
    found: Scenario = declared[scenario]
    return found
