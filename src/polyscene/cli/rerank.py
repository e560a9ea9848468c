"""`polyscene rerank`."""

from __future__ import annotations

from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import bands_table, console, print_json, progress_bars
from polyscene.engine import Engine
from polyscene.engine.polish import gates_of, write_gates
from polyscene.errors import SettingsError
from polyscene.evaluation.reranking import measure_reranking

__all__ = ["rerank"]


@app.command()
def rerank(
    context: typer.Context,
    scenario: Annotated[str, typer.Option(help="The scenario, with rerank declared.")],
    users: Annotated[int, typer.Option(min=1, help="Lists to measure, at most.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the draw of the users.")] = 0,
    dry: Annotated[bool, typer.Option("--dry", help="Measure, and change nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure whether the order of the language model is a gain; it is used only where it is."""
    with Engine.open(context.obj) as engine:
        workspace = engine.workspace
        spec = workspace.settings.scenario(scenario)
        if spec.rerank == "off":
            raise SettingsError(
                f'scenarios.{scenario}.rerank is "off"; set it to "listwise" or "pairwise"'
            )
        version = engine.model.config.version
        gate = measure_reranking(
            workspace,
            workspace.language_model,
            scenario,
            spec.rerank,
            spec.rerank_depth,
            users,
            seed,
            progress=progress_bars(),
        )
        if not dry:
            kept = gates_of(workspace.models, version) | {scenario: gate}
            write_gates(workspace.models, version, kept)
    if json:
        print_json(gate.model_dump())
        return
    console.print(bands_table(gate.bands))
    console.print(
        f"{gate.answered} of {gate.asked} lists came back in order; {gate.seconds:.1f} s and "
        f"{gate.tokens:,.0f} tokens a list, {gate.cost:.4f} for 1,000 lists",
        markup=False,
    )
