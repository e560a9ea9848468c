"""`polyscene ingest`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import console, print_report, progress_bars
from polyscene.data.importers import importer_names
from polyscene.data.report import FileReport, IngestReport
from polyscene.data.report_file import ReportFile
from polyscene.engine import Engine
from polyscene.engine.batch import read_id_lines
from polyscene.errors import IngestError, PolysceneError

__all__ = ["OnError", "ingest"]


class OnError(StrEnum):
    """What a bad row does."""

    FAIL = "fail"
    SKIP = "skip"


@app.command()
def ingest(
    context: typer.Context,
    path: Annotated[
        Path | None, typer.Argument(help="With --format: the folder to import.")
    ] = None,
    items: Annotated[list[Path] | None, typer.Option(help="File of items.")] = None,
    users: Annotated[list[Path] | None, typer.Option(help="File of users.")] = None,
    events: Annotated[list[Path] | None, typer.Option(help="File of events.")] = None,
    relations: Annotated[list[Path] | None, typer.Option(help="File of relations.")] = None,
    format: Annotated[
        str | None, typer.Option(help=f"Format of a folder: {', '.join(importer_names())}.")
    ] = None,
    exclude_tags_of: Annotated[
        Path | None,
        typer.Option(help="With --format: drop the tags of these users; one id a line, or a CSV."),
    ] = None,
    on_error: Annotated[
        OnError, typer.Option(help="fail keeps nothing of a bad file; skip leaves bad rows out.")
    ] = OnError.FAIL,
    encoding: Annotated[str, typer.Option(help="Encoding of text files.")] = "utf-8",
    report: Annotated[
        Path | None,
        typer.Option(help="JSON file that says how far it is, and in the end what came of it."),
    ] = None,
) -> None:
    """Load items, users, events and relations from files, each file whole or not at all."""
    files = {"items": items, "users": users, "events": events, "relations": relations}
    if (format is None) != (path is None):
        raise typer.BadParameter("--format NAME goes with a PATH, and a PATH with --format NAME")
    if exclude_tags_of is not None and format is None:
        raise typer.BadParameter("--exclude-tags-of FILE goes with --format NAME")
    if format is None and not any(files.values()):
        raise typer.BadParameter("name a file with --items, --users, --events or --relations")
    options = {}
    if exclude_tags_of is not None:
        options["exclude_tags_of"] = read_id_lines(exclude_tags_of, "user_id")
    with Engine.open(context.obj) as engine:
        progress = progress_bars()
        told = None if report is None else ReportFile(report, progress)
        done: list[FileReport] = []
        try:
            if format is not None and path is not None:
                done += engine.import_folder(
                    format, path, on_error=on_error.value, progress=told or progress, **options
                ).files
            if any(files.values()):
                done += engine.ingest(
                    **files, on_error=on_error.value, encoding=encoding, progress=told or progress
                ).files
            print_report(IngestReport(done))
        except IngestError as error:
            done += error.report.files
            _print_kept(done)
            if told is not None:
                told.finish(done, str(error).splitlines()[0])
            raise
        except PolysceneError as error:
            if told is not None:
                told.finish(done, str(error))
            raise
        if told is not None:
            told.finish(done)
        counts = engine.workspace.store.counts()
    console.print(
        f"the store has {counts.items:,} items, {counts.users:,} users, {counts.events:,} events, "
        f"{counts.relations:,} relations"
    )


def _print_kept(files: Sequence[FileReport]) -> None:
    """Say which files were loaded before the one that failed."""
    for file in files:
        if file.loaded:
            console.print(f"{file.path.name}: {file.loaded:,} {file.kind} loaded", markup=False)
