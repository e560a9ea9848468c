"""Models: which there are, a new fit, and which one serves."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.server.dashboard.visit import DashboardRoute, Visit, visit_of
from polyscene.server.models import listed, roll_back, serve_version

__all__ = ["router"]

router = APIRouter(route_class=DashboardRoute)


@router.get("/models")
async def models(request: Request) -> Response:
    """All versions on disk, newest first, and the last fit."""
    return await _shown(visit_of(request))


@router.post("/models/fit")
async def fit(request: Request) -> Response:
    """Fit in the background."""
    visit = visit_of(request)
    await visit.service.fits.start()
    return await _shown(visit) if visit.partial else visit.go("/models")


@router.post("/models/promote")
async def promote(request: Request) -> Response:
    """Serve a version."""
    visit = visit_of(request)
    await serve_version(visit.service, visit.field("version"))
    return await _shown(visit) if visit.partial else visit.go("/models")


@router.post("/models/rollback")
async def go_back(request: Request) -> Response:
    """Serve the version before the current one."""
    visit = visit_of(request)
    await roll_back(visit.service)
    return await _shown(visit) if visit.partial else visit.go("/models")


async def _shown(visit: Visit) -> Response:
    service = visit.service
    found = await service.aside(lambda: listed(service))
    template = "_models.html" if visit.partial else "models.html"
    versions, fit = list(reversed(found["models"])), found["fit"]
    swapping = any(one["current"] and not one["serving"] for one in versions)
    return visit.page(
        template,
        models=versions,
        fit=fit,
        trouble=service.trouble,
        waiting=fit.state == "running" or (swapping and not service.trouble),
        partial=visit.partial,
    )
