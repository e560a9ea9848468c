"""Traces of requests, sent to a collector by OTLP over HTTP (extra `otel`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from polyscene import __version__, tracing
from polyscene.extras import require
from polyscene.settings import TraceSettings

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["answered", "check_tracing", "request_span", "start_tracing"]

_WAIT_MS = 3000
"""How long the last spans may take when the service stops."""


def check_tracing(settings: TraceSettings) -> None:
    """Look whether traces can be sent, if they are to be.

    Raises:
        MissingExtraError: When the extra `otel` is not installed.
    """
    if settings.endpoint is not None:
        for module in ("sdk.trace", "exporter.otlp.proto.http.trace_exporter"):
            require(f"opentelemetry.{module}", "otel", "traces.endpoint")


def start_tracing(settings: TraceSettings) -> Callable[[], None]:
    """Send spans from now on, if there is somewhere to send them; gives what stops that.

    Spans wait in memory and are sent by a thread. What the collector does not take is dropped:
    no request waits for it or fails because of it. Headers, such as a key, are read from the
    variable OTEL_EXPORTER_OTLP_HEADERS.

    Raises:
        MissingExtraError: When the extra `otel` is not installed.
    """
    check_tracing(settings)
    if settings.endpoint is None:
        return lambda: None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    about = {"service.name": settings.service_name, "service.keeper.version": __version__}
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(settings.sample),
        resource=Resource.create(about),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=settings.endpoint, timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracing.use(provider.get_tracer("polyscene", __version__))

    def stop() -> None:
        tracing.use(None)
        provider.force_flush(_WAIT_MS)
        provider.shutdown()

    return stop


@contextmanager
def request_span(method: str, headers: Mapping[bytes, bytes]) -> Iterator[Span | None]:
    """A span around a request, below that of the caller, if `traceparent` names one."""
    tracer = tracing.tracer()
    if tracer is None:
        yield None
        return
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind

    given = {
        name: headers[name.encode()].decode("latin-1")
        for name in ("traceparent", "tracestate")
        if name.encode() in headers
    }
    with tracer.start_as_current_span(
        method, context=extract(given), kind=SpanKind.SERVER,
        attributes={"http.request.method": method},
    ) as span:  # fmt: skip
        yield span


def answered(span: Span | None, method: str, route: str, status: int) -> None:
    """Say in the span of a request which route answered, and how."""
    if span is None:
        return
    from opentelemetry.trace import Status, StatusCode

    span.update_name(f"{method} {route}")
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
