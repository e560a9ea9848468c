"""`polyscene review`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from polyscene.cli.main import app
from polyscene.cli.output import console, print_json
from polyscene.engine import Engine
from polyscene.errors import DataError
from polyscene.storage import Decision

__all__ = ["review"]


@app.command()
def review(
    context: typer.Context,
    scenario: Annotated[str | None, typer.Option(help="Only of this scenario.")] = None,
    approve: Annotated[
        list[str] | None, typer.Option(help="Id of a target to show in --scenario from now on.")
    ] = None,
    block: Annotated[
        list[str] | None, typer.Option(help="Id of a target not to show in --scenario.")
    ] = None,
    reopen: Annotated[
        list[str] | None, typer.Option(help="Id of a target whose decision is taken back.")
    ] = None,
    by: Annotated[str, typer.Option(help="Who decides.")] = "command line",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The targets that are on hold until somebody decides, and why; or decide on some."""
    chosen: dict[Decision, list[str] | None]
    chosen = {"approve": approve, "block": block, "reopen": reopen}
    with Engine.open(context.obj) as engine:
        for decision, ids in chosen.items():
            if ids and scenario is None:
                raise DataError(f"--{decision} needs --scenario: a decision counts in one scenario")
            if ids and scenario is not None:
                engine.review(scenario, ids, decision, by)
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
