"""The app: routes, gate and errors around one service."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from polyscene import __version__
from polyscene.server import events, gorse, health, lists, models, records, review
from polyscene.server.dashboard import router as dashboard
from polyscene.server.dashboard.atlas import Atlas
from polyscene.server.dashboard.overview import Counted
from polyscene.server.dashboard.session import Sessions
from polyscene.server.gate import Gate
from polyscene.server.heap import one_heap
from polyscene.server.hot import Hot
from polyscene.server.pace import USUAL, Pace
from polyscene.server.problems import handle_problems
from polyscene.server.run import leave_with_parent, take_turns
from polyscene.server.service import Service
from polyscene.workspace import Workspace

__all__ = ["WORKSPACE_VARIABLE", "create_app", "from_environment"]

WORKSPACE_VARIABLE = "POLYSCENE_SERVE"
"""The environment variable that tells a worker its workspace."""
_DESCRIPTION = """\
Recommendations from a workspace. Errors have one body:
`{"error": {"type": ..., "message": ...}}`. See docs/service.md.
"""


def create_app(
    workspace: Workspace, pace: Pace = USUAL, fit_command: Sequence[str] = ()
) -> FastAPI:
    """An ASGI app that serves a workspace; its lifespan starts and stops the service.

    Args:
        workspace: The workspace; closed when the app stops.
        pace: How often it looks around, and how long it waits.
        fit_command: What fits the workspace in a process of its own; `polyscene fit` when empty.
    """
    service = Service(workspace, pace, fit_command)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()
            await asyncio.to_thread(workspace.close)

    app = FastAPI(
        title="Polyscene", version=__version__, description=_DESCRIPTION, lifespan=lifespan
    )
    app.state.service = service
    for part in (lists, events, records, models, review, gorse, health):
        app.include_router(part.router)
    app.state.sessions = Sessions()
    app.state.atlas = Atlas()
    app.state.counted = Counted()
    app.include_router(dashboard)
    handle_problems(app)
    app.add_middleware(Hot, service=service)
    app.add_middleware(Gate, guard=service.guard, telemetry=service.telemetry)
    return app


def from_environment() -> FastAPI:
    """The app of the workspace that the environment names, for uvicorn's workers."""
    take_turns()
    one_heap()
    leave_with_parent()
    return create_app(Workspace.open(Path(os.environ[WORKSPACE_VARIABLE])))
