"""Models: which there are, a new fit, and which one serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.errors import NotFoundError
from polyscene.fitting.reports import KeptReport, kept_reports
from polyscene.server.dashboard.records import day
from polyscene.server.dashboard.visit import DashboardRoute, Visit, visit_of
from polyscene.server.models import listed, roll_back, serve_version

__all__ = ["router"]

router = APIRouter(route_class=DashboardRoute)


_COLUMNS = 4
"""Metrics of a system that the page shows."""


@dataclass(frozen=True, slots=True)
class _Table:
    """What a report says of a scenario."""

    scenario: str
    users: int
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]
    """Of each system its metrics: mean, low, high; values that are not defined are None."""


@router.get("/models")
async def models(request: Request) -> Response:
    """All versions on disk, newest first, and the last fit."""
    return await _shown(visit_of(request))


@router.get("/models/reports/{name}")
async def report(request: Request, name: str) -> Response:
    """The report of an evaluation."""
    visit = visit_of(request)
    kept = await visit.service.aside(lambda: kept_reports(visit.service.workspace))
    found = next((one for one in kept if one.name == name), None)
    if found is None:
        raise NotFoundError(f"no report {name!r}")
    return visit.page("report.html", kept=found, made=day(found.made_at), tables=_tables(found))


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
    reports = await service.aside(lambda: kept_reports(service.workspace))
    known = {one["version"] for one in versions}
    serving = next((one for one in versions if one["serving"]), None)
    swapping = any(one["current"] and not one["serving"] for one in versions)
    return visit.page(
        template,
        models=versions,
        reports={
            one["version"]: [report for report in reports if report.model == one["version"]]
            for one in versions
        },
        others=[report for report in reports if report.model not in known],
        compared={} if serving is None else serving["validation"],
        day=day,
        fit=fit,
        trouble=service.keeper.trouble,
        waiting=fit.state == "running" or (swapping and not service.keeper.trouble),
        partial=visit.partial,
    )


def _tables(kept: KeptReport) -> list[_Table]:
    """The tables of a report, the metrics of the first list length first."""
    report, found = kept.report, []
    at = f"@{report['k'][0]}"
    wanted = ["gauc", f"ndcg{at}", f"recall{at}", f"mrr{at}", "auc", f"hit{at}"]
    for one in report["scenarios"]:
        systems = one["systems"]
        first: Mapping[str, Any] = next(iter(systems.values()), {"metrics": {}})
        columns = [name for name in wanted if name in first["metrics"]][:_COLUMNS]
        rows = [
            (name, [system["metrics"][column] for column in columns])
            for name, system in systems.items()
        ]
        found.append(_Table(one["scenario"], one["users"], columns, rows))
    return found
