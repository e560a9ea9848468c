"""`polyscene evaluate`."""

from __future__ import annotations

from enum import StrEnum
from math import isnan
from pathlib import Path
from typing import Annotated, cast

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from polyscene.cli.audit import print_audit
from polyscene.cli.main import app
from polyscene.cli.output import console, error_console, progress_bars
from polyscene.engine import Engine
from polyscene.engine.batch import read_id_lines
from polyscene.evaluation.audit import Audit
from polyscene.evaluation.given import read_given
from polyscene.evaluation.protocols import PROTOCOLS, SPLITS, Plan, Protocol, SplitBy
from polyscene.evaluation.report import check_report, write_html, write_json
from polyscene.evaluation.run import Report, ScenarioReport
from polyscene.evaluation.run import evaluate as measure
from polyscene.evaluation.systems import ENGINE
from polyscene.evaluation.trade import TRADES, Knob
from polyscene.evaluation.words import decimals
from polyscene.fitting.reports import keep_report
from polyscene.metrics.compare import Comparison, Interval
from polyscene.settings import load_settings

__all__ = ["evaluate"]

ProtocolName = StrEnum("ProtocolName", {name.upper(): name for name in PROTOCOLS})  # type: ignore[misc]
SplitName = StrEnum("SplitName", {name.upper(): name for name in SPLITS})  # type: ignore[misc]
KnobName = StrEnum("KnobName", {name.upper(): name for name in TRADES})  # type: ignore[misc]
_RANDOM, _AUTO = ProtocolName("random"), SplitName("auto")
_LENGTHS = (10, 20)
_NARROW = 7
"""The longest number in a table of tasks."""


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
    by: Annotated[
        SplitName,
        typer.Option(help="For impressions: hold out the latest, or a random share of a user's."),
    ] = _AUTO,
    ablation: Annotated[
        bool, typer.Option(help="Measure each source alone, and the engine without it.")
    ] = True,
    groups: Annotated[
        list[str] | None,
        typer.Option(help="Compare users by a field, by activity or by mainstream."),
    ] = None,
    providers: Annotated[
        list[str] | None, typer.Option(help="Compare who is shown with who is there, by a field.")
    ] = None,
    trade: Annotated[
        list[KnobName] | None,
        typer.Option(help="What diversity, or floors for all providers, cost."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="A polyscene.toml with other settings to compare."
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as a page.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the report in the workspace, for the dashboard.")
    ] = False,
) -> None:
    """Measure how well held-out events are predicted, beside two baselines."""
    if (given is None) == (protocol.value == "given"):
        raise typer.BadParameter("--protocol given and --given FILE go together")
    if by != _AUTO and protocol.value != "impressions":
        raise typer.BadParameter("--by goes with --protocol impressions")
    audit = Audit(
        groups=tuple(dict.fromkeys(groups or ())),
        providers=tuple(dict.fromkeys(providers or ())),
        trades=tuple(cast("Knob", knob.value) for knob in dict.fromkeys(trade or ())),
    )
    if audit and protocol.value == "impressions":
        raise typer.BadParameter(
            "--groups, --providers and --trade look at lists; with impressions there are none"
        )
    if against is not None and protocol.value == "impressions":
        raise typer.BadParameter("--against compares lists; with impressions there are none")
    check_report(json, html)
    other = None if against is None else load_settings(against)
    with Engine.open(context.obj) as engine:
        workspace = engine.workspace
        settings, store = workspace.settings, workspace.store
        names = tuple(dict.fromkeys(scenario or settings.scenarios))
        for name in names:
            settings.scenario(name)  # an unknown one fails before the work
            if other is not None:
                other.scenario(name)
        plan = Plan(
            protocol=cast("Protocol", protocol.value),
            scenarios=names,
            share=share,
            seed=seed,
            tested=None if users_file is None else frozenset(read_id_lines(users_file, "user_id")),
            min_users=min_users,
            given=None if given is None else read_given(given, store.dataset(), settings),
            by=cast("SplitBy", by.value),
        )
        lengths = tuple(dict.fromkeys(k or _LENGTHS))
        report = measure(
            workspace,
            plan,
            lengths,
            ablation=ablation,
            audit=audit,
            against=other,
            progress=progress_bars(),
        )
        kept = keep_report(workspace, report.to_json()) if keep else None
    for note in report.notes:
        error_console.print(f"note: {note}", markup=False)
    for found in report.scenarios:
        _print(report, found)
    for name in report.empty:
        console.print(f"{name}: nothing to {'order' if report.by else 'find'}", markup=False)
    if kept is not None:
        console.print(f"kept {kept}", markup=False)
    for path, write in ((json, write_json), (html, write_html)):
        if path is not None:
            write(report, path)
            console.print(f"wrote {path}", markup=False)


def _print(report: Report, found: ScenarioReport) -> None:
    k, shown = report.k[0], found.impressions
    said = f"{found.scenario}: protocol {report.protocol}"
    if shown is None:
        asked = f", {found.questions:,} questions" if found.questions != found.users else ""
        said += (
            f", {found.users:,} users{asked}, "
            f"{found.relevant:,} pairs to find among {found.targets:,} targets"
        )
        notes = f"at {k}; ±: half of the 95 % interval; cover: share of the targets shown;\n"
    else:
        said += (
            f" ({report.by}), {found.users:,} users, {shown.shown:,} impressions in "
            f"{shown.lists:,} lists, {100 * shown.rate:.0f} % a success"
        )
        notes = (
            f"±: half of the 95 % interval; ndcg at {k}; inform: what the scores save of the log\n"
            "loss of the base rate, calibrated on the other half of the users;\n"
        )
    metric = report.main.partition("@")[0]
    console.print(said, markup=False)
    console.print(_table(found, k) if shown is None else _order(found, k), soft_wrap=False)
    console.print(
        notes + f"diff: {metric} less that of {ENGINE}, p: chance of it if the two were alike"
    )
    fusion = found.fusion
    weights = ", ".join(f"{name} {weight:g}" for name, weight in fusion.weights.items())
    chosen = f"chosen on {fusion.users:,} users in the fit" if fusion.users else "declared or usual"
    console.print(f"weights: {weights}; {chosen}\n", markup=False, soft_wrap=False)
    if found.tasks:
        console.print(_tasks(found), soft_wrap=False)
        kind = "what was shown" if found.tasks[0].shown else "all targets, for a hundred users"
        console.print(
            f"tasks, with the model of each, on {kind};\n"
            "rate: share or mean; base: loss of the rate; ece: error of calibration in ten\n"
            "bins; luck: ece that right probabilities would have on so few pairs; ratio:\n"
            "predicted over true; fused: gauc of the fused score\n"
        )

    if found.audit is not None:
        print_audit(found.audit, f"{metric} at {k}")


def _table(found: ScenarioReport, k: int) -> Table:
    """A row for each system, in 80 columns."""
    table = _empty("ndcg", "±", "recall", "mrr", "cover", "diff", "p")
    for system, measured in found.systems.items():
        ndcg, recall, mrr = (measured.metrics[f"{name}@{k}"] for name in ("ndcg", "recall", "mrr"))
        table.add_row(
            Text(system),
            f"{ndcg.mean:.4f}",
            _half(ndcg),
            f"{recall.mean:.4f}",
            f"{mrr.mean:.4f}",
            f"{measured.catalogue[f'coverage@{k}']:.3f}",
            *_compared(found.against.get(system)),
        )
    return table


def _order(found: ScenarioReport, k: int) -> Table:
    """The same for impressions."""
    table = _empty("gauc", "±", "ndcg", "auc", "inform", "diff", "p")
    for system, measured in found.systems.items():
        gauc = measured.metrics["gauc"]
        others = (measured.metrics[name] for name in (f"ndcg@{k}", "auc", "information"))
        table.add_row(
            Text(system),
            _decimal(gauc.mean, 4),
            _half(gauc),
            *(_decimal(value.mean, 3) for value in others),
            *_compared(found.against.get(system)),
        )
    return table


def _tasks(found: ScenarioReport) -> Table:
    """A row for each predicted task, in 80 columns, its model beside its name.

    What is rare has small numbers, which are not rounded to 0; long ones are shortened, so that
    every column is whole: 8 columns for the name, 7 for each of six numbers, 5 for each of four.
    """
    table = _empty(
        "pairs",
        "rate",
        "loss",
        "base",
        "ece",
        "luck",
        "ratio",
        "auc",
        "gauc",
        "fused",
        first="task",
        gap=0,
    )
    for task in found.tasks:
        table.add_row(
            Text(f"{task.task} ({task.model or '-'})"),
            str(task.pairs) if task.pairs < 10**_NARROW else f"{task.pairs / 1e6:.0f}M",
            _narrow(task.rate, 2),
            _narrow(task.loss, 3),
            _narrow(task.base_loss, 3),
            _narrow(task.calibration_error, 2),
            _narrow(task.chance_error, 1),
            _ratio(task.calibration_ratio),
            *(_decimal(value, 3) for value in (task.auc, task.gauc, task.fused_gauc)),
        )
    return table


def _empty(*columns: str, first: str = "system", gap: int = 1) -> Table:
    """A table whose columns are 1 + `gap` apart; the first one folds, down to 8 columns."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, gap, 0, 0))
    table.add_column(first, overflow="fold", min_width=8)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _half(value: Interval) -> str:
    return "" if value.users < 2 else f"{(value.high - value.low) / 2:.3f}"


def _decimal(value: float, digits: int) -> str:
    return "-" if isnan(value) else f"{value:.{digits}f}"


def _narrow(value: float, least: int) -> str:
    """Three decimals, or more that leave `least` digits; with an exponent where that is long."""
    plain = _decimal(value, decimals(value, 3, least))
    if len(plain) <= _NARROW:
        return plain
    digits, _, power = f"{value:.{least - 1}e}".partition("e")
    return f"{digits}e{int(power)}"


def _ratio(value: float) -> str:
    """Two decimals, or fewer where the number has more digits before them."""
    if value >= 9999.5:
        return ">9999"
    return _decimal(value, 2 if value < 99.995 else 1 if value < 999.95 else 0)


def _compared(against: Comparison | None) -> tuple[str, str]:
    if against is None:
        return "", ""
    difference, p = round(-against.difference, 4) + 0.0, against.p_value  # never -0
    return f"{difference:+.4f}", "<.001" if p < 0.001 else f"{p:.3f}"
