"""`polyscene tune`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import typer

from polyscene.cli.main import app
from polyscene.cli.options import read_options
from polyscene.cli.output import console, progress_bars, results_table
from polyscene.evaluation.protocols import Plan, Protocol
from polyscene.evaluation.report import check_report
from polyscene.settings import parse
from polyscene.training import EncoderTraining
from polyscene.tuning.encoder import tune_encoder, write_options
from polyscene.tuning.page import write_page
from polyscene.tuning.ranges import shown
from polyscene.tuning.study import PROTOCOLS, Tuned, study_folder
from polyscene.tuning.study import tune as search
from polyscene.tuning.write import write_values
from polyscene.workspace import Workspace

__all__ = ["tune"]

ProtocolName = StrEnum("ProtocolName", {name.upper(): name for name in PROTOCOLS})  # type: ignore[misc]
_RANDOM = ProtocolName("random")


@app.command()
def tune(
    context: typer.Context,
    scenario: Annotated[
        list[str] | None, typer.Option(help="What to tune for; default every scenario.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials of the study, with those it has.")
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Try the weights of the sources too.")
    ] = False,
    protocol: Annotated[ProtocolName, typer.Option(help="How events are put aside.")] = _RANDOM,
    share: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="The share that is put aside.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn at random.")] = 0,
    study: Annotated[str, typer.Option(help="Name; a study is continued.")] = "default",
    encoder: Annotated[
        str | None, typer.Option(help="Try options of the training of this encoder instead.")
    ] = None,
    options: Annotated[
        Path | None, typer.Option(help="For --encoder: a TOML file with its other options.")
    ] = None,
    write: Annotated[
        bool, typer.Option(help="Write the best values into polyscene.toml if they hold.")
    ] = True,
    html: Annotated[Path | None, typer.Option(help="Write what was found as a page.")] = None,
) -> None:
    """Look for settings that predict held-out events better, and write them down."""
    check_report(html=html)
    with Workspace.open(context.obj) as workspace:
        settings = workspace.settings
        names = tuple(dict.fromkeys(scenario or settings.scenarios))
        for name in names:
            settings.scenario(name)  # an unknown one fails before the work
        plan = Plan(cast("Protocol", protocol.value), names, share, seed)
        bars, config = progress_bars(), None
        if encoder is None:
            found = search(
                workspace, plan, study=study, trials=trials, weights=weights, progress=bars
            )
        else:
            given = {"name": encoder, "scenarios": list(names), **read_options(options)}
            config = parse(EncoderTraining, given, "training")
            found = tune_encoder(workspace, plan, config, study=study, trials=trials, progress=bars)
        _print(found)
        if html is not None:
            write_page(found, html)
            console.print(f"wrote {html}", markup=False)
        if not found.holds:
            console.print("the best values are no better on events that no trial saw; kept as is")
        elif found.by_chance:
            console.print(
                "the best values are better on events that no trial saw, but within chance: the "
                "interval reaches below 0"
            )
        if write and found.holds and config is not None:
            file = study_folder(workspace, study) / "best.toml"
            write_options(config, found.values, file)
            console.print(
                f"wrote {file}; next: polyscene -w {workspace.path} train encoder {encoder} "
                f"--options {file}",
                markup=False,
            )
        elif write and found.holds:
            keep = study_folder(workspace, study) / "before.toml"
            lines = write_values(workspace.path, found.values, keep)
            path = workspace.path
            console.print(f"wrote {path / 'polyscene.toml'}; as it was: {keep}", markup=False)
            for line in lines:
                console.print(f"  {line}", markup=False)
            console.print(f"next: polyscene -w {path} fit", markup=False)


def _print(found: Tuned) -> None:
    console.print(
        f"study {found.study}: {len(found.trials)} trials on {found.splits} splits, "
        f"{found.pruned} more given up early; {found.seconds:.0f} s",
        markup=False,
    )
    console.print(f"NDCG@10 {found.before:.4f} as a fit chooses, {found.best:.4f} with the best")
    rows = [
        (name, shown(value), f"{found.importance[name]:.2f}" if found.importance else "")
        for name, value in found.values.items()
    ]
    console.print(results_table(rows, ("setting", "best", "importance")), soft_wrap=False)
    for name, one in found.check.items():
        console.print(
            f"{name}, events that no trial saw: {one.difference:+.4f} "
            f"({one.low:+.4f} to {one.high:+.4f}), p = {one.p_value:.3f}, {one.users:,} users",
            markup=False,
        )
