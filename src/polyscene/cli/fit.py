"""`polyscene fit`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from polyscene.cli.main import app
from polyscene.cli.output import Timer, console, print_unknown, progress_bars
from polyscene.engine import Engine
from polyscene.fitting.learn import chosen_options
from polyscene.fitting.model import Model
from polyscene.settings import Settings

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
    for line in _chosen(model, engine.workspace.settings):
        console.print(line, markup=False)


def _chosen(model: Model, settings: Settings) -> Iterator[str]:
    """A line for each scenario and source of which something was chosen."""
    for name, fusion in model.fusions.items():
        if fusion.ndcg is not None:
            said = ", ".join(
                f"{one} {weight:g}" for one, weight in fusion.weights.items() if weight
            )
            yield f"{name}: {said}; NDCG@10 {fusion.ndcg:.4f} of {fusion.users:,} users on trial"
    for name, options in chosen_options(model, settings).items():
        yield f"{name}: {', '.join(f'{key} {_value(own)}' for key, own in options.items())}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
