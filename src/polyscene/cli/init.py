"""`polyscene init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import console
from polyscene.workspace import Workspace

__all__ = ["init"]


@app.command()
def init(
    context: typer.Context,
    preset: Annotated[
        list[str] | None,
        typer.Option(help="Domain of a scenario; may be repeated. Without it, every preset."),
    ] = None,
) -> None:
    """Make a workspace: one scenario a preset, named as the preset."""
    path: Path = context.obj
    with Workspace.create(path, preset or []) as workspace:
        names = ", ".join(workspace.settings.scenarios)
    console.print(f"made {path / 'polyscene.toml'} with the scenarios {names}", markup=False)
    console.print(f"next: polyscene -w {path} ingest --items FILE --events FILE", markup=False)
