"""`POST /v1/events`: acknowledged when on disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.data.schema import Event
from polyscene.feedback.commits import Added
from polyscene.server.lists import ERRORS, json_bytes, service_of

__all__ = ["MOST_EVENTS", "parse_events", "rendered_events", "router", "stamped"]

MOST_EVENTS = 10_000
"""Events in one request."""

router = APIRouter(prefix="/v1", responses=ERRORS, tags=["events"])

_ONE: TypeAdapter[Event] = TypeAdapter(Event)
_MANY: TypeAdapter[list[Event]] = TypeAdapter(
    Annotated[list[Event], Field(min_length=1, max_length=MOST_EVENTS)]
)
_EXAMPLES = {
    "one": {
        "summary": "One event",
        "value": {
            "user_id": "ann",
            "item_id": "tea-1",
            "action": "click",
            "scenario": "shop",
            "event_id": "5f0c",
            "request_id": "0b6c4a1f7d2e4c37a4f3f1f4f0d7a0c1",
        },
    },
    "many": {
        "summary": "A batch: all or none is stored",
        "value": [
            {"user_id": "ann", "item_id": "tea-1", "action": "click", "event_id": "5f0c"},
            {"user_id": "ann", "item_id": "tea-2", "action": "like", "event_id": "5f0d"},
        ],
    },
}


class AddedModel(BaseModel):
    """What came of the events."""

    accepted: int
    repeated: int
    """Left out, because an event of the same event_id was there already."""


def _schema() -> dict[str, Any]:
    one = Event.model_json_schema(ref_template="#/components/schemas/{model}")
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": MOST_EVENTS}]}


@router.post(
    "/events",
    response_model=AddedModel,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _schema(), "examples": _EXAMPLES}},
        }
    },
)
async def add_events(request: Request) -> Response:
    """Store one event, or a list of up to 10,000, all or none.

    The answer comes when they are on disk. An event with an `event_id` that is there already is
    counted as repeated; so a request may be sent again. Without a timestamp it happened now.
    """
    events = stamped(parse_events(await request.body()))
    return json_bytes(rendered_events(await service_of(request).commits.add(events)))


def rendered_events(added: Added) -> bytes:
    """What came of events, as JSON."""
    return b'{"accepted":%d,"repeated":%d}' % (added.accepted, added.repeated)


def parse_events(body: bytes) -> Sequence[Event]:
    """The events in a body.

    Raises:
        ValidationError: When it is not JSON, or an event is wrong.
    """
    if body.lstrip()[:1] == b"[":
        return _MANY.validate_json(body)
    return [_ONE.validate_json(body)]


def stamped(events: Sequence[Event]) -> Sequence[Event]:
    """The events, those without a time as of now."""
    now = time.time()
    return [
        event
        if event.timestamp is not None
        else Event.model_construct(**{**event.__dict__, "timestamp": now})
        for event in events
    ]
