"""`polyscene demo`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from polyscene.cli.main import app
from polyscene.cli.output import Timer, answer_table, console, print_report, progress_bars
from polyscene.demo.run import (
    PERSONAS,
    Shown,
    load_movielens,
    load_sample,
    sample_now,
    shown_users,
)
from polyscene.engine import Engine

__all__ = ["demo"]


@app.command()
def demo(
    movielens: Annotated[
        Path | None, typer.Option(help="Folder of MovieLens latest-small, instead of the sample.")
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="Make the workspace there and keep it.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=50, help="Length of a list.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the simulated behaviour.")] = 0,
) -> None:
    """Load a sample, fit a model, and recommend to three people in every scenario."""
    path = keep or Path(tempfile.mkdtemp(prefix="polyscene-demo-"))
    try:
        _demo(path, movielens, n, seed)
    finally:
        if keep is None:
            shutil.rmtree(path, ignore_errors=True)
    if keep is not None:
        console.print(f"\nthe workspace stays in {keep}; try: polyscene -w {keep} doctor")


def _demo(path: Path, movielens: Path | None, n: int, seed: int) -> None:
    total, progress = Timer(), progress_bars()
    if movielens is None:
        console.print("The sample world: invented targets and people, simulated behaviour.\n")
        report = load_sample(path, seed, progress)
        users, now = list(PERSONAS), sample_now()
    else:
        report = load_movielens(path, movielens, progress)
        users, now = ["1", "15", "100"], None
    print_report(report)
    timer = Timer()
    with Engine.open(path) as engine:
        model = engine.fit(progress, now)
        console.print(f"fit: {len(model.items):,} items encoded and indexed in {timer}")
        timer = Timer()
        for shown in shown_users(engine, users, n, now):
            _print(shown)
        lists = len(users) * len(engine.workspace.settings.scenarios)
    console.print(f"\n{lists} lists in {timer}, everything in {total}")


def _print(shown: Shown) -> None:
    user = shown.user
    name = user.attributes.get("name", user.user_id)
    console.rule(Text(f"{name} ({user.user_id})", style="bold"))
    if user.description:
        console.print(Text(user.description, style="italic"))
    if user.tags:
        console.print(Text(f"interests: {', '.join(user.tags)}"))
    console.print(Text(f"lately: {'; '.join(shown.history[:5])}"))
    for answer in shown.answers:
        console.print(answer_table(answer, answer.scenario), soft_wrap=False)
