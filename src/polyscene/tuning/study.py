"""A search for better settings that can be stopped and taken up again."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from polyscene.errors import DataError, SettingsError
from polyscene.evaluation.protocols import Plan, split
from polyscene.evaluation.run import matched
from polyscene.extras import require
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.metrics.compare import Comparison
from polyscene.settings import Range, Settings
from polyscene.tuning.check import compared
from polyscene.tuning.ranges import Value, Values, applied, parts, ranges
from polyscene.tuning.trials import Trials
from polyscene.workspace import Workspace

__all__ = [
    "PROTOCOLS",
    "Tuned",
    "identity",
    "is_new",
    "opened_study",
    "result",
    "search_of",
    "searched",
    "study_folder",
    "tune",
]

PROTOCOLS = ("random", "leave-one-out", "time", "cold-users")
"""The protocols whose like a fit can hold out to choose by."""
_STARTS = 8
"""Trials after which one that is below the median of those before, on the same splits, is given
up; the others go on to all splits."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PURPOSE = "polyscene tune"
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search found."""

    study: str
    scenarios: tuple[str, ...]
    protocol: str
    splits: int
    before: float
    """NDCG@10 on the splits as a fit chooses by itself, with the settings as they are."""
    best: float
    """The same with the best values."""
    values: dict[str, Value]
    """The best values by the path of the setting."""
    trials: list[tuple[int, float]]
    """Number and score of every trial that was carried through."""
    pruned: int
    """Trials that were given up early."""
    seconds: float
    """Time of the trials of this call."""
    importance: dict[str, float] = field(default_factory=dict)
    """Share of the spread of the scores that a setting explains; empty with few trials."""
    check: dict[str, Comparison] = field(default_factory=dict)
    """By scenario, NDCG@10 of the best values less that of the settings as they are, on events that
    no trial saw."""

    @property
    def holds(self) -> bool:
        """Whether the mean over the scenarios is better on what no trial saw, too."""
        return sum(one.difference for one in self.check.values()) > 0

    @property
    def by_chance(self) -> bool:
        """Whether chance may have made what is better there.

        It is taken to err in all scenarios alike: the mean of the lower ends of the intervals is
        not above 0.
        """
        return sum(one.low for one in self.check.values()) <= 0


def study_folder(workspace: Workspace, study: str) -> Path:
    """Where a study is kept.

    Raises:
        SettingsError: When the name is no name for a folder.
    """
    if not _NAME.fullmatch(study):
        raise SettingsError(
            f"study: got {study!r}; a name has letters, digits, '.', '_' and '-', and begins with "
            "a letter or digit"
        )
    return workspace.path / "tune" / study


def tune(
    workspace: Workspace,
    plan: Plan,
    *,
    study: str = "default",
    trials: int | None = None,
    weights: bool = False,
    progress: Progress = NO_PROGRESS,
    now: float | None = None,
) -> Tuned:
    """Look for settings with a better NDCG@10; nothing but the folder of the study is written.

    The plan's part is put aside. On the rest every trial is scored as a fit scores its own
    choices, split after split; a trial that falls behind is given up. Values are drawn by a
    tree-structured Parzen estimator, the first being what the fit would choose itself. At the end
    the settings as they are and the best ones are fitted to the rest and compared on what was put
    aside. A study of the same name is continued, also after its process was killed.

    Args:
        workspace: The workspace.
        plan: Scenarios, protocol, share and seed of what is put aside.
        study: Name of the study.
        trials: How many trials the study has at the end; as in the settings when omitted.
        weights: Whether the weights of the sources are tried too.
        progress: Where long steps report.
        now: The time of the questions; the clock when omitted.

    Raises:
        DataError: When nothing can be held out, or the study is of other data or ranges.
        MissingExtraError: When optuna is not installed.
        SettingsError: When a range is wrong, or there is nothing to try.
    """
    optuna = search_of(plan)
    moment = time.time() if now is None else now
    settings = matched(workspace.settings, plan.protocol)
    tried = ranges(settings, plan.scenarios, weights)
    folder = study_folder(workspace, study)
    with Workspace(workspace.path, settings, workspace.encoder) as own:
        part = split(own.store.dataset(lists=True), own.store.links(), settings, plan, moment)
        opened = opened_study(optuna, folder, study, plan, identity(own, plan, tried))
        scorer = Trials(own, plan.scenarios, part.train, part.links, part.now, progress)
        *_, before = scorer.scores(settings)
        if is_new(opened):
            opened.enqueue_trial(_start(scorer, settings, tried))
        total = settings.tune.trials if trials is None else trials

        def attempt(values: Values, _: Any) -> Iterator[float]:
            return scorer.scores(applied(settings, values))

        seconds = searched(optuna, opened, attempt, scorer.splits, tried, total, progress)
        best = {name: value for name, value in opened.best_params.items() if name in tried}
        with Workspace(workspace.path, applied(settings, best), workspace.encoder) as other:
            check = compared(own, other, part, progress)
    return result(optuna, opened, plan, study, scorer.splits, before, best, seconds, check)


def search_of(plan: Plan) -> ModuleType:
    """The library that searches.

    Raises:
        DataError: When nothing can be tuned by the protocol of the plan.
        MissingExtraError: When optuna is not installed.
    """
    optuna = require("optuna", "train", _PURPOSE)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if plan.protocol not in PROTOCOLS:
        raise DataError(
            f"got protocol {plan.protocol}; settings can be tuned by {', '.join(PROTOCOLS)}"
        )
    return optuna


def result(
    optuna: ModuleType,
    opened: Any,
    plan: Plan,
    study: str,
    splits: int,
    before: float,
    best: dict[str, Value],
    seconds: float,
    check: dict[str, Comparison],
) -> Tuned:
    """What a study found."""
    complete = [one for one in opened.trials if one.state.name == "COMPLETE"]
    return Tuned(
        study=study,
        scenarios=plan.scenarios,
        protocol=plan.protocol,
        splits=splits,
        before=before,
        best=float(opened.best_value),
        values=best,
        trials=[(one.number, float(one.value)) for one in complete],
        pruned=sum(one.state.name == "PRUNED" for one in opened.trials),
        seconds=seconds,
        importance=_importance(optuna, opened) if len(complete) >= 2 * _STARTS else {},
        check=check,
    )


def identity(workspace: Workspace, plan: Plan, tried: Mapping[str, Range]) -> dict[str, Any]:
    """What must be the same for trials to be comparable."""
    return {
        "data": workspace.store.fingerprint(),
        "scenarios": list(plan.scenarios),
        "protocol": plan.protocol,
        "share": plan.share,
        "seed": plan.seed,
        "ranges": {name: one.model_dump() for name, one in tried.items()},
    }


def opened_study(
    optuna: ModuleType, folder: Path, name: str, plan: Plan, identity: dict[str, Any]
) -> Any:
    """The study in a folder, a new one where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    journal = require("optuna.storages.journal", "train", _PURPOSE)
    storage = optuna.storages.JournalStorage(
        journal.JournalFileBackend(str(folder / "study.journal"))
    )
    known = [one.study_name for one in optuna.get_all_study_summaries(storage)]
    pruner = optuna.pruners.MedianPruner(n_startup_trials=_STARTS)
    study = optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=True, pruner=pruner
    )
    if name not in known:
        study.set_user_attr("identity", identity)
    before = study.user_attrs.get("identity", {})
    changed = [key for key, value in identity.items() if before.get(key) != _plain(value)]
    if changed:
        raise DataError(
            f"the study {name!r} in {folder} was made with other {', '.join(changed)}: its trials "
            "cannot be compared with new ones; name another with --study, or remove that folder"
        )
    for one in study.trials:  # of a process that was killed
        if one.state.name == "RUNNING":
            study.tell(one.number, state=optuna.trial.TrialState.FAIL)
    study.sampler = optuna.samplers.TPESampler(seed=plan.seed + len(study.trials))
    return study


def is_new(study: Any) -> bool:
    """Whether what there is was not tried yet, nor is to be next: a process may be killed at it."""
    return all(one.state.name == "FAIL" for one in study.trials)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _start(scorer: Trials, settings: Settings, tried: Mapping[str, Range]) -> dict[str, Value]:
    """What a fit would choose, as far as it lies in the ranges."""
    options, found = scorer.options(settings), {}
    weights = scorer.weights(settings)
    for path, one in tried.items():
        names = parts(path)
        if names[0] == "sources":
            value = getattr(options[names[1]], names[2]) if names[1] in options else None
        elif names[0] == "whitening":
            value = getattr(settings.whitening, names[1])
        else:
            value = weights.get(names[1], {}).get(names[3])
        if one.choices:
            if value in one.choices:
                found[path] = value
        elif value is not None:
            assert one.low is not None
            assert one.high is not None
            found[path] = min(max(value, one.low), one.high)
    return found


def searched(
    optuna: ModuleType,
    study: Any,
    attempt: Callable[[Values, Any], Iterator[float]],
    splits: int,
    tried: Mapping[str, Range],
    total: int,
    progress: Progress,
) -> float:
    """Run the trials that are missing; returns the seconds that they took.

    Args:
        optuna: The library.
        study: The study.
        attempt: The score of some values, in a trial, on the first split, the first two, and so on.
        splits: How many there are.
        tried: The ranges.
        total: How many trials the study has at the end.
        progress: Told about the trials.
    """
    start = time.monotonic()
    done = sum(one.state.name in ("COMPLETE", "PRUNED") for one in study.trials)

    def score(trial: Any) -> float:
        values = {path: _suggested(trial, path, one) for path, one in tried.items()}
        reached = 0.0
        for step, reached in enumerate(attempt(values, trial), start=1):
            trial.report(reached, step)
            if step < splits and trial.should_prune():
                raise optuna.TrialPruned
        _log.info("trial %d: NDCG@10 %.4f with %s", trial.number, reached, values)
        return reached

    with progress.task("tune", max(total, done), "trials") as task:
        task.advance(done)
        study.optimize(
            score, n_trials=max(total - done, 0), callbacks=[lambda *_: task.advance()]
        ) if done < total else None
    return time.monotonic() - start


def _suggested(trial: Any, path: str, one: Range) -> Value:
    if one.choices:
        value: Value = trial.suggest_categorical(path, one.choices)
        return value
    assert one.low is not None
    assert one.high is not None
    if one.whole:
        return int(trial.suggest_int(path, int(one.low), int(one.high), log=one.log))
    return float(trial.suggest_float(path, one.low, one.high, log=one.log))


def _importance(optuna: ModuleType, study: Any) -> dict[str, float]:
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    found: Values = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}
