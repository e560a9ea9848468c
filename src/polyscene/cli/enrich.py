"""`polyscene enrich`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import bands_table, console, print_json, progress_bars
from polyscene.storage import notes_of
from polyscene.workspace import Workspace

__all__ = ["enrich"]


@app.command()
def enrich(
    context: typer.Context,
    items: Annotated[bool, typer.Option("--items", help="Words for items.")] = False,
    users: Annotated[bool, typer.Option("--users", help="Interests of users.")] = False,
    user: Annotated[str | None, typer.Option(help="With --users: only of this one.")] = None,
    scenario: Annotated[
        str | None, typer.Option(help="With --users: whose history; default the first.")
    ] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="With --users: measure whether interests make lists better; they count where so.",
        ),
    ] = False,
    erase: Annotated[
        str | None, typer.Option(help="Remove what was noted of this user, and nothing else.")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Fill what records lack with these words.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="So many, at most.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also ask what the model could not answer before.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Describe items by words: tags, category, audience and mood; and users by interests."""
    from polyscene.enrichment.items import apply_to_items, enrich_items
    from polyscene.enrichment.told import TOLD
    from polyscene.enrichment.users import erase_notes

    if items + users + (erase is not None) != 1:
        raise typer.BadParameter("say what to enrich: --items or --users; or whom to --erase")
    if erase is not None:
        with Workspace.open(context.obj) as workspace:
            removed = erase_notes(workspace, erase)
        console.print(f"{removed} notes on {erase} were removed", markup=False)
        return
    if measure and not users:
        raise typer.BadParameter("--measure goes with --users")
    if measure:
        _measure(context.obj, scenario, limit, json=json)
        return
    if users:
        _users(context.obj, scenario, user, limit, again=again, json=json)
        return
    with Workspace.open(context.obj) as workspace:
        report = enrich_items(workspace, limit=limit, again=again, progress=progress_bars())
        notes = notes_of(workspace.store, "item")
        changed = apply_to_items(workspace, notes) if apply else 0
    if json:
        print_json(asdict(report) | {"changed": changed})
        return
    noted = ", ".join(f"{count:,} {facet}" for facet, count in report.noted.items())
    console.print(f"{report.items:,} items: {noted or 'nothing to say'}", markup=False)
    console.print(f"learned from {report.taught_by:,} tagged items", markup=False)
    worth = report.worth
    if worth is not None:
        verdict = "counts" if worth.helps else "does not help, so it was not asked for the rest"
        console.print(
            f"the model's choice {verdict} (log loss falls by {worth.gain:.4f} ± "
            f"{worth.error:.4f} on trial items)",
            markup=False,
        )
    if report.unanswered:
        console.print(f"{report.unanswered:,} items have no answer of the model", markup=False)
    if report.model:
        console.print(f"cost {report.cost:.4f}; see polyscene llm status", markup=False)
    for note in [note for note in notes if note.facet != TOLD][:8]:
        console.print(f"  {note.subject} {note.facet}: {', '.join(note.words)}", markup=False)
    if apply:
        console.print(f"{changed:,} records were filled; polyscene fit learns them", markup=False)


def _users(
    path: Path,
    scenario: str | None,
    user: str | None,
    limit: int | None,
    *,
    again: bool,
    json: bool,
) -> None:
    from polyscene.enrichment.users import enrich_users

    with Workspace.open(path) as workspace:
        name = scenario or next(iter(workspace.settings.scenarios), "")
        only = None if user is None else [user]
        report = enrich_users(
            workspace, name, users=only, limit=limit, again=again, progress=progress_bars()
        )
        notes = [one for one in notes_of(workspace.store, "user", user) if one.scenario == name]
    if json:
        print_json(asdict(report))
        return
    console.print(
        f"{report.users:,} users: {report.noted:,} described, {report.unchanged:,} unchanged, "
        f"{report.unanswered:,} without an answer of the model",
        markup=False,
    )
    for note in notes[:8]:
        console.print(f"  {note.subject} {note.facet}: {', '.join(note.words)}", markup=False)


def _measure(path: Path, scenario: str | None, limit: int | None, *, json: bool) -> None:
    from polyscene.engine import Engine
    from polyscene.enrichment.noted import write_gates
    from polyscene.evaluation.interests import USERS, measure_interests

    with Engine.open(path) as engine:
        workspace, version = engine.workspace, engine.model.config.version
        name = scenario or next(iter(workspace.settings.scenarios), "")
        gate = measure_interests(workspace, name, limit or USERS, progress=progress_bars())
        write_gates(workspace, version, {name: gate})
    if json:
        print_json(gate.model_dump())
        return
    console.print(bands_table(gate.bands))
    if any(band.gains for band in gate.bands):
        console.print(
            f"interests weigh {gate.weight:g} / n^{gate.fade:g} at n targets, where they are on",
            markup=False,
        )
    else:
        console.print("interests are shown, and have no part in lists", markup=False)
