"""`polyscene relate`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import console, print_json, progress_bars
from polyscene.engine.relate import erase, relate
from polyscene.workspace import Workspace

__all__ = ["relate_items"]


@app.command("relate")
def relate_items(
    context: typer.Context,
    limit: Annotated[int | None, typer.Option(min=1, help="Items to ask about, at most.")] = None,
    erased: Annotated[
        bool, typer.Option("--erase", help="Erase what came from a model, and ask nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Relations from the texts of items, by the language model."""
    with Workspace.open(context.obj) as workspace:
        if erased:
            count = erase(workspace.store)
            if json:
                print_json({"erased": count})
            else:
                console.print(f"erased {count:,} relations that came from a model")
            return
        found = relate(workspace.store, workspace.language_model, limit, progress_bars())
    if json:
        print_json(asdict(found))
        return
    console.print(
        f"{found.items:,} items have names that others share; of {found.answered:,} the model said "
        f"what they are: {found.relations:,} relations"
    )
