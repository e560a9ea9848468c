"""`polyscene bench`."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import console, print_json, progress_bars, results_table
from polyscene.engine import Engine
from polyscene.engine.bench import bench_batch, bench_encode, bench_fit, bench_recommend

__all__ = ["Subject", "bench"]


class Subject(StrEnum):
    """What is measured."""

    ENCODE = "encode"
    FIT = "fit"
    RECOMMEND = "recommend"
    BATCH = "batch"


@app.command()
def bench(
    context: typer.Context,
    subject: Annotated[Subject, typer.Argument(help="What to measure.")],
    scenario: Annotated[
        str | None, typer.Option(help="For recommend and batch: where; default the first scenario.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Texts, answers or users to measure.")] = 1000,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure this workspace on this machine."""
    with Engine.open(context.obj) as engine:
        if subject is Subject.ENCODE:
            found = bench_encode(engine, count, progress_bars())
        elif subject is Subject.FIT:
            found = bench_fit(engine, progress_bars())
        else:
            name = scenario or next(iter(engine.workspace.settings.scenarios), "")
            measure = bench_recommend if subject is Subject.RECOMMEND else bench_batch
            found = measure(engine, name, count=count)
    if json:
        print_json([asdict(measurement) for measurement in found])
        return
    rows = [(one.name, f"{one.value:,.1f}", one.unit) for one in found]
    console.print(results_table(rows, ("measured", "value", "unit")), soft_wrap=False)
