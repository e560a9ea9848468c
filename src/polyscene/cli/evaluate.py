"""`polyscene evaluate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from polyscene.cli.main import app
from polyscene.cli.output import console, progress_bars
from polyscene.engine import Engine
from polyscene.engine.batch import read_ids
from polyscene.evaluation.given import read_given
from polyscene.evaluation.protocols import PROTOCOLS, Plan, Protocol
from polyscene.evaluation.report import check_report, write_html, write_json
from polyscene.evaluation.run import Report, ScenarioReport
from polyscene.evaluation.run import evaluate as measure
from polyscene.evaluation.systems import ENGINE
from polyscene.metrics.compare import Comparison

__all__ = ["evaluate"]

ProtocolName = StrEnum("ProtocolName", {name.upper(): name for name in PROTOCOLS})  # type: ignore[misc]
_RANDOM = ProtocolName("random")
_LENGTHS = (10, 20)


@app.command()
def evaluate(
    context: typer.Context,
    protocol: Annotated[ProtocolName, typer.Option(help="How events are held out.")] = _RANDOM,
    scenario: Annotated[
        list[str] | None, typer.Option(help="What to measure; default every scenario.")
    ] = None,
    k: Annotated[
        list[int] | None, typer.Option("-k", min=1, max=100, help="Lengths of lists, main first.")
    ] = None,
    share: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="The share that is held out.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn at random.")] = 0,
    users_file: Annotated[
        Path | None, typer.Option(help="File with a user_id column: only these are under test.")
    ] = None,
    min_users: Annotated[int, typer.Option(min=1, help="Leave out targets with fewer users.")] = 1,
    given: Annotated[
        Path | None, typer.Option(help="For protocol given: a file of the events to predict.")
    ] = None,
    ablation: Annotated[
        bool, typer.Option(help="Measure each source alone, and the engine without it.")
    ] = True,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as a page.")] = None,
) -> None:
    """Measure how well held-out events are predicted, beside two baselines."""
    if (given is None) == (protocol.value == "given"):
        raise typer.BadParameter("--protocol given and --given FILE go together")
    check_report(json, html)
    with Engine.open(context.obj) as engine:
        workspace = engine.workspace
        settings, store = workspace.settings, workspace.store
        names = tuple(dict.fromkeys(scenario or settings.scenarios))
        for name in names:
            settings.scenario(name)  # an unknown one fails before the work
        plan = Plan(
            protocol=cast("Protocol", protocol.value),
            scenarios=names,
            share=share,
            seed=seed,
            tested=None if users_file is None else frozenset(read_ids(users_file, "user_id")),
            min_users=min_users,
            given=None if given is None else read_given(given, store.dataset(), settings),
        )
        lengths = tuple(dict.fromkeys(k or _LENGTHS))
        report = measure(workspace, plan, lengths, ablation=ablation, progress=progress_bars())
    for found in report.scenarios:
        _print(report, found)
    for name in report.empty:
        console.print(f"{name}: nothing to find", markup=False)
    for path, write in ((json, write_json), (html, write_html)):
        if path is not None:
            write(report, path)
            console.print(f"wrote {path}", markup=False)


def _print(report: Report, found: ScenarioReport) -> None:
    asked = f", {found.questions:,} questions" if found.questions != found.users else ""
    console.print(
        f"{found.scenario}: protocol {report.protocol}, {found.users:,} users{asked}, "
        f"{found.relevant:,} pairs to find among {found.targets:,} targets",
        markup=False,
    )
    console.print(_table(found, report.k[0]), soft_wrap=False)
    console.print(
        f"at {report.k[0]}; ±: half of the 95 % interval; cover: share of the targets shown;\n"
        f"diff: ndcg less that of {ENGINE}, p: chance of it if the two were alike"
    )
    fusion = found.fusion
    weights = ", ".join(f"{name} {weight:g}" for name, weight in fusion.weights.items())
    chosen = f"chosen on {fusion.users:,} users in the fit" if fusion.users else "declared or usual"
    console.print(f"weights: {weights}; {chosen}\n", markup=False, soft_wrap=False)


def _table(found: ScenarioReport, k: int) -> Table:
    """A row for each system, in 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("system", overflow="fold")
    for name in ("ndcg", "±", "recall", "mrr", "cover", "diff", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for system, measured in found.systems.items():
        ndcg, recall, mrr = (measured.metrics[f"{name}@{k}"] for name in ("ndcg", "recall", "mrr"))
        against = found.against.get(system)
        table.add_row(
            Text(system),
            f"{ndcg.mean:.4f}",
            "" if ndcg.users < 2 else f"{(ndcg.high - ndcg.low) / 2:.3f}",
            f"{recall.mean:.4f}",
            f"{mrr.mean:.4f}",
            f"{measured.catalogue[f'coverage@{k}']:.3f}",
            *(("", "") if against is None else _compared(against)),
        )
    return table


def _compared(against: Comparison) -> tuple[str, str]:
    difference, p = round(-against.difference, 4) + 0.0, against.p_value  # never -0
    return f"{difference:+.4f}", "<.001" if p < 0.001 else f"{p:.3f}"
