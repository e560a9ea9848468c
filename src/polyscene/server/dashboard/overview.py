"""The first page: what goes on."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.server.dashboard.charts import bars
from polyscene.server.dashboard.figures import DAYS, figures, latency
from polyscene.server.dashboard.visit import DashboardRoute, visit_of

__all__ = ["router"]

router = APIRouter(route_class=DashboardRoute)


@router.get("")
async def overview(request: Request) -> Response:
    """Events, answers, latency, clicks and coverage."""
    visit = visit_of(request)
    service = visit.service
    found = await service.aside(lambda: figures(service.workspace.store))
    return visit.page(
        "overview.html",
        figures=found,
        days=DAYS,
        events=bars(found.events),
        answers=bars(found.answers),
        latency=latency(service.telemetry),
        trouble=service.trouble,
    )
