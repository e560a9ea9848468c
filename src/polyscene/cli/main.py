"""The `polyscene` command: the app, the workspace option, and how errors are shown."""

from __future__ import annotations

import io
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from polyscene import __version__
from polyscene.errors import PolysceneError

__all__ = ["app", "run"]

app = typer.Typer(
    name="polyscene",
    help="Recommendations across scenarios, from the text of users and items.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"polyscene {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    workspace: Annotated[
        Path,
        typer.Option(
            "-w", "--workspace", envvar="POLYSCENE_WORKSPACE", help="Directory of the workspace."
        ),
    ] = Path(),
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log what is done.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Recommendations across scenarios, from the text of users and items."""
    context.obj = workspace
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")


def run() -> None:
    """Run the command; an error of ours is one message and exit code 1, not a traceback."""
    from polyscene.cli import commands  # noqa: F401  (registers the commands)
    from polyscene.cli.output import error_console, print_json

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that it lacks is shown by its code
            stream.reconfigure(errors="backslashreplace")
    try:
        app(standalone_mode=True)
    except PolysceneError as error:
        if "--json" in sys.argv:
            print_json({"error": {"type": type(error).__name__, "message": str(error)}})
        else:
            error_console.print(f"error: {error}", style="red", markup=False)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        error_console.print("stopped", style="red")
        sys.exit(130)
