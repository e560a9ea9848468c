"""`polyscene export`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import console
from polyscene.engine import Engine
from polyscene.errors import DataError
from polyscene.storage import exported

__all__ = ["export"]

_KINDS = ("items", "users", "events", "relations", "impressions", "reviews", "notes")


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The ZIP archive to write.")],
) -> None:
    """All records as JSON lines in a ZIP archive, which `ingest` reads again."""
    written = Counter[str]()
    with Engine.open(context.obj) as engine:
        try:
            with file.open("wb") as out:
                for part in exported(engine.workspace.store, written):
                    out.write(part)
        except OSError as error:
            raise DataError(f"cannot write {file}: {error.strerror or error}") from error
    told = ", ".join(f"{written[kind]:,} {kind}" for kind in _KINDS)
    console.print(f"{file}: {told}", markup=False)
