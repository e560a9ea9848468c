"""`polyscene doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from polyscene.cli.main import app
from polyscene.cli.output import console, print_json
from polyscene.engine import Engine
from polyscene.engine.checkup import examine

__all__ = ["doctor"]

_MARKS = {"ok": ("ok  ", "green"), "note": ("note", "yellow"), "fail": ("FAIL", "red")}


@app.command()
def doctor(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Examine the workspace: settings, store, encoder, model, index, scenarios."""
    with Engine.open(context.obj) as engine:
        findings = list(examine(engine))
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark, color = _MARKS[finding.status]
            line = Text(f"{finding.subject}: {finding.text}")
            console.print(Text.assemble((mark, color), " ", line))
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(1)
