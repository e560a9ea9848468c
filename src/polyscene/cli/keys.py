"""`polyscene keys`."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import console, error_console, print_json, results_table
from polyscene.errors import DataError
from polyscene.storage import Key
from polyscene.workspace import Workspace

__all__ = ["keys"]


class _Deed(StrEnum):
    ADD = "add"
    LIST = "list"
    REVOKE = "revoke"


@app.command()
def keys(
    context: typer.Context,
    deed: Annotated[_Deed, typer.Argument(help="What to do.")],
    name: Annotated[
        str, typer.Argument(help="For add what the key is for; for revoke its id.")
    ] = "",
    role: Annotated[str, typer.Option(help="read, write or admin.")] = "read",
    rate: Annotated[
        float | None, typer.Option(help="Requests a minute, at most; no limit when omitted.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make, list or revoke the keys of the service."""
    from polyscene.server.auth import add_key, revoke_key

    if deed is not _Deed.LIST and not name:
        raise DataError(f"keys {deed} needs what to {deed}: polyscene keys {deed} NAME")
    with Workspace.open(context.obj) as workspace:
        if deed is _Deed.ADD:
            key, text = add_key(workspace.store, name, role, rate)
            if json:
                print_json({**_plain(key), "key": text})
            else:
                console.print(text, markup=False)
                error_console.print("keep it: it is shown this once", markup=False)
        elif deed is _Deed.REVOKE:
            revoke_key(workspace.store, name)
            console.print(f"revoked {name}", markup=False)
        elif json:
            print_json([_plain(key) for key in workspace.store.service_keys()])
        else:
            columns = ("id", "name", "role", "requests/min", "made", "revoked")
            console.print(results_table(map(_row, workspace.store.service_keys()), columns))


def _plain(key: Key) -> dict[str, object]:
    return {
        "id": key.key_id,
        "name": key.name,
        "role": key.role,
        "requests_per_minute": key.requests_per_minute,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }


def _row(key: Key) -> tuple[str, ...]:
    limit = "" if key.requests_per_minute is None else f"{key.requests_per_minute:g}"
    return (key.key_id, key.name, key.role, limit, _day(key.created_at), _day(key.revoked_at))


def _day(moment: float | None) -> str:
    return "" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M}"
