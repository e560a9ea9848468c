"""`polyscene review`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from polyscene.cli.main import app
from polyscene.cli.output import console, print_json
from polyscene.engine import Engine

__all__ = ["review"]


@app.command()
def review(
    context: typer.Context,
    scenario: Annotated[str | None, typer.Option(help="Only of this scenario.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The targets that are on hold until they are approved, and why."""
    with Engine.open(context.obj) as engine:
        found = engine.on_hold(scenario)
    if json:
        print_json([asdict(held) for held in found])
        return
    table = Table(title=f"{len(found):,} on hold", title_justify="left")
    for column in ("scenario", "id", "title", "why"):
        table.add_column(column, overflow="fold")
    for held in found:
        table.add_row(held.scenario, held.item_id, held.title, held.why)
    console.print(table, markup=False)
