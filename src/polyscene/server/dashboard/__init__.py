"""The dashboard: pages for those who run the service, made on the server."""

from __future__ import annotations

from fastapi import APIRouter

from polyscene.server.dashboard import (
    data,
    entry,
    labels,
    map,
    models,
    overview,
    records,
    review,
    scenarios,
    trying,
)

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
for _part in (entry, overview, trying, records, scenarios, review, labels, map, data, models):
    router.include_router(_part.router, prefix="/dashboard")
