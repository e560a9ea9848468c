"""`polyscene demo`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from polyscene.cli.main import app
from polyscene.cli.output import Timer, answer_table, console, print_report, progress_bars
from polyscene.demo.llm import Said, Told, interested, opened, reworded, tagged
from polyscene.demo.run import (
    PAGE,
    PERSONAS,
    Shown,
    load_movielens,
    load_sample,
    sample_now,
    shown_users,
)
from polyscene.engine import Answer, Engine
from polyscene.llm import LanguageModel
from polyscene.llm.base import ChatModel
from polyscene.settings import LlmSettings

__all__ = ["demo"]

_TAGGED, _WORDED = 3, 6
"""Targets that a language model tags, and reasons that it rewords."""


@app.command()
def demo(
    movielens: Annotated[
        Path | None, typer.Option(help="Folder of MovieLens latest-small, instead of the sample.")
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="Make the workspace there and keep it.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=50, help="Length of a list.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the simulated behaviour.")] = 0,
    llm: Annotated[
        str | None,
        typer.Option(help="A GGUF file, or package:NAME: also tags, interests and reasons by it."),
    ] = None,
) -> None:
    """Load a sample, fit a model, and recommend to three people in every scenario."""
    model = None if llm is None else opened(llm)  # a wrong path fails before the work
    path = keep or Path(tempfile.mkdtemp(prefix="polyscene-demo-"))
    try:
        _demo(path, movielens, n, seed, model)
    finally:
        if keep is None:
            shutil.rmtree(path, ignore_errors=True)
    if keep is not None:
        try_out = "doctor" if movielens else f"page {PAGE} --user {PERSONAS[0]}"
        console.print(f"\nthe workspace stays in {keep}; try: polyscene -w {keep} {try_out}")


def _demo(
    path: Path,
    movielens: Path | None,
    n: int,
    seed: int,
    model: tuple[ChatModel, LlmSettings] | None,
) -> None:
    total, progress = Timer(), progress_bars()
    if movielens is None:
        console.print("The sample world: invented targets and people, simulated behaviour.\n")
        report = load_sample(path, seed, progress)
        users, now = list(PERSONAS), sample_now()
    else:
        report = load_movielens(path, movielens, progress)
        users, now = ["1", "15", "100"], None
    print_report(report)
    timer = Timer()
    with Engine.open(path) as engine:
        fitted = engine.fit(progress, now)
        console.print(f"fit: {len(fitted.items):,} items encoded and indexed in {timer}")
        timer = Timer()
        answers = []
        for shown in shown_users(engine, users, n, now):
            _print(shown)
            answers += shown.answers
        lists = len(answers)
        console.print(f"\n{lists} lists in {timer}, everything in {total}")
        if model is not None:
            _model_says(engine, *model, users, answers)


def _print(shown: Shown) -> None:
    user = shown.user
    name = user.attributes.get("name", user.user_id)
    console.rule(Text(f"{name} ({user.user_id})", style="bold"))
    if user.description:
        console.print(Text(user.description, style="italic"))
    if user.tags:
        console.print(Text(f"interests: {', '.join(user.tags)}"))
    console.print(Text(f"lately: {'; '.join(shown.history[:5])}"))
    for answer in shown.answers:
        console.print(answer_table(answer, answer.scenario), soft_wrap=False)


def _model_says(
    engine: Engine,
    chat: ChatModel,
    settings: LlmSettings,
    users: Sequence[str],
    answers: Sequence[Answer],
) -> None:
    """Tags, interests and reasons by a language model, each as it comes."""
    workspace, timer = engine.workspace, Timer()
    with LanguageModel(chat, workspace.store, settings) as model:
        console.rule(Text("tags that the language model chose by the text alone", style="bold"))
        _print_told(tagged(workspace, model, answers, _TAGGED), "its own tags")
        console.rule(Text("interests, by what people did", style="bold"))
        scenario = next(iter(workspace.settings.scenarios))
        _print_told(interested(workspace, model, scenario, users), "said in a sentence")
        console.rule(Text("reasons in the words of the language model", style="bold"))
        _print_words(reworded(model, answers, _WORDED))
        used = list(model.ledger.usage().values())
    asked, seconds = sum(one.calls for one in used), timer
    tokens = sum(one.tokens_in + one.tokens_out for one in used)
    console.print(f"{asked} requests, {tokens:,} tokens, {seconds}; nothing left this machine")


def _print_told(found: Iterator[Told], beside: str) -> None:
    for one in found:
        chosen = ", ".join(one.words) or "(no answer of the form)"
        console.print(f"{one.name}: {chosen}", markup=False)
        console.print(f"    {beside}: {one.beside}", style="dim", markup=False)


def _print_words(found: Iterator[Said]) -> None:
    """What the language model makes of some reasons, and whether a user would see it."""
    for one in found:
        console.print(f"reason   {one.reason}", markup=False)
        console.print(f"model    {one.text or '(no answer of the form)'}", markup=False)
        verdict = f"not shown: {one.why}" if one.why else "shown in place of the reason"
        console.print(f"         {verdict}\n", style="dim", markup=False)
