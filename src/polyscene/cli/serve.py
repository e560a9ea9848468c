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
    port: Annotated[int, typer.Option(min=0, max=65535, help="On which port.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer.")] = 1,
) -> None:
    """Serve the workspace over HTTP until it is stopped."""
    from polyscene.server.run import serve as run

    shown = f"[{host}]" if ":" in host else host
    told = f"serving on http://{shown}:{port}; /docs describes it, /dashboard shows it"
    run(context.obj, host, port, workers, lambda: error_console.print(told))
