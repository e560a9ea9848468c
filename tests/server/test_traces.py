"""Spans of OpenTelemetry: what they show of a request, and where they are sent."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from polyscene import tracing
from polyscene.errors import MissingExtraError, SettingsError
from polyscene.server.spans import start_tracing
from polyscene.settings import TraceSettings, parse_settings
from served import eventually, get

from .conftest import Server

pytest.importorskip("opentelemetry.sdk.trace")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider.get_tracer("test"))
    yield exporter
    tracing.use(None)
    provider.shutdown()


def below(parent: ReadableSpan, found: list[ReadableSpan]) -> set[str]:
    """The names of the spans right below one."""
    assert parent.context is not None
    return {s.name for s in found if s.parent and s.parent.span_id == parent.context.span_id}


def test_a_request_shows_its_stages(serve: Server, spans: InMemorySpanExporter) -> None:
    """All are below the request, which is below the caller's span, though threads change."""
    client = serve()
    spans.clear()
    path = "/v1/recommend?scenario=shop&user=ann"
    answer = client.get(path, headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})
    assert answer.status_code == 200
    ended = eventually(lambda: [s for s in spans.get_finished_spans() if s.kind is SpanKind.SERVER])
    (request,) = ended
    found = [s for s in spans.get_finished_spans() if s.context.trace_id == int(TRACE, 16)]
    assert request.name == "GET /v1/recommend"
    assert request.parent.span_id == int(CALLER, 16)
    assert request.attributes["http.route"] == "/v1/recommend"
    assert request.attributes["http.response.status_code"] == 200
    stages = {f"polyscene.{name}" for name in ("sources", "ranking", "rerank", "reasons")}
    assert stages | {"polyscene.store.read", "polyscene.encode"} <= below(request, found)
    (sources,) = (s for s in found if s.name == "polyscene.sources")
    assert below(sources, found) == {"polyscene.source.semantic-soft"}
    assert not any("ann" in str(s.attributes) for s in found)


def test_events_and_errors_are_shown(serve: Server, spans: InMemorySpanExporter) -> None:
    client = serve()
    event = {"user_id": "ann", "item_id": "tea-3", "action": "click"}
    spans.clear()
    client.post("/v1/events", json=event)
    assert client.get("/v1/similar/none?scenario=shop").status_code == 404

    def statuses() -> dict[str, int]:
        ended = [s for s in spans.get_finished_spans() if s.kind is SpanKind.SERVER]
        return {s.name: s.attributes["http.response.status_code"] for s in ended}

    eventually(lambda: len(statuses()) == 2)
    assert statuses() == {"POST /v1/events": 200, "GET /v1/similar/{item:path}": 404}
    assert "polyscene.store.write" in {s.name for s in spans.get_finished_spans()}


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a collector, and what it was sent."""
    taken: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", taken
        server.shutdown()
        thread.join()


def test_a_service_sends_them_where_it_is_told(
    serve: Server, collector: tuple[str, list[bytes]]
) -> None:
    """The last ones when it stops; afterwards none are made."""
    address, taken = collector
    client = serve(traces={"endpoint": address, "service_name": "the-shop"})
    get(client, "/v1/recommend", scenario="shop", user="ann")
    client.service._stop_tracing()
    sent = b"".join(taken)
    for text in (b"the-shop", b"GET /v1/recommend", b"polyscene.rerank"):
        assert text in sent
    assert tracing.tracer() is None


def test_a_collector_that_is_down_costs_no_answer(serve: Server) -> None:
    client = serve(traces={"endpoint": "http://127.0.0.1:9/v1/traces", "sample": 1.0})
    assert get(client, "/v1/recommend", scenario="shop", user="ann")["notes"] == []


def test_none_are_made_unless_told(serve: Server) -> None:
    client = serve()
    assert tracing.tracer() is None
    assert get(client, "/v1/recommend", scenario="shop", user="ann")["items"]


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(MissingExtraError, match=r'pip install "polyscene\[otel\]"'):
        start_tracing(TraceSettings(endpoint="http://127.0.0.1:4318/v1/traces"))


@pytest.mark.parametrize("wrong", [{"endpoint": "localhost:4318"}, {"sample": 2}, {"rate": 1}])
def test_wrong_settings_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=f"traces.{next(iter(wrong))}"):
        parse_settings({"traces": wrong})
