"""A request for a page of the dashboard, and what every answer has: session, language, headers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polyscene import __version__
from polyscene.errors import DataError, PolysceneError
from polyscene.server.dashboard.session import LASTS_S, Session, Sessions
from polyscene.server.dashboard.words import LANGUAGES, preferred, translated
from polyscene.server.problems import status_of
from polyscene.server.service import Service

__all__ = ["STATIC", "DashboardRoute", "Visit", "visit_of"]

STATIC = Path(__file__).with_name("static")
_HOME = "/dashboard"
_SIGN_IN = f"{_HOME}/sign-in"
_SESSION, _LANGUAGE = "polyscene_session", "polyscene_language"
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
_PAGES = (
    ("", "Overview"),
    ("/try", "Try it"),
    ("/items", "Items"),
    ("/users", "Users"),
    ("/scenarios", "Scenarios"),
    ("/map", "Map"),
    ("/review", "Review"),
    ("/labels", "Labels"),
    ("/data", "Data"),
    ("/models", "Models"),
)


class _SignInError(Exception):
    """Nobody is signed in."""


class Visit:
    """One request of a browser.

    Args:
        request: The request.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.service: Service = request.app.state.service
        self._sessions: Sessions = request.app.state.sessions
        known = self._sessions.known(request.cookies.get(_SESSION, ""))
        self.session: Session = known or self._sessions.open()
        # a form that another site sends comes without the cookie, and must not replace it
        self._new = known is None and request.method == "GET"
        asked = request.query_params.get("lang", "")
        self._switched = asked in LANGUAGES
        chosen = asked if self._switched else request.cookies.get(_LANGUAGE, "")
        self.language = preferred(chosen, request.headers.get("accept-language", ""))
        self.fields: list[tuple[str, str]] = []
        self.files: dict[str, UploadFile] = {}

    @property
    def partial(self) -> bool:
        """Whether htmx asks, which needs only the part that changes."""
        return self.request.headers.get("hx-request") == "true"

    @property
    def signed_in(self) -> bool:
        """Whether this browser may see and do everything."""
        guard = self.service.guard
        return guard.open or guard.role(self.session.key_id) == "admin"

    def field(self, name: str, default: str = "") -> str:
        """The last value of a field of the form that was sent."""
        return next((value for key, value in reversed(self.fields) if key == name), default)

    def say(self, english: str, **values: Any) -> str:
        """A text of the pages in the language of the visit."""
        return translated(english, self.language).format(**values)

    def sign_in(self, key: str) -> bool:
        """Open a session with a key; whether it is one of an admin."""
        key_id = self.service.guard.known(key)
        if key_id is None or self.service.guard.role(key_id) != "admin":
            return False
        self.session, self._new = self._sessions.open(key_id), True
        return True

    def sign_out(self) -> None:
        """Go on as nobody."""
        self.session, self._new = self._sessions.open(), True

    def go(self, path: str) -> Response:
        """Send the browser to another page of the dashboard."""
        address = quote(_HOME + path, safe="/?=&%")
        if self.partial:
            return Response(status_code=204, headers={"hx-redirect": address})
        return RedirectResponse(address, 303)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page, or a part of one where the name of the template begins with "_"."""
        path = self.request.url.path.removeprefix(_HOME)
        switch = {
            name: str(self.request.url.include_query_params(lang=name).query) for name in LANGUAGES
        }
        html = _templates().get_template(template).render(
            values,
            _=self.say,
            language=self.language,
            switch=switch,
            languages=LANGUAGES,
            path=path,
            pages=_PAGES,
            token=self._sessions.token(self.session),
            signed_in=self.signed_in,
            locked=not self.service.guard.open,
            serving=self.service.keeper.version,
            release=__version__,
        )  # fmt: skip
        return HTMLResponse(html, status)

    async def admit(self) -> None:
        """Read the form, and let pass who may.

        Raises:
            DataError: When a form is not one of this session.
        """
        path = self.request.url.path
        if self.request.method == "POST":
            await self._read()
            if not self._sessions.sent_back(self.field("token"), self.session):
                raise DataError(self.say("This form is too old. Load the page again."))
        if not (self.signed_in or path == _SIGN_IN or path.startswith(f"{_HOME}/static/")):
            raise _SignInError

    async def _read(self) -> None:
        """Read the form; files only of those who are signed in."""
        if not self.request.headers.get("content-type", "").startswith("multipart/form-data"):
            body = (await self.request.body()).decode("utf-8", "replace")
            self.fields = parse_qsl(body, keep_blank_values=True)
            return
        if not self.signed_in:
            raise _SignInError
        try:
            form = await self.request.form(max_files=1, max_fields=20)
        except HTTPException as error:
            raise DataError(str(error.detail)) from error
        for name, value in form.multi_items():
            if isinstance(value, str):
                self.fields.append((name, value))
            else:
                self.files[name] = value

    async def close(self) -> None:
        """Drop the files that came."""
        for file in self.files.values():
            await file.close()

    def refused(self) -> Response:
        """The way to the sign-in."""
        path = self.request.url.path.removeprefix(_HOME)
        return self.go(
            f"/sign-in?next={quote(path)}" if self.request.method == "GET" else "/sign-in"
        )

    def failed(self, error: Exception) -> Response:
        """A page that says what is wrong."""
        status = status_of(error) if isinstance(error, PolysceneError) else 422
        template = "_error.html" if self.partial else "error.html"
        return self.page(template, status, message=_told(error))

    def sealed(self, response: Response) -> Response:
        """The answer with the headers and cookies that all have."""
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        secure = self.request.url.scheme == "https"
        if self._new:
            response.set_cookie(
                _SESSION, self._sessions.cookie(self.session), LASTS_S, path=_HOME,
                secure=secure, httponly=True, samesite="lax",
            )  # fmt: skip
        if self._switched:
            response.set_cookie(
                _LANGUAGE, self.language, 31_536_000, path=_HOME,
                secure=secure, httponly=True, samesite="lax",
            )  # fmt: skip
        return response


class DashboardRoute(APIRoute):
    """A route whose handler finds a visit that was let in, and whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI."""
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            visit = request.state.visit = Visit(request)
            try:
                await visit.admit()
                response = await answer(request)
            except _SignInError:
                response = visit.refused()
            except (PolysceneError, ValidationError, RequestValidationError) as error:
                response = visit.failed(error)
            finally:
                await visit.close()
            return visit.sealed(response)

        return handler


def visit_of(request: Request) -> Visit:
    """The visit that a handler answers."""
    visit: Visit = request.state.visit
    return visit


def _told(error: Exception) -> str:
    if isinstance(error, ValidationError | RequestValidationError):
        first: Mapping[str, Any] = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("polyscene.server.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
