"""`polyscene label`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import console, progress_bars

__all__ = ["label"]


@app.command()
def label(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A classifier of the form heads.")] = "",
    tags: Annotated[bool, typer.Option("--tags", help="Ask whether tags fit items.")] = False,
    scenario: Annotated[str | None, typer.Option(help="Where to ask.")] = None,
    task: Annotated[str | None, typer.Option(help="What to ask; default the first task.")] = None,
    next_: Annotated[int, typer.Option("--next", min=1, help="How many.")] = 50,
    out: Annotated[Path | None, typer.Option(help="Write what to judge as JSONL.")] = None,
    answers: Annotated[Path | None, typer.Option(help="Take in a file of answers.")] = None,
    by: Annotated[str, typer.Option(help="With --answers: who answered.")] = "command line",
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn at random.")] = 0,
) -> None:
    """Write the pairs or tags whose answers would teach most, or take in the answers."""
    from polyscene.enrichment.asking import TagAsk, next_tags
    from polyscene.fitting.labels import LABELS, answered
    from polyscene.training.label import Ask, next_pairs, write_asks
    from polyscene.workspace import Workspace

    wanted = tags != bool(name and scenario) and out is not None
    if (answers is None) != wanted:
        raise typer.BadParameter(
            "NAME --scenario S --out FILE, or --tags --out FILE, or --answers FILE"
        )
    with Workspace.open(context.obj) as workspace:
        if answers is not None:
            count = answered(workspace, answers, by)
            console.print(f"took in {count:,} answers; {workspace.path / LABELS}", markup=False)
            return
        assert out is not None
        asks: list[Ask] | list[TagAsk]
        if tags:
            asks = next_tags(workspace, next_, progress_bars())
        else:
            asks = next_pairs(workspace, name, scenario or "", task, next_, seed)
        write_asks(asks, out)
        console.print(
            f"wrote {len(asks)} {'tags' if tags else 'pairs'} to {out}; set answer to true or "
            f"false, then: polyscene -w {workspace.path} label --answers {out}", markup=False,
        )  # fmt: skip
