"""`polyscene show`."""

from __future__ import annotations

from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import console, print_json
from polyscene.engine import Engine

__all__ = ["show"]


@app.command()
def show(
    context: typer.Context,
    item: Annotated[str | None, typer.Option(help="Id of an item.")] = None,
    user: Annotated[str | None, typer.Option(help="Id of a user.")] = None,
    scenario: Annotated[
        str | None, typer.Option(help="For a user: whose verbs and history; default the first.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the texts that are built from a record."""
    if (item is None) == (user is None):
        raise typer.BadParameter("give one of --item and --user")
    with Engine.open(context.obj) as engine:
        texts = engine.texts(item=item, user=user, scenario=scenario)
    if json:
        print_json(texts)
        return
    for number, text in enumerate(texts, start=1):
        console.print(f"{number}. {text}", markup=False)
    if not texts:
        console.print("no text: the record has none of the fields that texts are made of")
