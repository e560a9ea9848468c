"""What every request passes: size, key, rate, and the clock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyscene.server.auth import Guard
from polyscene.server.problems import problem
from polyscene.server.spans import answered, request_span
from polyscene.server.telemetry import Telemetry

__all__ = ["MOST_BYTES", "MOST_UPLOADED", "Gate"]

MOST_BYTES = 16 * 1024 * 1024
"""Size of a body."""
MOST_UPLOADED = 64 * 1024 * 1024
"""Size of a body with a file for an import, which is not held in memory."""
_UPLOADS = "/dashboard/data"


class Gate:
    """An ASGI middleware, without the costs of those that stream.

    Args:
        app: What answers.
        guard: What knows the keys.
        telemetry: What counts.
    """

    def __init__(self, app: ASGIApp, guard: Guard, telemetry: Telemetry) -> None:
        self._app = app
        self._guard = guard
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers: dict[bytes, bytes] = dict(scope["headers"])
        with request_span(scope["method"], headers) as span:
            try:
                await self._answer(scope, headers, receive, counted)
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                answered(span, scope["method"], route, status)
                telemetry = self._telemetry
                telemetry.requests.labels(scope["method"], route, status).inc()
                telemetry.seconds.labels(route).observe(time.perf_counter() - start)

    async def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        refusal = self._guard.refusal(scope["method"], scope["path"], headers)
        if refusal is not None:
            self._telemetry.refused.labels(refusal.why).inc()
            answer = problem(refusal.status, refusal.message, headers=refusal.headers)
            await answer(scope, receive, send)
            return
        length = headers.get(b"content-length", b"0")
        most = MOST_UPLOADED if scope["path"] == _UPLOADS else MOST_BYTES
        if not length.isdigit() or int(length) > most:
            await self._too_large(scope, receive, send, most)
            return
        if b"transfer-encoding" not in headers:  # the server holds a body to its length
            await self._app(scope, receive, send)
            return
        await self._bounded(scope, receive, send)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that does not say how long its body is."""
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > MOST_BYTES:
                await self._too_large(scope, receive, send, MOST_BYTES)
                return
            chunks.append(chunk)
            more = message.get("more_body", False) and message["type"] == "http.request"
        whole: dict[str, Any] = {"type": "http.request", "body": b"".join(chunks)}
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return whole

        await self._app(scope, replay, send)

    async def _too_large(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        self._telemetry.refused.labels("size").inc()
        answer = problem(413, f"the body is larger than {most} bytes; send it in parts")
        await answer(scope, receive, send)
