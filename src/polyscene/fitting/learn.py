"""Learning: options by what is held out, every source on all events, their weights, the tasks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from polyscene.component import (
    Query,
    Questions,
    Trainable,
    Training,
    Tunable,
    Validation,
    build,
)
from polyscene.data.schema import User
from polyscene.encoders import Encoder
from polyscene.fitting.asking import Asker, together
from polyscene.fitting.holdout import validations
from polyscene.fitting.model import Fusion, Model
from polyscene.fitting.past import DatasetPast
from polyscene.fitting.tasks import TaskExamples
from polyscene.fitting.weights import (
    DEPTH,
    Scored,
    choose_weights,
    declared_weights,
    found_by,
    scored,
)
from polyscene.logs import NO_PROGRESS, Progress, Task, get_logger
from polyscene.settings import Settings
from polyscene.sources import FALLBACKS, Source

__all__ = [
    "build_sources",
    "chosen_options",
    "fitted",
    "learn",
    "on_trial",
    "questions",
    "split_asker",
]

_log = get_logger(__name__)


def build_sources(settings: Settings) -> dict[str, Source]:
    """Every source that a scenario names, and those that fill lists up; not yet fitted.

    Raises:
        SettingsError: When a source is unknown or has wrong options.
    """
    names: dict[str, str] = dict.fromkeys(FALLBACKS, "sources")
    for scenario, spec in settings.scenarios.items():
        for name in spec.sources:
            names.setdefault(name, f"scenarios.{scenario}.sources")
    for name in settings.sources:
        build(Source, name, settings.sources[name], f"sources.{name}")
    return {
        name: build(Source, name, settings.sources.get(name), where)
        for name, where in names.items()
    }


def chosen_options(model: Model, settings: Settings) -> dict[str, dict[str, Any]]:
    """The options that a fit chose for the sources that have weight somewhere, by source.

    Args:
        model: The model, as the fit returned it.
        settings: Of the fit. What they set was not chosen.
    """
    used = {
        name for own in model.fusions.values() for name, weight in own.weights.items() if weight
    }
    found = {}
    for name, source in build_sources(settings).items():
        declared = source.config.model_dump()
        own = model.sources[name].config.model_dump().items() if name in used else ()
        found[name] = {
            key: value for key, value in own if declared[key] is None and value is not None
        }
    return {name: own for name, own in found.items() if own}


def learn(
    model: Model,
    training: Training,
    encoder: Encoder,
    users: Callable[[Sequence[str]], Iterable[User]],
    progress: Progress = NO_PROGRESS,
) -> None:
    """Fit the sources of a model and choose their weights; the model is changed in place.

    Args:
        model: The model, with its spaces and with sources that are not yet fitted.
        training: What to learn from.
        encoder: What turns stated interests into vectors.
        users: The records of the users with these ids.
        progress: Where the steps report.
    """
    settings = training.settings
    open_scenarios = [
        name
        for name, spec in settings.scenarios.items()
        if "auto" in spec.sources.values() and len(spec.sources) > 1
    ]
    splits = validations(training)
    tried = [[n for n in open_scenarios if split.relevant[n].nnz] for split in splits]
    tables: dict[str, list[Scored]] = {name: [] for name in open_scenarios}
    tasks = TaskExamples(training)
    told = [tasks.asks(split) for split in splits]
    sources = [
        {s for n in {*names, *others} for s in settings.scenario(n).sources}
        for names, others in zip(tried, told, strict=True)
    ]
    with progress.task("choose options", len(model.sources), "sources") as task:
        for name, source in model.sources.items():
            if isinstance(source, Tunable) and splits:
                model.sources[name] = source.tuned(splits)
            task.advance()
    with progress.task("choose weights", sum(map(len, sources)), "sources") as task:
        for split, names, others, asked in zip(splits, tried, told, sources, strict=True):
            trial = replace(model, sources=fitted(model.sources, asked, split.training, task))
            asker = split_asker(trial, split, encoder, users)
            for name in names:
                tables[name].append(_table(trial, asker, split, name))
            tasks.add(trial, asker, split, others)
    with progress.task("learn", len(model.sources), "sources") as task:
        model.sources = fitted(model.sources, model.sources.keys(), training, task)
    for name, spec in settings.scenarios.items():
        if tables.get(name):
            fusion = choose_weights(tables[name], spec.sources)
        else:
            fusion = Fusion(weights=declared_weights(spec, model.sources))
        _log.info("%s: %s", name, fusion)
        model.fusions[name] = fusion
    model.tasks = tasks.predictor(training, model.fusions)


def fitted(
    sources: Mapping[str, Source],
    names: Collection[str],
    training: Training,
    task: Task | None = None,
) -> dict[str, Source]:
    """New sources with the same options, fitted; each is reported."""
    found = {}
    for name in names:
        source = type(sources[name])(sources[name].config)
        if isinstance(source, Trainable):
            source.fit(training)
        found[name] = source
        if task is not None:
            task.advance()
    return found


def split_asker(
    model: Model,
    split: Validation,
    encoder: Encoder,
    users: Callable[[Sequence[str]], Iterable[User]],
) -> Asker:
    """What builds the questions of the users on trial."""
    training = split.training
    past = DatasetPast(training.data, training.links, users)
    past.load([training.data.users.ids[row] for row in split.users])
    return Asker(training.settings, model, encoder, past)


def _table(model: Model, asker: Asker, split: Validation, scenario: str) -> Scored:
    """What the sources say to the users on trial in a scenario."""
    spec = split.training.settings.scenario(scenario)
    chosen = {name: model.sources[name] for name in spec.sources}
    asked, relevant = on_trial(split, scenario)
    found = found_by(chosen, questions(asker, split, scenario, asked))
    return scored(found, asked.users, relevant)


def on_trial(split: Validation, scenario: str) -> tuple[Questions, sp.csr_matrix]:
    """The questions with something to be found in a scenario, and what that is."""
    relevant = split.relevant[scenario]
    able = np.flatnonzero(relevant.getnnz(axis=1))
    return split.questions.take(able), sp.csr_matrix(relevant[able])


def questions(
    asker: Asker, split: Validation, scenario: str, asked: Questions
) -> Iterator[Sequence[Query]]:
    """The queries of some questions of a split, some at a time."""
    training = split.training
    people, items = training.data.users, training.data.items
    names = [people.ids[user] for user in asked.users.tolist()]
    about = [None if context < 0 else items.ids[context] for context in asked.contexts.tolist()]
    size = together(split.relevant[scenario].shape[1])
    for start in range(0, len(names), size):
        own = slice(start, start + size)
        askings = asker.users(names[own], scenario, DEPTH, training.now, contexts=about[own])
        yield [asking.query for asking in askings]
