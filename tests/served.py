"""A service in this process, asked over ASGI: no port, and its own event loop in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import uvicorn
from fastapi import FastAPI

import tiny_world
from polyscene.encoders import Encoder
from polyscene.server.app import create_app
from polyscene.server.pace import Pace
from polyscene.server.service import Service

ResultT = TypeVar("ResultT")


class Served:
    """An app between its start and its stop, with the methods of an HTTP client."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.http: httpx.AsyncClient

    @property
    def service(self) -> Service:
        service: Service = self.app.state.service
        return service

    def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """What a coroutine gives in the loop of the service."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.run(self.http.request(method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

    def __enter__(self) -> Self:
        self._thread.start()
        self._lifespan = self.app.router.lifespan_context(self.app)
        self.run(self._lifespan.__aenter__())
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run(self.http.aclose())
        self.run(self._lifespan.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


PACE = Pace(looks_s=0.05, logs_s=0.05, store_s=30.0, encoder_s=30.0)
"""Looks at once, and waits for as long as a busy machine may need."""


def served(path: Path, encoder: Encoder | None = None, pace: Pace = PACE, **options: Any) -> Served:
    """A service over the tiny world in a directory."""
    command = options.pop("fit_command", ())
    engine = tiny_world.reopen(path, options.pop("scenarios", None), encoder, **options)
    return Served(create_app(engine.workspace, pace, command))


@contextmanager
def listening(path: Path, scenarios: dict[str, dict[str, Any]] | None = None) -> Iterator[str]:
    """The address of a service over a new tiny world in a directory, on a port that is free."""
    tiny_world.make(path, scenarios).close()
    app = create_app(tiny_world.reopen(path, scenarios).workspace, PACE)
    with socket.create_server(("127.0.0.1", 0)) as port:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([port])), daemon=True)
        thread.start()
        eventually(lambda: server.started, 20)
        yield f"http://127.0.0.1:{port.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def eventually(holds: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What a function gives as soon as that is something."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def get(client: Served, path: str, **parameters: Any) -> Any:
    """What a GET answers, which must succeed."""
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(body: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in body["items"]]
