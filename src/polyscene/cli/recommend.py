"""`polyscene recommend`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from polyscene.cli.main import app
from polyscene.cli.output import (
    Timer,
    answer_table,
    console,
    error_console,
    print_json,
    print_unknown,
    progress_bars,
    score_text,
)
from polyscene.engine import Answer, Engine, Recommendation
from polyscene.engine.batch import counted, read_ids, read_questions, write_results

__all__ = ["recommend"]

_PLAIN = "sim * constant"
"""The reward that changes nothing."""
_DEPTH = 50
"""Places that a classifier puts in order, at least."""


@app.command()
def recommend(
    context: typer.Context,
    scenario: Annotated[str, typer.Option(help="Where it is recommended.")],
    user: Annotated[str | None, typer.Option(help="Id of a user.")] = None,
    users_file: Annotated[
        Path | None,
        typer.Option(help="File with a user_id column, and maybe one context: a list for each."),
    ] = None,
    about: Annotated[
        str | None,
        typer.Option("--context", help="Id of the item that is asked about, as tags are."),
    ] = None,
    targets_file: Annotated[
        Path | None, typer.Option(help="File with an item_id column: rank only these.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=1000, help="Length of a list.")] = 10,
    out: Annotated[
        Path | None, typer.Option(help="Write the results to a .parquet, .jsonl or .csv file.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what each recommendation rests on.")
    ] = False,
    no_reasons: Annotated[
        bool, typer.Option("--no-reasons", help="Do not say why: faster, for --users-file.")
    ] = False,
    classifier: Annotated[
        str | None, typer.Option(help="Put the list in the order of this trained classifier.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="For --classifier: by which task; default the first.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Recommend to one user, or to every user of a file."""
    if (user is None) == (users_file is None):
        raise typer.BadParameter("give one of --user and --users-file")
    if about is not None and users_file is not None:
        raise typer.BadParameter("--context goes with --user; a users file has a column context")
    if classifier is not None and user is None:
        raise typer.BadParameter("--classifier goes with --user")
    if no_reasons and users_file is None:
        raise typer.BadParameter("--no-reasons goes with --users-file")
    targets = None if targets_file is None else read_ids(targets_file, "item_id")
    with Engine.open(context.obj) as engine:
        if users_file is not None:
            asked = read_questions(users_file)
            users, contexts = [one[0] for one in asked], [one[1] for one in asked]
            answers = engine.recommend_many(
                users, scenario, n, targets=targets, contexts=contexts, reasons=not no_reasons
            )
            _many(answers, len(asked), out, json)
            return
        length = n if classifier is None else max(n, _DEPTH)
        answer = engine.recommend(
            user, scenario, length, targets=targets, context=about, explain=explain
        )
        if classifier is not None:
            from polyscene.training.classify.rerank import by_classifier

            answer = by_classifier(engine.workspace, answer, classifier, n, task)
        if out is not None:
            rows = write_results([answer], out)
            console.print(f"wrote {rows:,} rows to {out}", markup=False)
        elif json:
            print_json(answer.to_dict())
        else:
            print_unknown(engine, [scenario])
            _print(answer, explain)


def _steps(item: Recommendation) -> list[str]:
    """The waterfall in lines, without steps that have nothing to say; the final rank is last."""
    steps = item.waterfall
    parts = [f"{name} {score_text(part, '+')}" for name, part in item.sources.items()]
    assert steps is not None
    said = f"sources: {', '.join(parts) or 'none'}"
    if steps.fused is not None:
        said += f" = {score_text(steps.fused)}, place {steps.fused_place}"
    lines = [said]
    if steps.tasks:
        tasks = ", ".join(f"{name} {value:.4g}" for name, value in steps.tasks.items())
        lines.append(f"tasks: {tasks}")
    if steps.unlearned:
        names = ", ".join(steps.unlearned)
        lines.append(f"not learned: {names}; the similarity, or 0, in its place")
    if steps.value is not None and steps.reward != _PLAIN:
        lines.append(f"reward: {steps.reward} = {steps.value:.4g}, place {steps.value_place}")
    if steps.both_place is not None:
        said = "nothing known" if steps.back is None else f"{steps.back:.3f}"
        lines.append(f"in return: {said}, place {steps.both_place}")
    if steps.rules:
        lines.append(f"rules: {', '.join(steps.rules)}")
    said = f"rank: {item.rank}, score {steps.score:.4g}"
    if item.rank_before not in (None, item.rank):
        said += f"; place {item.rank_before} before a model put the list in order"
    lines.append(said)
    return lines


def _many(answers: Iterator[Answer], count: int, out: Path | None, json: bool) -> None:
    timer = Timer()
    if out is None:
        for answer in answers:
            if json:
                print_json(answer.to_dict(), indent=None)
            else:
                console.print(answer_table(answer, _title(answer)), soft_wrap=False)
        return
    with progress_bars().task("recommend", count, "lists") as task:
        rows = write_results(counted(answers, task), out)
    console.print(f"wrote {rows:,} rows in {count:,} lists to {out} in {timer}", markup=False)


def _title(answer: Answer) -> str:
    about = "" if answer.context is None else f" about {answer.context}"
    return f"{answer.scenario} for {answer.user_id}{about}"


def _print(answer: Answer, explain: bool) -> None:
    for note in answer.notes:
        error_console.print(f"note: {note}", markup=False)
    console.print(answer_table(answer, _title(answer)), soft_wrap=False)
    if not explain:
        return
    for item in answer.items:
        console.print(Text(f"{item.rank}. {item.title} ({item.item_id})", style="bold"))
        for line in _steps(item):
            console.print(f"   {line}", markup=False)
        for support in item.evidence.support:
            verb = support.verbs.get("en", support.action)
            console.print(
                f"   {verb} {support.title!r} ({support.item_id}), "
                f"similarity {support.similarity:.2f}",
                markup=False,
            )
        for before in item.evidence.about:
            who = "the user" if before.own else "others"
            console.print(
                f"   done before by {who} about {before.title!r} ({before.item_id})", markup=False
            )
        if item.evidence.way is not None:
            way = item.evidence.way
            via = f" {way.name or way.via}".rstrip()
            console.print(
                f"   way: {way.start.title!r} ({way.start.item_id}) —{way.kind}{via}→ this",
                markup=False,
            )
        if item.evidence.friends is not None:
            console.print(f"   {item.evidence.friends} friends acted on it", markup=False)
        if item.evidence.tags:
            console.print(f"   shared tags: {', '.join(item.evidence.tags)}", markup=False)
