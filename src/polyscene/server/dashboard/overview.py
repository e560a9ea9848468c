"""The first page: what goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.server.dashboard.charts import bars
from polyscene.server.dashboard.drift import DAYS_BEFORE, LEAST, Drift, drifts
from polyscene.server.dashboard.figures import DAYS, LATEST, Figures, figures, latency
from polyscene.server.dashboard.visit import DashboardRoute, visit_of
from polyscene.server.service import Service

__all__ = ["Counted", "router"]

router = APIRouter(route_class=DashboardRoute)

_REST = 20
"""How many times as long as a count took it is shown again."""


class Counted:
    """The last count, which is shown again for 20 times as long as it took."""

    def __init__(self) -> None:
        self._counting = asyncio.Lock()
        self._found: tuple[Figures, Sequence[Drift]] | None = None
        self._until = 0.0

    async def now(self, service: Service) -> tuple[Figures, Sequence[Drift]]:
        """The figures, and the drift since the fit of the model that serves."""
        async with self._counting:
            if self._found is None or time.monotonic() > self._until:
                start = time.monotonic()
                self._found = await service.aside(partial(_count, service))
                end = time.monotonic()
                self._until = end + _REST * (end - start)
            return self._found


@router.get("")
async def overview(request: Request) -> Response:
    """Events, answers, latency, clicks, conversions, coverage and drift."""
    visit = visit_of(request)
    service = visit.service
    counted: Counted = request.app.state.counted
    found, moved = await counted.now(service)
    answering, may = service.answering, dict[str, int]()
    if answering.model is not None:
        for name in service.workspace.settings.scenarios:
            may[name] = await service.ask(lambda name=name: int(answering.shown(name).sum()))  # type: ignore[misc]
    return visit.page(
        "overview.html",
        figures=found,
        drifts=moved,
        may=may,
        days=DAYS,
        latest=LATEST,
        days_before=DAYS_BEFORE,
        least=LEAST,
        events=bars(found.events),
        answers=bars(found.answers),
        latency=latency(service.telemetry),
        trouble=service.keeper.trouble,
    )


def _count(service: Service) -> tuple[Figures, Sequence[Drift]]:
    store, model = service.workspace.store, service.answering.model
    found = figures(store, service.workspace.settings.scenarios)
    return found, [] if model is None else drifts(store, model.config.created_at)
