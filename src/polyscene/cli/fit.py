"""`polyscene fit`."""

from __future__ import annotations

import typer

from polyscene.cli.main import app
from polyscene.cli.output import Timer, console, print_unknown, progress_bars
from polyscene.engine import Engine

__all__ = ["fit"]


@app.command()
def fit(context: typer.Context) -> None:
    """Fit a model to everything in the store and make it the current one."""
    timer = Timer()
    with Engine.open(context.obj) as engine:
        model = engine.fit(progress_bars())
        print_unknown(engine)
    people = "".join(f", {len(space):,} people for {name}" for name, space in model.people.items())
    console.print(f"fitted {model.config.version} in {timer}: {len(model.items):,} items{people}")
