"""Routes that answer with lists: recommend, pages, similar, people, search."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from polyscene.data.schema import Id
from polyscene.errors import NotFoundError
from polyscene.server.question import Question
from polyscene.server.service import Service
from polyscene.server.wire import (
    AnswerModel,
    ErrorModel,
    Length,
    PageModel,
    RecommendBody,
    RecommendQuery,
    Words,
)

__all__ = ["ERRORS", "json_bytes", "router", "service_of"]

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorModel, "description": what}
    for status, what in {
        401: "No key, or an unknown one.",
        403: "The key may not do this.",
        404: "Something that was named does not exist.",
        422: "The request is not what is expected.",
        429: "More requests than the key may send.",
        503: "The service cannot do this now.",
    }.items()
}
"""What every route may answer besides."""

_TURNS = 20
"""Earlier requests that one may follow, at most."""

router = APIRouter(prefix="/v1", responses=ERRORS, tags=["lists"])


def service_of(request: Request) -> Service:
    """The service that the app of a request stands before."""
    service: Service = request.app.state.service
    return service


def json_bytes(body: bytes, status: int = 200) -> Response:
    """JSON that is made already."""
    return Response(body, status, media_type="application/json")


@router.get("/recommend", response_model=AnswerModel)
async def recommend(request: Request, asked: Annotated[RecommendQuery, Query()]) -> Response:
    """The best targets of a scenario for a user or a text, with reasons."""
    return json_bytes(await service_of(request).recommend(asked.question()))


@router.post("/recommend", response_model=AnswerModel)
async def recommend_by_body(request: Request, asked: RecommendBody) -> Response:
    """The same, also for what was done in a session."""
    now = time.time()
    question = asked.question([one.event(now) for one in asked.events])
    return json_bytes(await service_of(request).recommend(question))


@router.get("/pages/{page}", response_model=PageModel)
async def page(
    request: Request,
    page: str,
    user: Id | None = None,
    n: Length = 10,
    explain: bool = False,
) -> Response:
    """The lists of a declared page, with nothing twice."""
    question = Question("", n, user, explain=explain)
    return json_bytes(await service_of(request).page(page, question))


@router.get("/similar/{item:path}", response_model=AnswerModel)
async def similar(
    request: Request,
    item: str,
    scenario: Words,
    n: Length = 10,
    filter: Words | None = None,
    explain: bool = False,
) -> Response:
    """The targets of a scenario that read most like one of them."""
    service = service_of(request)
    question = Question(scenario, n, filter=filter)
    answering = service.answering
    body = await service.listed(lambda: answering.similar(item, question), explain)
    return json_bytes(body)


@router.get("/people/{user:path}", response_model=AnswerModel)
async def people(
    request: Request,
    user: str,
    scenario: Words | None = None,
    n: Length = 10,
    explain: bool = False,
) -> Response:
    """People for a user; in the first scenario that recommends people, when none is named."""
    service = service_of(request)
    scenarios = service.workspace.settings.scenarios
    social = [name for name, spec in scenarios.items() if spec.target == "person"]
    if scenario is None and not social:
        raise NotFoundError('no scenario recommends people; declare one with target = "person"')
    if scenario is not None and scenario in scenarios and scenario not in social:
        raise NotFoundError(f"the scenario {scenario!r} recommends no people; allowed: {social}")
    question = Question(scenario or social[0], n, user, explain=explain)
    return json_bytes(await service.recommend(question))


@router.get("/search", response_model=AnswerModel)
async def search(
    request: Request,
    q: Annotated[str, Field(min_length=1, max_length=10_000, description="What is looked for.")],
    scenario: Words,
    user: Id | None = None,
    n: Length = 10,
    filter: Words | None = None,
    explain: bool = False,
    ask: Annotated[bool, Query(description="Whether it is a request to be understood.")] = False,
    after: Annotated[
        list[Words],
        Query(max_length=_TURNS, description="The requests that it follows, oldest first."),
    ] = [],  # noqa: B006  (FastAPI copies it)
) -> Response:
    """The targets of a scenario whose text fits a text, a little by who searches.

    With `ask`, a language model makes filters and search words of it, where one is declared.
    """
    service = service_of(request)
    question = Question(scenario, n, user, text=q, filter=filter)
    if ask or after:
        return json_bytes(await service.asked(question, after, explain))
    body = await service.listed(lambda: service.answering.search(question), explain)
    return json_bytes(body)
