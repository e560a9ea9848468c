"""Routes for those who run the service: health and metrics."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from polyscene.server.lists import json_bytes, service_of
from polyscene.server.wire import dumped

__all__ = ["router"]

router = APIRouter(tags=["health"])


class LiveModel(BaseModel):
    """The process answers."""

    live: bool


class ReadyModel(BaseModel):
    """Whether requests should be sent here."""

    ready: bool
    model: str
    trouble: str
    """Why the newest model does not serve; empty where it does."""


@router.get("/health/live", response_model=LiveModel)
async def live() -> Response:
    """Whether the process answers; nothing else is looked at."""
    return json_bytes(b'{"live":true}')


@router.get(
    "/health/ready",
    response_model=ReadyModel,
    responses={503: {"model": ReadyModel, "description": "The store cannot be read."}},
)
async def ready(request: Request) -> Response:
    """Whether the store can be read; without a model, lists are made do with."""
    service = service_of(request)
    wrong = await service.unready()
    body = {
        "ready": not wrong,
        "model": service.keeper.version,
        "trouble": wrong or service.keeper.trouble,
    }
    return json_bytes(dumped(body), 503 if wrong else 200)


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """All counters in the text format of Prometheus."""
    text = service_of(request).telemetry.text()
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
