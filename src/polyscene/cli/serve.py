"""`polyscene serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import error_console

__all__ = ["serve"]


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="On which port; 0: any that is free.")
    ] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer.")] = 1,
) -> None:
    """Serve the workspace over HTTP until it is stopped."""
    from polyscene.server.run import serve as run

    shown = f"[{host}]" if ":" in host else host

    def told(port: int) -> None:
        where = f"http://{shown}:{port}"
        error_console.print(f"serving on {where}; /docs describes it, /dashboard shows it")

    run(context.obj, host, port, workers, told)
