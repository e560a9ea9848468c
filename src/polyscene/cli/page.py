"""`polyscene page`."""

from __future__ import annotations

from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import answer_table, console, error_console, print_json, print_unknown
from polyscene.engine import Engine

__all__ = ["page"]


@app.command()
def page(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the page.")],
    user: Annotated[str, typer.Option(help="Id of a user.")],
    n: Annotated[int, typer.Option("-n", min=1, max=1000, help="Length of each list.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Recommend to one user on a page: a list for each of its scenarios, nothing twice."""
    with Engine.open(context.obj) as engine:
        found = engine.page(user, name, n)
        if not json:
            print_unknown(engine, dict.fromkeys(answer.scenario for answer in found.rows))
    if json:
        print_json(found.to_dict())
        return
    everywhere = [
        note
        for note in (found.rows[0].notes if len(found.rows) > 1 else ())
        if all(note in answer.notes for answer in found.rows)
    ]
    for note in everywhere:
        error_console.print(f"note: {note}", markup=False)
    for answer in found.rows:
        for note in answer.notes:
            if note not in everywhere:
                error_console.print(f"note: {answer.scenario}: {note}", markup=False)
        if answer.items:
            title = f"{answer.scenario} for {answer.user_id}"
            console.print(answer_table(answer, title), soft_wrap=False)
