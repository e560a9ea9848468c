"""A search for better options of the training of an encoder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomlkit

from polyscene.errors import SettingsError
from polyscene.evaluation.protocols import Plan, split
from polyscene.evaluation.run import matched
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.settings import Range, Settings, parse
from polyscene.training import EncoderTraining, train_encoder
from polyscene.tuning.check import compared
from polyscene.tuning.ranges import TRAINING, Value, Values
from polyscene.tuning.study import (
    Tuned,
    identity,
    is_new,
    opened_study,
    result,
    search_of,
    searched,
    study_folder,
)
from polyscene.vectors.store import replacing
from polyscene.workspace import Workspace

__all__ = ["tune_encoder", "write_options"]

_USUAL: dict[str, dict[str, Range]] = {
    "map": {
        "reg": Range(low=0.03, high=30, log=True),
        "components": Range(choices=[64, 128, 256, 384]),
    },
    "head": {
        "learning_rate": Range(low=1e-4, high=1e-2, log=True),
        "scale": Range(low=5, high=40),
        "batch_size": Range(choices=[32, 64, 128]),
    },
    "contrastive": {
        "learning_rate": Range(low=2e-5, high=1e-3, log=True),
        "scale": Range(low=5, high=40),
        "negatives": Range(low=0, high=3, whole=True),
    },
    "adapt": {
        "learning_rate": Range(low=2e-5, high=1e-3, log=True),
        "deletion": Range(low=0.2, high=0.8),
    },
    "mask": {
        "learning_rate": Range(low=2e-5, high=1e-3, log=True),
        "masked": Range(low=0.1, high=0.4),
    },
}
"""What is tried where no range is declared."""


def tune_encoder(
    workspace: Workspace,
    plan: Plan,
    config: EncoderTraining,
    *,
    study: str = "default",
    trials: int | None = None,
    progress: Progress = NO_PROGRESS,
    now: float | None = None,
) -> Tuned:
    """Look for options of a training that give an encoder with a better NDCG@10.

    The plan's part is put aside. On the rest every trial trains an encoder, which is scored by what
    that training holds out; the first has the options as they are. At the end the engine is fitted
    with the encoder of the first and of the best trial, and compared on what was put aside. Both
    are kept as versions of `workspace:NAME.trial`. A study of the same name is continued.

    Args:
        workspace: The workspace.
        plan: Scenarios, protocol, share and seed of what is put aside.
        config: The options that are not tried; what is learned from is in `scenarios`.
        study: Name of the study.
        trials: How many trials the study has at the end; as in the settings when omitted.
        progress: Where long steps report.
        now: The time of the questions; the clock when omitted.

    Raises:
        DataError: When nothing can be held out, or the study is of other data or ranges.
        MissingExtraError: When optuna, or what the training needs, is not installed.
        SettingsError: When a range is wrong, or there is nothing to try.
    """
    optuna = search_of(plan)
    moment = time.time() if now is None else now
    settings = matched(workspace.settings, plan.protocol)
    config = config.model_copy(update={"name": f"{config.name}.trial"})
    tried = _ranges(settings, config)
    folder = study_folder(workspace, study)
    with Workspace(workspace.path, settings, workspace.encoder) as own:
        part = split(own.store.dataset(lists=True), own.store.links(), settings, plan, moment)
        known = {**identity(own, plan, tried), "training": config.model_dump(mode="json")}
        opened = opened_study(optuna, folder, study, plan, known)
        if is_new(opened):
            opened.enqueue_trial(_start(config, tried))

        def attempt(values: Values, trial: Any) -> Iterator[float]:
            outcome = train_encoder(
                own, _with(config, values), data=part.train, links=part.links, resume=False,
                progress=progress,
            )  # fmt: skip
            score = outcome.after["mean"]
            trial.set_user_attr("version", outcome.version)
            _keep_best(opened, own.runs / config.name, score, outcome.version)
            yield score

        total = settings.tune.trials if trials is None else trials
        seconds = searched(optuna, opened, attempt, 1, tried, total, progress)
    best = {name: value for name, value in opened.best_params.items() if name in tried}
    complete = [one for one in opened.trials if one.state.name == "COMPLETE"]
    versions = [one.user_attrs["version"] for one in (complete[0], opened.best_trial)]
    first, second = (
        Workspace(workspace.path, _encoding(settings, config.name, version)) for version in versions
    )
    with first, second:
        check = compared(first, second, part, progress)
    before = float(complete[0].value)
    return result(optuna, opened, plan, study, 1, before, best, seconds, check)


def write_options(config: EncoderTraining, values: Values, path: Path) -> None:
    """Write the options of a training with these values, as `train encoder --options` takes them.

    Args:
        config: The other options; those that are not as by default are written too.
        values: The values by the path of the setting.
        path: The file; it appears when it is whole.
    """
    made = _with(config, values).model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    with replacing(path) as beside:
        beside.write_text(tomlkit.dumps(made), "utf-8")


def _ranges(settings: Settings, config: EncoderTraining) -> dict[str, Range]:
    declared = settings.tune.ranges.items()
    found = {path: one for path, one in declared if path.startswith(TRAINING)}
    kind: str = "head" if config.adapter == "head" else config.objective
    kind = "mask" if config.method == "mask" else kind
    if not found:
        found = {TRAINING + option: one for option, one in _USUAL.get(kind, {}).items()}
    if not found:
        raise SettingsError(
            f"nothing to tune of the objective {config.objective}, which learns nothing; expected "
            f'one of {", ".join(_USUAL)}, or ranges as [tune.ranges] "training.OPTION"'
        )
    for path, one in found.items():
        for value in one.choices or (one.low, one.high):
            assert value is not None
            _with(config, {path: int(value) if one.whole else value})
    return found


def _with(config: EncoderTraining, values: Values) -> EncoderTraining:
    options = {path.removeprefix(TRAINING): value for path, value in values.items()}
    return parse(EncoderTraining, {**config.model_dump(), **options}, "training")


def _start(config: EncoderTraining, tried: dict[str, Range]) -> dict[str, Value]:
    """The options as they are, as far as they lie in the ranges."""
    found: dict[str, Value] = {}
    for path, one in tried.items():
        option = path.removeprefix(TRAINING)
        value = config.rate if option == "learning_rate" else getattr(config, option)
        if one.choices:
            found |= {path: value} if value in one.choices else {}
        elif value is not None:
            assert one.low is not None
            assert one.high is not None
            found[path] = min(max(value, one.low), one.high)
    return found


def _keep_best(study: Any, folder: Path, score: float, version: str) -> None:
    """Remove the encoders of all trials but the first and the best one."""
    complete = [one for one in study.trials if one.state.name == "COMPLETE"]
    best = max(complete, key=lambda one: one.value, default=None)
    kept = {one.user_attrs["version"] for one in complete[:1]}
    if best is None or score > best.value:
        kept |= {version}
    else:
        kept |= {best.user_attrs["version"]}
    for old in folder.glob("2*"):
        if old.name not in kept:
            shutil.rmtree(old, ignore_errors=True)


def _encoding(settings: Settings, name: str, version: str) -> Settings:
    table = {"type": "workspace", "name": name, "version": version}
    return settings.model_copy(update={"encoders": [table]})
