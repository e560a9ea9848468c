"""The state of a workspace: what `polyscene doctor` tells."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np

from polyscene.engine.engine import Engine
from polyscene.engine.names import unknown_names
from polyscene.errors import PolysceneError, did_you_mean
from polyscene.fitting.learn import build_sources
from polyscene.fitting.model import library_versions, model_versions
from polyscene.fitting.shown import shown
from polyscene.fitting.tasks import task_model, tasks_named
from polyscene.ranking.objective import objective
from polyscene.represent.space import TargetSpace
from polyscene.settings import Settings
from polyscene.settings.vocabulary import as_name

__all__ = ["Finding", "examine"]

_EXTRAS = {
    "ranking": "lightgbm",
    "train": "sentence_transformers",
    "onnx": "onnxruntime",
    "llm": "xllamacpp",
    "postgres": "psycopg",
    "media": "PIL",
    "safety": "profanity_check",
    "report": "matplotlib",
    "scale": "ray",
    "otel": "opentelemetry",
}
_LOW_DISK = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    status: Literal["ok", "note", "fail"]
    subject: str
    text: str


def examine(engine: Engine) -> Iterator[Finding]:
    """Look at every part of a workspace; a part that fails does not stop the rest."""
    checks: tuple[Callable[[Engine], Iterator[Finding]], ...] = (
        _installed, _settings, _components, _store, _encoder, _model, _scenarios, _objectives,
        _tasks, _actions, _names, _pins,
    )  # fmt: skip
    told: set[str] = set()
    for check in checks:
        try:
            yield from check(engine)
        except PolysceneError as error:
            if str(error) not in told:  # one cause is told once, whatever needs the model too
                yield Finding("fail", check.__name__.strip("_"), str(error))
            told.add(str(error))


def _installed(engine: Engine) -> Iterator[Finding]:
    versions = ", ".join(f"{name} {number}" for name, number in library_versions().items())
    yield Finding("ok", "installed", versions)
    missing = [extra for extra, module in _EXTRAS.items() if not importlib.util.find_spec(module)]
    if missing:
        yield Finding("note", "extras", f"not installed: {', '.join(missing)}")
    free = shutil.disk_usage(engine.workspace.path).free
    if free < _LOW_DISK:
        yield Finding("note", "disk", f"only {free / 1e6:.0f} MB are free")


def _settings(engine: Engine) -> Iterator[Finding]:
    settings = engine.workspace.settings
    text = f"{len(settings.scenarios)} scenarios: {', '.join(settings.scenarios)}"
    yield Finding("ok" if settings.scenarios else "fail", "settings", text)


def _components(engine: Engine) -> Iterator[Finding]:
    """Sources and a ranking that do not exist or have wrong options, which a fit would refuse."""
    makers: dict[str, Callable[[Settings], object]] = {
        "sources": build_sources, "ranking": task_model
    }  # fmt: skip
    for subject, make in makers.items():
        try:
            make(engine.workspace.settings)
        except PolysceneError as error:
            yield Finding("fail", subject, str(error))


def _store(engine: Engine) -> Iterator[Finding]:
    counts = engine.workspace.store.counts()
    text = (
        f"{counts.items:,} items, {counts.users:,} users, {counts.events:,} events, "
        f"{counts.relations:,} relations"
    )
    yield Finding("ok" if counts.items else "note", "store", text)
    declared = engine.workspace.settings.scenarios
    for name, count in engine.workspace.store.event_scenarios().items():
        if name not in declared:
            hint = did_you_mean(name, declared)
            text = f"{count:,} events name the scenario {name!r}, which is not declared; {hint}"
            yield Finding("note", "store", text)


def _encoder(engine: Engine) -> Iterator[Finding]:
    encoder = engine.workspace.encoder
    vector = encoder.encode(["a warm cup of tea"])[0]
    yield Finding("ok", "encoder", f"{encoder.id}, {len(vector)} dimensions")


def _model(engine: Engine) -> Iterator[Finding]:
    model = engine.model
    versions = model_versions(engine.workspace.models)
    yield Finding(
        "ok", "model", f"{model.config.version}, fitted in {model.config.seconds} s; "
        f"{len(versions)} on disk",
    )  # fmt: skip
    yield _index("index of items", model.items)
    for name, space in model.people.items():
        yield _index(f"index of people, {name}", space)


def _index(subject: str, space: TargetSpace) -> Finding:
    report = space.index.report
    silent = int((~np.any(space.vectors, axis=1)).sum())
    text = (
        f"{report.kind}, {len(space):,} × {report.dim}, recall@100 {report.recall_at_100:.3f} "
        f"({report.recall_at_100_filtered:.3f} under a filter), "
        f"built in {report.build_seconds:.1f} s"
    )
    if silent:
        text += f"; {silent:,} without text"
    return Finding("ok", subject, text)


def _scenarios(engine: Engine) -> Iterator[Finding]:
    model = engine.model
    for name, spec in engine.workspace.settings.scenarios.items():
        fitting = model.space(name).targets.shown_in(name, spec)
        withheld = int((fitting[: len(model.withheld[name])] & model.withheld[name]).sum())
        left = int(shown(model, name, spec).sum())
        text = f"{left:,} targets of kind {spec.target}"
        if withheld:
            text += f"; {withheld:,} withheld by its safety settings"
        if excluded := int(fitting.sum()) - withheld - left:
            text += f"; {excluded:,} excluded by its rules"
        status: Literal["ok", "note"] = "ok" if left else "note"
        yield Finding(status, f"scenario {name}", text)


def _objectives(engine: Engine) -> Iterator[Finding]:
    predicted: Mapping[str, Mapping[str, str]] = {}
    with suppress(PolysceneError):  # that there is no model has been said
        predicted = {} if engine.model.tasks is None else engine.model.tasks.declared
    for name, spec in engine.workspace.settings.scenarios.items():
        try:
            objective(name, spec, {as_name(task) for task in predicted.get(name, ())})
        except PolysceneError as error:
            yield Finding("fail", f"scenario {name}", str(error))


def _tasks(engine: Engine) -> Iterator[Finding]:
    """Tasks that a reward names, and of which too little is known to predict them."""
    settings, predictor = engine.workspace.settings, engine.model.tasks
    if predictor is None:
        return
    for name in settings.scenarios:
        known = predictor.declared.get(name, {})
        missing = [
            task
            for task in tasks_named(settings, name)
            if task in known and predictor.learned(name, task) is None
        ]
        if missing:
            text = (
                f"its reward names {', '.join(missing)}, which this model does not predict: too "
                "few successes or failures were held out; the similarity stands in its place, "
                "or 0 for an action that says no"
            )
            yield Finding("note", f"scenario {name}", text)


def _actions(engine: Engine) -> Iterator[Finding]:
    """Tasks that wait for an action which no event has and the scenario gives no weight."""
    happened = engine.workspace.store.event_actions()
    if not happened:
        return
    for name, spec in engine.workspace.settings.scenarios.items():
        known = happened | spec.actions.keys()
        for task in spec.to_predict:
            if task.action not in known:
                text = f"the task {task.name!r} waits for the action {task.action!r}, which no "
                text += f"event has; {did_you_mean(task.action, known)}"
                yield Finding("note", f"scenario {name}", text)


def _names(engine: Engine) -> Iterator[Finding]:
    for scenario, text in unknown_names(engine):
        yield Finding("note", f"scenario {scenario}", text)


def _pins(engine: Engine) -> Iterator[Finding]:
    """Pinned targets that do not exist, or are never shown."""
    model = engine.model
    for name, spec in engine.workspace.settings.scenarios.items():
        ids, mask = model.space(name).targets.ids, shown(model, name, spec)
        for pin in [rule.pin for rule in spec.rules if rule.pin is not None]:
            row = ids.row(pin)
            text = f"the pinned target {pin!r} "
            if row < 0:
                yield Finding("note", f"scenario {name}", text + "does not exist")
            elif not mask[row]:
                text += "may not be shown here: by kind, language, safety, availability or a rule"
                yield Finding("note", f"scenario {name}", text)
