"""Errors as answers: one body, and the status that says whose mistake it was.

    {"error": {"type": "NotFoundError", "message": "unknown scenario 'shp'; did you mean 'shop'?"}}

An error in what was sent has `details` besides: where, and what was expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from polyscene.errors import (
    BusyError,
    DataError,
    EncoderError,
    ModelError,
    NotFittedError,
    NotFoundError,
    OverloadError,
    PolysceneError,
    SettingsError,
    WorkspaceError,
)
from polyscene.logs import get_logger

__all__ = ["answer_to", "handle_problems", "problem", "status_of"]

_log = get_logger(__name__)
_STATUS: dict[type[PolysceneError], int] = {
    NotFoundError: 404,
    DataError: 422,
    SettingsError: 422,
    NotFittedError: 503,
    ModelError: 503,
    EncoderError: 503,
    WorkspaceError: 503,
    BusyError: 409,
    OverloadError: 503,
}
_NAMES = {
    400: "RequestError",
    401: "AuthenticationError",
    403: "PermissionError",
    404: "NotFoundError",
    405: "MethodError",
    409: "ConflictError",
    413: "TooLargeError",
    422: "RequestError",
    429: "RateLimitError",
}


def problem(
    status: int,
    message: str,
    kind: str | None = None,
    details: Sequence[Mapping[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error as an answer.

    Args:
        status: The HTTP status.
        message: What came, what was allowed, what to do.
        kind: The type of the error; by the status when omitted.
        details: Where in the request something is wrong.
        headers: Further headers.
    """
    error: dict[str, Any] = {"type": kind or _NAMES.get(status, "InternalError")}
    error["message"] = message
    if details:
        error["details"] = details
    body = orjson.dumps({"error": error}, default=str)
    return Response(body, status, headers, "application/json")


def status_of(error: PolysceneError) -> int:
    """The HTTP status of an error of ours."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)


def handle_problems(app: FastAPI) -> None:
    """Make every error of an app answer with the one body."""
    app.add_exception_handler(PolysceneError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def answer_to(error: PolysceneError | ValidationError, where: Sequence[str] = ()) -> Response:
    """The answer to an error of ours, or in what was sent.

    Args:
        error: The error.
        where: What stands before the place of what is wrong, such as "query".
    """
    if isinstance(error, ValidationError):
        return _wrong(error, where)
    status = status_of(error)
    headers = {"retry-after": "1"} if status == 503 else None
    if status >= 500:
        _log.warning("%s: %s", type(error).__name__, error)
    return problem(status, str(error), type(error).__name__, headers=headers)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, PolysceneError)
    return answer_to(error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)
    return _wrong(error)


def _wrong(error: RequestValidationError | ValidationError, where: Sequence[str] = ()) -> Response:
    details = [
        {"where": ".".join(map(str, (*where, *one["loc"]))), "expected": one["msg"]}
        for one in error.errors()[:20]
    ]
    first = details[0] if details else {"where": "", "expected": "another request"}
    return problem(422, f"{first['where']}: {first['expected']}".strip(": "), details=details)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), headers=error.headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "something went wrong here; the log of the service says what")
