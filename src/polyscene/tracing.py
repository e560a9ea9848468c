"""Spans of what is going on, for OpenTelemetry; nothing happens until a tracer is given.

An application that has OpenTelemetry set up already gives its own:
`tracing.use(opentelemetry.trace.get_tracer("polyscene"))`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

__all__ = ["carried", "span", "step", "traced", "tracer", "use"]

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

_tracer: Tracer | None = None
_OFF: AbstractContextManager[None] = nullcontext()


def use(tracer: Tracer | None) -> None:
    """Make spans with a tracer from now on, in the whole process; with None, no more."""
    global _tracer
    _tracer = tracer


def tracer() -> Tracer | None:
    """What makes the spans; None where nothing does."""
    return _tracer


def span(name: str, **attributes: str | int) -> AbstractContextManager[object]:
    """A span around a block, below the one that is open.

    Args:
        name: What is going on.
        attributes: What to know of it; never what a person wrote or did.
    """
    if _tracer is None:
        return _OFF
    return _tracer.start_as_current_span(f"polyscene.{name}", attributes=attributes)


def step(name: str) -> AbstractContextManager[object]:
    """A span without any below it: a block may pause inside, as a generator does."""
    return _OFF if _tracer is None else _ended(_tracer, name)


def traced(name: str) -> Callable[[Callable[P, ResultT]], Callable[P, ResultT]]:
    """A decorator that puts a span around each call."""

    def wrap(function: Callable[P, ResultT]) -> Callable[P, ResultT]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> ResultT:
            if _tracer is None:
                return function(*args, **kwargs)
            with span(name):
                return function(*args, **kwargs)

        return call

    return wrap


def carried(work: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """The same function for another thread: its spans are below the one that is open here."""
    if _tracer is None:
        return work
    context = copy_context()

    def call(*args: P.args, **kwargs: P.kwargs) -> ResultT:
        return context.run(work, *args, **kwargs)

    return call


@contextmanager
def _ended(tracer: Tracer, name: str) -> Iterator[None]:
    opened = tracer.start_span(f"polyscene.{name}")
    try:
        yield
    except BaseException as error:
        opened.record_exception(error)
        raise
    finally:
        opened.end()
