"""`polyscene train`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from polyscene.cli.main import app
from polyscene.cli.options import read_options
from polyscene.cli.output import console, print_json, progress_bars, results_table
from polyscene.errors import DataError

__all__ = ["train"]


_SPEED = {"texts_per_second": "texts a second", "bytes": "bytes"}
"""What was measured of encoders that were made for speed, and what it is called."""


class _Deed(StrEnum):
    ENCODER = "encoder"
    CLASSIFIER = "classifier"
    LIST = "list"
    ROLLBACK = "rollback"
    USE = "use"


@app.command()
def train(
    context: typer.Context,
    deed: Annotated[_Deed, typer.Argument(help="What to do.")],
    name: Annotated[
        str,
        typer.Argument(
            help="The encoder, as in workspace:NAME, or the classifier; default classifier."
        ),
    ] = "",
    objective: Annotated[
        str | None,
        typer.Option(
            help="contrastive, the default; adapt, to texts alone; map, in seconds; distil or "
            "onnx, for speed; classify, the same as train classifier."
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="For adapt: contrast, the default, denoise or mask."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="What is trained on top of.")] = None,
    scenario: Annotated[
        list[str] | None, typer.Option(help="What to learn from; default every scenario.")
    ] = None,
    adapter: Annotated[str | None, typer.Option(help="lora, the default, full or head.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, at most.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of what is drawn at random; default 0.")
    ] = None,
    options: Annotated[
        Path | None, typer.Option(help="A TOML file with further options of the training.")
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on with an unfinished run of the same options and data.")
    ] = True,
    version: Annotated[str, typer.Option(help="For use: the version.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train an encoder or a classifier on behaviour, list what was trained, or go back."""
    from polyscene.settings import parse
    from polyscene.training import train_encoder
    from polyscene.training.config import EncoderTraining
    from polyscene.training.runs import current, promote, roll_back, versions
    from polyscene.workspace import Workspace

    file = read_options(options)
    classify = (objective or file.get("objective")) == "classify"
    if deed is _Deed.CLASSIFIER or (deed is _Deed.ENCODER and classify):
        if classify:
            objective = None
            file.pop("objective", None)
        _none_of(objective=objective, method=method, adapter=adapter, steps=steps)
        given = _given(file, name=name or None, base=base, scenarios=scenario, seed=seed)
        _classifier(context.obj, {"name": "classifier", **given}, resume, json)
        return
    if deed is not _Deed.LIST and not name:
        raise DataError(f"train {deed} needs a name: polyscene train {deed} NAME")
    with Workspace.open(context.obj) as workspace:
        if deed is _Deed.LIST:
            listed = [
                (
                    one.name,
                    one.version,
                    _state(one.current, one.finished, one.metrics),
                    _mean(one.metrics, "before"),
                    _mean(one.metrics, "after"),
                )
                for one in versions(workspace.runs, name or None)
            ]
            columns = ("name", "version", "state", "base", "trained")
            if json:
                print_json([dict(zip(columns, row, strict=True)) for row in listed])
            else:
                console.print(results_table(listed, columns))
            return
        if deed is not _Deed.ENCODER:
            if deed is _Deed.USE:
                promote(workspace.runs, name, version)
            now = version if deed is _Deed.USE else roll_back(workspace.runs, name)
            console.print(f"workspace:{name} is {now} now; fit again to use it", markup=False)
            return
        given = _given(
            file, name=name, objective=objective, method=method, base=base, scenarios=scenario,
            adapter=adapter, steps=steps, seed=seed,
        )  # fmt: skip
        config = parse(EncoderTraining, given, "training")
        outcome = train_encoder(workspace, config, resume=resume, progress=progress_bars())
        in_use = current(workspace.runs, name)
    if json:
        print_json({
            "name": outcome.name, "version": outcome.version, "passed": outcome.passed,
            "before": outcome.before, "after": outcome.after, "seconds": outcome.seconds,
            "resumed": outcome.resumed, "gained": outcome.gained,
            **{key: outcome.more[key] for key in _SPEED if key in outcome.more},
        })  # fmt: skip
        return
    rows = [
        (scenario, f"{outcome.before[scenario]:.4f}", f"{value:.4f}")
        for scenario, value in outcome.after.items()
    ]
    console.print(results_table(rows, ("NDCG@10, held out", "base", "trained")))
    speed = [
        (said, *(f"{value:,.0f}" for value in outcome.more[key].values()))
        for key, said in _SPEED.items()
        if key in outcome.more
    ]
    if speed:
        console.print(results_table(speed, ("speed and size", "base", config.objective)))
    said = f'it is in use where polyscene.toml has encoders = ["workspace:{name}"]; fit again'
    if not outcome.passed:
        said = "it is worse than its base and not in use"
        if not config.trains:
            share = outcome.after["mean"] / outcome.before["mean"]
            said = (
                f"it keeps {share:.0%} of the NDCG of its base, less than {config.keep:.0%}, and is"
            )
            said += " not in use"
        if not outcome.gained:
            stays = "the base" if in_use is None else f"version {in_use}"
            said = "nothing was learned that helps: no step was as good as the start, whose weights"
            said += f" it has; {stays} stays in use"
        if config.objective in ("contrastive", "adapt"):
            said += f"; its learning_rate was {config.rate:g}, try a lower one"
    console.print(
        f"trained {name} {outcome.version} in {outcome.seconds:.0f} s: {said}", markup=False
    )


def _classifier(folder: Path, given: dict[str, Any], resume: bool, json: bool) -> None:
    """Train a classifier, and print what it is worth."""
    from polyscene.settings import parse
    from polyscene.training.classify.config import ClassifierTraining
    from polyscene.training.classify.train import train_classifier
    from polyscene.workspace import Workspace

    config = parse(ClassifierTraining, given, "training")
    name = config.name
    with Workspace.open(folder) as workspace:
        found = train_classifier(workspace, config, resume=resume, progress=progress_bars())
    pseudo = found.pseudo if config.pseudo is not None else ()
    if json:
        of_each = [
            {"kept": count, "loss_before": before, "loss": after} for count, before, after in pseudo
        ]
        print_json({"name": name, "passed": found.passed, "seconds": found.seconds,
                    "metrics": found.metrics, **({"pseudo": of_each} if pseudo else {})
                    })  # fmt: skip
        return
    rows = [
        (scenario, task, f"{one['pairs']:,}", *(
            f"{one[key]:.4f}" if key in one else ""
            for key in ("auc", "accuracy", "log_loss", "base_loss", "rmse", "base_rmse")
        ))
        for scenario, tasks in found.metrics.items()
        for task, one in tasks.items()
    ]  # fmt: skip
    columns = ("scenario", "task", "held out", "auc", "accuracy", "log loss", "of the rate", "rmse",
               "of the mean")  # fmt: skip
    console.print(results_table(rows, columns), soft_wrap=False)
    for number, (count, before, after) in enumerate(pseudo, start=1):
        became = "pseudo-labels made nothing better, and are left out"
        if count:
            became = f"{count:,} pseudo-labels, validation loss {before:.4f} -> {after:.4f}"
        console.print(f"network {number}: {became}", markup=False)
    said = "it is saved" if found.passed else "it says no more than the rates, and is not saved"
    console.print(f"trained {name} in {found.seconds:.0f} s: {said}", markup=False)


def _none_of(**said: Any) -> None:
    """Refuse options that a classifier has not.

    Raises:
        DataError: When one is there.
    """
    for name, value in said.items():
        if value is not None:
            raise DataError(
                f"got --{name} {value}, which goes with an encoder; what a classifier has, such as "
                "form and epochs, comes in the file of --options"
            )


def _given(file: dict[str, Any], **said: Any) -> dict[str, Any]:
    """The options of a file, and before them what was said on the command line."""
    own = {key: value for key, value in said.items() if value is not None and value != []}
    return {**file, **own}


def _state(current: bool, finished: bool, metrics: Any) -> str:
    if current:
        return "in use"
    if not finished:
        return "unfinished"
    if not metrics.get("gained", True):
        return "learned nothing"
    return "passed" if metrics.get("passed") else "not passed"


def _mean(metrics: Any, when: str) -> str:
    return f"{metrics[when]['mean']:.4f}" if metrics else ""
