"""The map: targets by what they read like, coloured by scenario, and where a user stands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.errors import NotFoundError
from polyscene.server.dashboard.atlas import Chart
from polyscene.server.dashboard.trying import some_users
from polyscene.server.dashboard.visit import DashboardRoute, Visit, visit_of

__all__ = ["router"]

router = APIRouter(route_class=DashboardRoute)

_WIDTH, _HEIGHT, _EDGE = 1000, 600, 16
_COLOURS = 8


@dataclass(frozen=True, slots=True)
class _Kind:
    """A scenario in the legend."""

    name: str
    mark: str
    """The class of its points: a colour, and from the ninth scenario on a ring."""
    drawn: int
    targets: int


@dataclass(frozen=True, slots=True)
class _Point:
    """A target on the map."""

    x: float
    y: float
    mark: str
    label: str


@dataclass(frozen=True, slots=True)
class _Near:
    """A target near to a user."""

    target: str
    person: bool
    title: str
    scenario: str
    cosine: float


@router.get("/map")
async def show_map(request: Request) -> Response:
    """The map, of one scenario where the address names one, with a user where it names one."""
    visit = visit_of(request)
    service, query = visit.service, request.query_params
    declared = service.workspace.settings.scenarios
    form = {name: query.get(name, "").strip() for name in ("scenario", "user")}
    if form["scenario"] and form["scenario"] not in declared:
        raise NotFoundError(f"unknown scenario {form['scenario']!r}")
    chart = await request.app.state.atlas.chart(service)
    values = await _drawn(visit, chart, form) if chart is not None else {}
    if visit.partial:
        return visit.page("_map.html", chart=chart, form=form, **values)
    users = await service.aside(lambda: some_users(service.workspace.store))
    return visit.page(
        "map.html", chart=chart, form=form, users=users, scenarios=list(declared), **values
    )


async def _drawn(visit: Visit, chart: Chart, form: dict[str, str]) -> dict[str, Any]:
    service, user = visit.service, form["user"]
    marks = _marks(list(service.workspace.settings.scenarios))
    drawn = Counter(chart.scenarios)
    points = [
        _Point(*_at(*place), marks[scenario], f"{title} · {scenario}")
        for place, scenario, title in zip(
            chart.places.tolist(), chart.scenarios, chart.titles, strict=True
        )
        if form["scenario"] in ("", scenario)
    ]
    star, near = None, list[_Near]()
    if user:
        scenario = form["scenario"] or next(iter(marks))
        vector = await service.ask(lambda: service.answering.vector(user, scenario))
        found = chart.place(vector, user)
        star = None if found is None else _at(*found)
        people = service.answering.model.people if service.answering.model else {}
        near = [
            _Near(chart.ids[row], chart.scenarios[row] in people, chart.titles[row],
                  chart.scenarios[row], float(cosine))
            for row, cosine in zip(*chart.near(vector, user), strict=True)
        ]  # fmt: skip
    return {
        "legend": [
            _Kind(name, marks[name], drawn[name], count)
            for name, count in chart.counts.items()
            if count
        ],
        "points": points,
        "total": sum(chart.counts.values()),
        "star": star,
        "near": near,
        "regions": chart.regions(),
    }


def _marks(scenarios: list[str]) -> dict[str, str]:
    """The class of each scenario's points."""
    return {
        name: f"c{number % _COLOURS}" + (" ring" if number >= _COLOURS else "")
        for number, name in enumerate(scenarios)
    }


def _at(x: float, y: float) -> tuple[float, float]:
    """A place in the picture."""
    return (
        round(_EDGE + x * (_WIDTH - 2 * _EDGE), 1),
        round(_EDGE + y * (_HEIGHT - 2 * _EDGE), 1),
    )
