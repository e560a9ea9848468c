"""The write path: from the store to a saved model."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import compress, islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from polyscene.component import Training, Vectors
from polyscene.data.dataset import Dataset, IdMap, Links
from polyscene.data.schema import Item, User
from polyscene.errors import DataError
from polyscene.fitting.learn import build_sources, learn
from polyscene.fitting.model import FORMAT, Model, ModelConfig, library_versions
from polyscene.fitting.tasks import task_model
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.ranking.objective import objective
from polyscene.represent.deeds import DeedsOfAll
from polyscene.represent.items import encode_groups, item_vectors
from polyscene.represent.people import person_vectors
from polyscene.represent.space import TargetSpace
from polyscene.represent.targets import Targets
from polyscene.represent.whiten import Transform
from polyscene.rerank.safety import Screen
from polyscene.settings import Settings
from polyscene.settings.vocabulary import as_name
from polyscene.storage import decided
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

__all__ = ["fit", "fit_to", "on_rows", "prepare", "screen", "vector_settings"]

_BATCH = 100_000
"""Records whose texts are in memory at once."""

_TEXTS = 2000
"""Tags and self-descriptions that their means are estimated from, at most."""

RecordT = TypeVar("RecordT")
_log = get_logger(__name__)


def fit(workspace: Workspace, progress: Progress = NO_PROGRESS, now: float | None = None) -> Model:
    """Fit a model to the store, save it and make it the current one.

    Args:
        workspace: The workspace.
        progress: Where long steps report.
        now: The time to count ages from, seconds since 1970-01-01 UTC; the clock when omitted.

    Raises:
        DataError: When there is nothing to recommend.
        SettingsError: When a scenario names an unknown source or has a wrong reward.
    """
    build_sources(workspace.settings)  # a wrong name fails before the work, and so does a reward
    task_model(workspace.settings)
    for name, spec in workspace.settings.scenarios.items():
        objective(name, spec, {as_name(task) for task in spec.tasks})
    store = workspace.store
    model = fit_to(workspace, store.dataset(lists=True), store.links(), progress, now)
    model.save(workspace.models)
    return model


def fit_to(
    workspace: Workspace,
    data: Dataset,
    links: Links,
    progress: Progress = NO_PROGRESS,
    now: float | None = None,
) -> Model:
    """A model of all items of the store that learns from the events and relations given.

    It is not saved.

    Args:
        workspace: The workspace.
        data: The events.
        links: The relations.
        progress: Where long steps report.
        now: As for `fit`.

    Raises:
        DataError: When there is nothing to recommend.
    """
    started = time.monotonic()
    model, training = prepare(workspace, data, links, progress, now)
    users = workspace.store.users
    learn(model, training, workspace.encoder, lambda ids: users(ids), progress)
    seconds = round(time.monotonic() - started, 3)
    model.config = model.config.model_copy(update={"seconds": seconds})
    _log.info("fitted %s: %d items in %.1f s", model.config.version, len(model.items), seconds)
    return model


def prepare(
    workspace: Workspace,
    data: Dataset,
    links: Links,
    progress: Progress = NO_PROGRESS,
    now: float | None = None,
) -> tuple[Model, Training]:
    """A model with its targets and their vectors, whose sources have not learned yet.

    Args:
        workspace: The workspace.
        data: The events.
        links: The relations.
        progress: Where long steps report.
        now: As for `fit`.

    Returns:
        The model, and what it is to learn from.

    Raises:
        DataError: When there is nothing to recommend.
    """
    moment = time.time() if now is None else now
    settings, store = workspace.settings, workspace.store
    revision, epoch, fingerprint = store.revision(), store.epoch(), store.fingerprint()
    targets, raw, withheld = _encode_items(workspace, progress)
    # Tags are another kind of text: they must not move the vectors of what they are given to.
    catalogue = raw if targets.is_tag.all() else raw[~targets.is_tag]
    transform = Transform.fit(catalogue, settings.whitening, _other_texts(workspace, targets))
    vectors = item_vectors(raw, targets.is_tag, transform)
    items = TargetSpace.build(targets, vectors, settings.index, progress)
    del raw, catalogue
    data = on_rows(data, targets.ids)
    people = {
        name: _people(workspace, name, data, items.vectors, transform, moment, progress)
        for name, spec in settings.scenarios.items()
        if spec.target == "person"
    }
    for name, space in people.items():
        everybody = list(store.users(list(space.targets.ids.ids)))
        withheld[name] = screened(screen(workspace, name), everybody)
    sources = build_sources(settings)
    config = ModelConfig(
        format=FORMAT,
        version=f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}",
        created_at=moment,
        encoder=workspace.encoder.id,
        dtype="float32",
        revision=revision,
        epoch=epoch,
        fingerprint=fingerprint,
        settings=vector_settings(settings),
        safety={name: spec.safety.model_dump() for name, spec in settings.scenarios.items()},
        sources=list(sources),
        people=list(people),
        libraries=dict(library_versions()),
    )
    model = Model(config, transform, items, people, withheld, sources)
    training = Training(
        data=data,
        settings=settings,
        vectors=items.vectors,
        now=moment,
        people={name: space.vectors for name, space in people.items()},
        tags=targets.tags,
        links=links,
        shown={
            name: targets.shown_in(name, spec)
            for name, spec in settings.scenarios.items()
            if spec.of_items
        },
    )
    return model, training


def vector_settings(settings: Settings) -> dict[str, Any]:
    """The settings that vectors depend on: a change of these needs a new fit."""
    return {
        "text": settings.text.model_dump(),
        "whitening": settings.whitening.model_dump(),
        "index": settings.index.model_dump(),
        "templates": [[name, s.preset, s.target] for name, s in settings.scenarios.items()],
        # The vectors of people contain the behaviour that their scenario may read.
        "people": {
            name: sorted(settings.readable(name))
            for name, s in settings.scenarios.items()
            if s.target == "person"
        },
    }


def screen(workspace: Workspace, scenario: str, ids: Sequence[str] | None = None) -> Screen:
    """The safety screen of a scenario.

    Args:
        workspace: The workspace.
        scenario: Name of the scenario.
        ids: The targets that it will judge; None for any.
    """
    safety = workspace.settings.scenario(scenario).safety
    return Screen(safety, decided(workspace.store, scenario, ids))


def screened(judge: Screen, records: Sequence[Item] | Sequence[User]) -> npt.NDArray[np.bool_]:
    """Which records a safety screen keeps back. Shape (number of records,)."""
    judge.prepare(records)
    return np.array([judge.withheld(record) is not None for record in records], np.bool_)


def _encode_items(
    workspace: Workspace, progress: Progress
) -> tuple[Targets, Vectors, dict[str, npt.NDArray[np.bool_]]]:
    """All items with their encoder vectors, and by scenario those that are withheld."""
    settings = workspace.settings
    verbaliser, targets = Verbaliser(settings), Targets()
    names = [name for name, spec in settings.scenarios.items() if spec.target != "person"]
    judges = {name: screen(workspace, name) for name in names}
    vectors: list[Vectors] = []
    kept_back: dict[str, list[npt.NDArray[np.bool_]]] = {name: [] for name in names}
    for batch in _batches(workspace.store.items(), _BATCH):
        targets.put(batch)
        texts = [verbaliser.item(item) for item in batch]
        vectors.append(encode_groups(texts, workspace.encoder, progress))
        for name in names:
            kept_back[name].append(screened(judges[name], batch))
    if not vectors:
        raise DataError("the workspace has no items; load some with: polyscene ingest --items FILE")
    return (
        targets,
        np.concatenate(vectors),
        {name: np.concatenate(parts) for name, parts in kept_back.items()},
    )


def _other_texts(workspace: Workspace, targets: Targets) -> dict[str, Vectors]:
    """Vectors of a sample of tags and of self-descriptions: kinds of text with their own mean."""
    tagged = islice(compress(targets.tags, ~targets.is_tag), _TEXTS)
    tags = {tag for tags in tagged for tag in tags}
    descriptions = set()
    for user in islice(workspace.store.users(), _TEXTS):
        tags.update(user.tags)
        descriptions.add(user.description.strip())
    encode = workspace.encoder.encode
    return {
        "tag": encode(_sample(tags)),
        "description": encode(_sample(descriptions - {""})),
    }


def _sample(texts: set[str]) -> list[str]:
    """Some of the texts, drawn without regard to their spelling, the same each time."""
    ordered = sorted(texts)
    return ordered if len(ordered) <= _TEXTS else random.Random(0).sample(ordered, _TEXTS)


def on_rows(data: Dataset, items: IdMap) -> Dataset:
    """The events with items numbered as in a map; -1 for those that it does not know."""
    rows = np.append(items.rows(data.items.ids), -1)  # the last is that of -1
    on_item = ~data.on_person
    target = data.target.copy()
    target[on_item] = rows[target[on_item]]
    is_tag = np.zeros(len(items) + 1, np.bool_)
    is_tag[rows[:-1]] = data.is_tag
    lists, shown = data.lists, data.lists.target.copy()
    shown[~lists.on_person] = rows[shown[~lists.on_person]]
    lists = replace(lists, target=shown, context=rows[lists.context])
    return replace(
        data, items=items, is_tag=is_tag[:-1], target=target, context=rows[data.context],
        lists=lists,
    )  # fmt: skip


def _people(
    workspace: Workspace,
    scenario: str,
    data: Dataset,
    item_vectors: Vectors,
    transform: Transform,
    now: float,
    progress: Progress,
) -> TargetSpace:
    """Everybody as a target of a scenario."""
    settings, targets = workspace.settings, Targets()
    users = list(workspace.store.users())
    order = {name: row for row, name in enumerate(data.users.ids)}
    users.sort(key=lambda user: order.get(user.user_id, len(order)))
    targets.put(users)
    everyone = DeedsOfAll(data)
    deeds = ((data.users.ids[row], everyone[row]) for row in everyone.active())
    vectors = person_vectors(
        users, deeds, item_vectors, workspace.encoder, transform, settings, scenario, now
    )
    return TargetSpace.build(targets, vectors, settings.index, progress)


def _batches(records: Iterator[RecordT], size: int) -> Iterator[list[RecordT]]:
    while batch := list(islice(records, size)):
        yield batch
