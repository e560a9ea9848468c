"""The two requests that come most, answered before FastAPI routes them.

`GET /v1/recommend` and `POST /v1/events` have routes like all others, which describe them and say
the same. Routing, dependencies and response classes take longer than a kept answer does; here a
request is read, checked by the same models and answered. A test compares the two.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from polyscene.errors import PolysceneError
from polyscene.server.events import parse_events, rendered_events, stamped
from polyscene.server.problems import answer_to
from polyscene.server.service import Service
from polyscene.server.wire import RecommendQuery

__all__ = ["Hot"]


class _Path:
    """A route, as far as the gate looks at it."""

    def __init__(self, path: str) -> None:
        self.path = path


_RECOMMEND, _EVENTS = _Path("/v1/recommend"), _Path("/v1/events")


class Hot:
    """An ASGI middleware that answers the hot requests itself.

    Args:
        app: What answers all others.
        service: The service.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        asked = (scope.get("method"), scope.get("path"))
        if asked == ("GET", _RECOMMEND.path):
            scope["route"] = _RECOMMEND
            await self._answer(self._recommend(scope), send, ("query",))
        elif asked == ("POST", _EVENTS.path):
            scope["route"] = _EVENTS
            await self._answer(self._add_events(receive), send)
        else:
            await self._app(scope, receive, send)

    async def _answer(
        self, making: Coroutine[Any, Any, bytes], send: Send, where: Sequence[str] = ()
    ) -> None:
        try:
            body = await making
        except ClientDisconnect:
            return
        except (PolysceneError, ValidationError) as error:
            await _send(answer_to(error, where), send)
            return
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _recommend(self, scope: Scope) -> bytes:
        given: dict[str, Any] = {}
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        for name, value in pairs:
            if name == "exclude":
                given.setdefault(name, []).append(value)
            else:
                given[name] = value
        return await self._service.recommend(RecommendQuery.model_validate(given).question())

    async def _add_events(self, receive: Receive) -> bytes:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            more = message.get("more_body", False)
        events = stamped(parse_events(body))
        return rendered_events(await self._service.commits.add(events))


async def _send(answer: Response, send: Send) -> None:
    start = {"type": "http.response.start", "status": answer.status_code}
    await send({**start, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": answer.body})
