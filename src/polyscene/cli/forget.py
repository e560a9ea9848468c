"""`polyscene forget`."""

from __future__ import annotations

import json as formats
from pathlib import Path
from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import console, print_json
from polyscene.engine import Engine
from polyscene.errors import DataError

__all__ = ["forget"]


@app.command()
def forget(
    context: typer.Context,
    user: Annotated[str, typer.Option(help="Id of the person.")],
    export: Annotated[
        Path | None, typer.Option(help="First write all that is held on them to a JSON file.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Erase nothing; print what is held, or export it.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Erase a person everywhere, or show all that is held on them."""
    with Engine.open(context.obj) as engine:
        if export is not None or keep:
            held = formats.dumps(engine.held(user), ensure_ascii=False, indent=2)
        if export is not None:
            try:
                export.write_text(held + "\n", "utf-8")
            except OSError as error:
                raise DataError(f"cannot write {export}: {error.strerror or error}") from error
        if keep:
            if export is None:
                print_json(formats.loads(held))
            return
        receipt = engine.forget(user)
    if json:
        print_json(receipt.to_dict())
        return
    rows = ", ".join(f"{count:,} {kind}" for kind, count in receipt.erased.items() if count)
    console.print(f"erased {user}: {rows}, {receipt.vectors:,} vectors", markup=False)
    if receipt.models:
        models = ", ".join(receipt.models)
        console.print(f"learned before, until replaced by a fit: {models}", markup=False)
