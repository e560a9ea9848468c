"""Signing in and out, and the files of the pages."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from polyscene.errors import NotFoundError
from polyscene.server.dashboard.visit import STATIC, DashboardRoute, visit_of

__all__ = ["router"]

router = APIRouter(route_class=DashboardRoute)


@router.get("/sign-in")
async def sign_in_page(request: Request) -> Response:
    """Ask for a key."""
    visit = visit_of(request)
    if visit.signed_in:
        return visit.go("")
    onward = request.query_params.get("next", "")
    return visit.page("sign_in.html", onward=onward, refused=False)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Open a session with a key of an admin."""
    visit = visit_of(request)
    onward = visit.field("next")
    if not visit.sign_in(visit.field("key").strip()):
        return visit.page("sign_in.html", 403, onward=onward, refused=True)
    return visit.go(onward if onward.startswith("/") else "")


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session of this browser."""
    visit = visit_of(request)
    visit.sign_out()
    return visit.go("/sign-in")


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    """A file of the pages."""
    if name not in {path.name for path in STATIC.iterdir()}:
        raise NotFoundError(f"no file {name!r}")
    return FileResponse(STATIC / name, headers={"cache-control": "max-age=3600"})
