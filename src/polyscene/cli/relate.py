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
        bool, typer.Option("--erase", help="Erase what was found in texts, and do nothing else.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Relations from names in the texts of items; a language model says what the names are."""
    with Workspace.open(context.obj) as workspace:
        if erased:
            count = erase(workspace.store)
            if json:
                print_json({"erased": count})
            else:
                console.print(f"erased {count:,} relations that were found in texts")
            return
        model = workspace.language_model if workspace.has_language_model else None
        found = relate(workspace.store, model, limit, progress_bars())
    if json:
        print_json(asdict(found))
        return
    what = "no language model is declared, so all are names"
    if model is not None:
        what = f"of {found.answered:,} the language model said what they are"
    console.print(f"{found.items:,} items have names that others share; {what}")
    console.print(f"{found.relations:,} relations; polyscene fit learns them")
