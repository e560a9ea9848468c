"""The pages about the service say what it has."""

from __future__ import annotations

import re
from pathlib import Path

from polyscene.server.auth import needed_role
from polyscene.server.telemetry import Telemetry
from served import Served

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_every_route_is_described_with_its_role(world: Served) -> None:
    page = (DOCS / "service.md").read_text("utf-8")
    described = dict(re.findall(r"^\| `([A-Z]+ /[^`]+)` \| (\w+) \|", page, re.MULTILINE))
    paths = world.get("/openapi.json").json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert described.keys() == routes
    for route, role in described.items():
        method, path = route.split(" ")
        assert (needed_role(method, re.sub(r"\{\w+\}", "x", path)) or "none") == role, route


def test_every_counter_is_described() -> None:
    page = (DOCS / "operations.md").read_text("utf-8")
    described = set(re.findall(r"`(polyscene_[a-z_]+)`", page))
    counters = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in Telemetry().registry.collect()
    }
    assert described == counters
