"""A real HTTP server on this machine that answers as an OpenAI-compatible service, and as told."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from polyscene.testing.fake_encoder import hashed_vectors

__all__ = ["FakeAnswer", "FakeRequest", "FakeServer"]

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FakeAnswer:
    """What the server does with one request, instead of answering it well."""

    status: int = 200
    """HTTP status. The body of 400 and above is an error object with `message`."""
    message: str = "the fake server was told to fail"
    """What the error object says."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers, such as Retry-After."""
    delay_s: float = 0.0
    """How long to wait before answering."""
    body: bytes | None = None
    """Sent as it is instead of the right body, such as malformed JSON."""
    change: Callable[[Payload], Payload] | None = None
    """Applied to the right answer, such as to drop a vector."""


@dataclass(frozen=True, slots=True)
class FakeRequest:
    """What a client sent."""

    path: str
    headers: dict[str, str]
    """Header names are in lower case."""
    payload: Payload


class FakeServer:
    """Use it as a context manager; it stops at the end of the block.

    It answers /v1/embeddings with vectors that depend on the texts only, in shuffled order of
    index when there are several. `answer_with` puts answers before that, one a request;
    `routes` takes further paths, each a function from payload to answer.

    Args:
        dim: Components of a vector when the client asks for none.
    """

    def __init__(self, dim: int = 16) -> None:
        self.requests: list[FakeRequest] = []
        """What came, in order."""
        self.routes: dict[str, Callable[[Payload], Payload]] = {"/v1/embeddings": self._embeddings}
        self._dim = dim
        self._script: deque[FakeAnswer] = deque()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        """The base URL that a client is given."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def answer_with(self, *answers: FakeAnswer) -> None:
        """Answer the next requests so, then well again."""
        with self._lock:
            self._script.extend(answers)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _embeddings(self, payload: Payload) -> Payload:
        texts = payload["input"]
        vectors = hashed_vectors(texts, payload.get("dimensions", self._dim))
        data = [
            {"object": "embedding", "index": index, "embedding": vector.tolist()}
            for index, vector in enumerate(vectors)
        ]
        return {"object": "list", "model": payload["model"], "data": data[::-1]}

    def _respond(self, request: FakeRequest) -> tuple[int, dict[str, str], bytes]:
        with self._lock:
            self.requests.append(request)
            told = self._script.popleft() if self._script else FakeAnswer()
        time.sleep(told.delay_s)
        if told.body is not None:
            return told.status, told.headers, told.body
        if told.status >= 400:
            error = {"error": {"message": told.message, "type": "fake"}}
            return told.status, told.headers, json.dumps(error).encode()
        route = self.routes.get(request.path)
        if route is None:
            error = {"error": {"message": f"no route {request.path}", "type": "fake"}}
            return 404, {}, json.dumps(error).encode()
        answer = route(request.payload)
        if told.change is not None:
            answer = told.change(answer)
        return told.status, told.headers, json.dumps(answer).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        respond = self._respond

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                payload = json.loads(self.rfile.read(length) or b"{}")
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, extra, body = respond(FakeRequest(self.path, headers, payload))
                try:
                    self.send_response(status)
                    for name, value in extra.items():
                        self.send_header(name, value)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client's patience was shorter

            def log_message(self, format: str, *args: Any) -> None:
                return None

        return Handler
