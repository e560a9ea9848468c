"""`polyscene similar`."""

from __future__ import annotations

from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import answer_table, console, error_console, print_json
from polyscene.engine import Engine

__all__ = ["similar"]


@app.command()
def similar(
    context: typer.Context,
    item: Annotated[str, typer.Option(help="Id of the target; of a user among people.")],
    scenario: Annotated[str, typer.Option(help="The scenario whose targets are searched.")],
    n: Annotated[int, typer.Option("-n", min=1, max=1000, help="Length of the list.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The targets of a scenario that are nearest to one target."""
    with Engine.open(context.obj) as engine:
        answer = engine.similar(item, scenario, n)
    if json:
        print_json(answer.to_dict())
        return
    for note in answer.notes:
        error_console.print(f"note: {note}", markup=False)
    console.print(answer_table(answer, f"{scenario}: similar to {item}"), soft_wrap=False)
