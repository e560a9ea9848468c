"""`polyscene llm`."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from polyscene.cli.main import app
from polyscene.cli.output import console, print_json, results_table
from polyscene.llm import Account, Usage
from polyscene.llm.check import check
from polyscene.workspace import Workspace

__all__ = ["llm"]


class _Deed(StrEnum):
    STATUS = "status"
    CHECK = "check"


@app.command()
def llm(
    context: typer.Context,
    deed: Annotated[_Deed, typer.Argument(help="What to do.")],
    month: Annotated[
        str | None, typer.Option(help="Only what was asked in this month, such as 2026-11.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What the language model was asked and what it cost, or whether it works."""
    with Workspace.open(context.obj) as workspace:
        if deed is _Deed.CHECK:
            found = check(workspace.language_model)
            if json:
                print_json(asdict(found))
                return
            verdict = "right" if found.right else "of the right form, but wrong"
            console.print(f"{found.model}\nits answer is {verdict}", markup=False)
            console.print(
                f"{found.tokens_in} tokens in, {found.tokens_out} out, {found.seconds:.1f} s",
                markup=False,
            )
            return
        ledger = workspace.ledger
        usage = ledger.usage(month)
        spent, answers = ledger.spent(ledger.today()[:7]), ledger.answers()
        cap = workspace.settings.llm.monthly_cap
    if json:
        rows = [asdict(who) | asdict(used) for who, used in usage.items()]
        print_json({"spent_this_month": spent, "cap": cap, "remembered": answers, "usage": rows})
        return
    columns = ("model", "prompt", "calls", "cached", "failed", "tokens in", "out", "cost")
    console.print(results_table((_row(*one) for one in usage.items()), columns))
    limit = "no cap" if cap is None else f"of {cap:g}"
    console.print(
        f"this month: {spent:.4f} ({limit}); {answers:,} answers are remembered", markup=False
    )


def _row(who: Account, used: Usage) -> tuple[str, ...]:
    rate = "" if used.hit_rate is None else f"{used.hit_rate:.0%}"
    parts = who.model.split()  # of a local model a file, of a service its address and a name
    return (
        " ".join(parts[: 2 if parts[0] == "local" else 3]),
        f"{who.prompt} v{who.version}", f"{used.calls:,}", rate,
        f"{used.failures:,}", f"{used.tokens_in:,}", f"{used.tokens_out:,}", f"{used.cost:.4f}",
    )  # fmt: skip
