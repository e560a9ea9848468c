"""`polyscene ask`."""

from __future__ import annotations

from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import answer_table, console, error_console, print_json
from polyscene.engine import Engine

__all__ = ["ask"]


@app.command()
def ask(
    context: typer.Context,
    request: Annotated[str, typer.Argument(help="What is asked for, in plain words.")],
    scenario: Annotated[
        str | None,
        typer.Option(help="The scenario whose targets are searched; the only one if omitted."),
    ] = None,
    user: Annotated[str | None, typer.Option(help="Id of the one who asks.")] = None,
    after: Annotated[
        list[str] | None,
        typer.Option(help="A request that this one follows; several times, oldest first."),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=1000, help="Length of the list.")] = 10,
    budget: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait for the language model.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The targets that fit a request in plain words."""
    with Engine.open(context.obj) as engine:
        names = list(engine.workspace.settings.scenarios)
        if scenario is None and len(names) != 1:
            raise typer.BadParameter(f"name one of: {', '.join(names)}", param_hint="--scenario")
        answer = engine.ask(
            request, scenario or names[0], n, user=user, after=after or (), budget_s=budget
        )
    if json:
        print_json(answer.to_dict())
        return
    for note in answer.notes:
        error_console.print(f"note: {note}", markup=False)
    understood = answer.understood
    assert understood is not None
    who = "the language model" if understood.by_model else "as it was said"
    console.print(f"searched for, {who}: {understood.text}", markup=False)
    if understood.filter:
        console.print(f"only where: {understood.filter}", markup=False)
    console.print(answer_table(answer, answer.scenario), soft_wrap=False)
