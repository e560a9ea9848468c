"""Data: files in, with what is wrong in them, and everything out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, get_args

import orjson
from fastapi import APIRouter
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from polyscene.data.ingest import OnError
from polyscene.data.readers import SUFFIXES
from polyscene.data.validation import Kind
from polyscene.errors import DataError
from polyscene.fitting.forget import held
from polyscene.server.dashboard.records import day
from polyscene.server.dashboard.trying import some_users
from polyscene.server.dashboard.visit import DashboardRoute, Visit, visit_of
from polyscene.server.gate import MOST_UPLOADED
from polyscene.server.imports import Import, Upload
from polyscene.server.review import NOBODY
from polyscene.server.wire import dumped
from polyscene.storage import exported

__all__ = ["router"]

router = APIRouter(route_class=DashboardRoute)

_KIND: TypeAdapter[Kind] = TypeAdapter(Kind)
_ON_ERROR: TypeAdapter[OnError] = TypeAdapter(OnError)
_ENCODINGS = ("utf-8", "gb18030", "latin-1", "utf-16")
_MOST_PROBLEMS = 20
"""Problems of a file that the page lists."""


@dataclass(frozen=True, slots=True)
class _Problem:
    """A line of an error report."""

    row: int | None
    column: str | None
    value: str
    expected: str


@dataclass(frozen=True, slots=True)
class _Row:
    """An import, as the page shows it."""

    one: Import
    when: str
    loaded: int
    skipped: int
    repeated: int
    notes: Sequence[str]
    problems: Sequence[_Problem]
    more: int
    """Problems that are not listed."""


@router.get("/data")
async def data(request: Request) -> Response:
    """The forms, and the last imports."""
    return await _shown(visit_of(request))


@router.post("/data")
async def start(request: Request) -> Response:
    """Load a file in the background."""
    visit = visit_of(request)
    file = visit.files.get("file")
    if file is None or not file.filename:
        raise DataError(visit.say("Choose a file."))
    name = PurePath(file.filename.replace("\\", "/")).name[:200]
    suffix = PurePath(name).suffix.lower()
    if suffix not in SUFFIXES:
        allowed = ", ".join(SUFFIXES)
        raise DataError(visit.say("A file whose name ends in one of: {suffixes}", suffixes=allowed))
    encoding = visit.field("encoding", "utf-8")
    if encoding not in _ENCODINGS:
        raise DataError(f"unknown encoding {encoding!r}; allowed: {', '.join(_ENCODINGS)}")
    upload = Upload(
        name=name,
        suffix=suffix,
        kind=_KIND.validate_python(visit.field("kind")),
        on_error=_ON_ERROR.validate_python(visit.field("on_error", "fail")),
        encoding=encoding,
        by=visit.service.guard.name(visit.session.key_id) or NOBODY,
    )
    await visit.service.imports.start(upload, file.file)
    return await _shown(visit) if visit.partial else visit.go("/data")


@router.get("/data/everything.zip")
async def everything(request: Request) -> Response:
    """All records in one archive."""
    store = visit_of(request).service.workspace.store
    return StreamingResponse(
        exported(store), media_type="application/zip", headers=_saved("polyscene.zip")
    )


@router.get("/data/user.json")
async def one_user(request: Request, user: str) -> Response:
    """All that is held on a person."""
    workspace = visit_of(request).service.workspace
    found = await visit_of(request).service.aside(lambda: held(workspace, user.strip()))
    body = orjson.dumps(orjson.loads(dumped(found)), option=orjson.OPT_INDENT_2)
    return Response(body, media_type="application/json", headers=_saved("person.json"))


def _saved(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


async def _shown(visit: Visit) -> Response:
    service = visit.service
    imports = [_row(one) for one in await service.aside(service.imports.list)]
    values: dict[str, Any] = {
        "imports": imports,
        "running": any(row.one.state == "running" for row in imports),
    }
    if visit.partial:
        return visit.page("_imports.html", **values)
    return visit.page(
        "data.html",
        kinds=get_args(Kind),
        encodings=_ENCODINGS,
        suffixes=",".join(SUFFIXES),
        most_mb=MOST_UPLOADED // 2**20,
        users=await service.aside(lambda: some_users(service.workspace.store)),
        **values,
    )


def _row(one: Import) -> _Row:
    files = one.files
    found = [problem for file in files for problem in file["problems"]]
    total = sum(len(file["problems"]) + file["more_problems"] for file in files)
    problems = [
        _Problem(problem["row"], problem["column"], problem["value"], problem["expected"])
        for problem in found[:_MOST_PROBLEMS]
    ]
    return _Row(
        one=one,
        when=day(one.started_at),
        loaded=sum(file["loaded"] for file in files),
        skipped=sum(file["skipped"] for file in files),
        repeated=sum(file["repeated"] for file in files),
        notes=[note for file in files for note in file["notes"]],
        problems=problems,
        more=total - len(problems),
    )
