"""Records that came after a fit: taken into the model in memory, with no new fit."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from polyscene.data.dataset import IdMap
from polyscene.data.schema import Item, User
from polyscene.fitting.model import Model
from polyscene.fitting.run import screen, screened, vector_settings
from polyscene.logs import get_logger
from polyscene.represent.deeds import Deeds
from polyscene.represent.items import encode_groups, item_vectors
from polyscene.represent.people import person_vectors
from polyscene.sources import Live
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

__all__ = ["catch_up", "changed_settings", "follow", "refresh"]

_log = get_logger(__name__)


def changed_settings(workspace: Workspace, model: Model) -> str:
    """What differs from the settings a model was fitted with, if its vectors depend on it."""
    fitted, current = model.config.settings, vector_settings(workspace.settings)
    # Scenarios added behind the others leave the wording of what was encoded as it is.
    current["templates"] = current["templates"][: len(fitted.get("templates", ()))]
    read, reads = fitted.get("people", {}), current["people"]
    if read.keys() <= reads.keys() and all(set(read[name]) <= set(reads[name]) for name in read):
        current["people"] = read  # nothing that the vectors contain has become private
    changed = [name for name, value in current.items() if fitted.get(name) != value]
    if model.config.encoder != workspace.encoder.id:
        changed.append(f"encoder {model.config.encoder} is now {workspace.encoder.id}")
    people = {
        name for name, spec in workspace.settings.scenarios.items() if spec.target == "person"
    }
    if people - set(model.people):
        changed.append("a new scenario recommends people")
    if unknown := {
        name for spec in workspace.settings.scenarios.values() for name in spec.sources
    } - set(model.sources):
        changed.append(f"new sources: {', '.join(sorted(unknown))}")
    return "; ".join(changed)


def refresh(workspace: Workspace, model: Model) -> Model:
    """Bring a model up to the store: items and people added or changed since are taken in.

    Learned parts stay as fitted; `follow` brings those up to date that can follow events. The model
    is changed in place and returned.
    """
    store, settings = workspace.store, workspace.settings
    _rescreen(workspace, model)
    revision, epoch = store.revision(), store.epoch()
    if epoch > model.config.epoch:
        _drop_gone(workspace, model)
    if revision <= model.config.revision:
        return model
    items = list(store.items(after_revision=model.config.revision))
    if items:
        verbaliser = Verbaliser(settings)
        raw = encode_groups([verbaliser.item(item) for item in items], workspace.encoder)
        is_tag = np.array([item.kind == "tag" for item in items], np.bool_)
        model.items.put(items, item_vectors(raw, is_tag, model.transform))
        _log.info("took in %d items that came after the fit", len(items))
    users = list(store.users(after_revision=model.config.revision)) if model.people else []
    for name, space in model.people.items() if users else ():
        space.put(users, _vectors(workspace, model, name, users))
    for name in settings.scenarios:
        records = users if name in model.people else items
        _screen_new(workspace, model, name, records)
    model.config = model.config.model_copy(update={"revision": revision, "epoch": epoch})
    return model


def follow(workspace: Workspace, model: Model, until: int, now: float | None = None) -> int:
    """Let the sources that can follow events take in those that they do not know.

    An event on a target that the model does not know counts at the next fit: `refresh` it after the
    number of the last event is read, and before this.

    Args:
        workspace: The workspace.
        model: The model; changed in place.
        until: The number of the last event to take in.
        now: The time to count ages from, seconds since 1970-01-01 UTC; the clock when omitted.

    Returns:
        How many events were taken in.
    """
    known, count = model.items.targets, 0
    people = next((space.targets.ids for space in model.people.values()), IdMap())
    for source in model.sources.values():
        if isinstance(source, Live) and source.last < until:
            data = workspace.store.events_between(
                source.last, until, people, known.ids, known.is_tag
            )
            source.follow(data, workspace.settings, time.time() if now is None else now)
            count = max(count, len(data))
    return count


def catch_up(workspace: Workspace, model: Model) -> Model:
    """Take in records and events that came after the fit; the model is changed and returned."""
    last = workspace.store.last_event()
    refresh(workspace, model)
    follow(workspace, model, last)
    return model


def _drop_gone(workspace: Workspace, model: Model) -> None:
    """Empty what the store has no longer; its rows stay, but nothing of it is known or shown."""
    known = model.items.targets.ids
    present = set(workspace.store.item_ids())
    gone = [name for name in known.ids if name not in present]
    if gone:
        blank = [Item(item_id=name, available=False) for name in gone]
        model.items.put(blank, np.zeros((len(gone), model.transform.dim), np.float32))
    everybody = set(workspace.store.user_ids()) if model.people else set()
    for name, space in model.people.items():
        left = [user for user in space.targets.ids.ids if user not in everybody]
        if left:
            users = [User(user_id=user) for user in left]
            rows = space.put(users, np.zeros((len(left), model.transform.dim), np.float32))
            mask = np.zeros(len(space), np.bool_)
            mask[: len(model.withheld[name])] = model.withheld[name]
            mask[rows] = True
            model.withheld[name] = mask
    _log.info("emptied %d items that the store has no longer", len(gone))


def _vectors(
    workspace: Workspace, model: Model, scenario: str, users: Sequence[User]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    items, history = model.items.targets, workspace.store.history
    deeds = (
        (user.user_id, Deeds.of(history(user.user_id), items.ids, items.is_tag)) for user in users
    )
    return person_vectors(
        users, deeds, model.items.vectors, workspace.encoder, model.transform,
        workspace.settings, scenario, time.time(),
    )  # fmt: skip


def _screen_new(
    workspace: Workspace, model: Model, scenario: str, records: Sequence[Item] | Sequence[User]
) -> None:
    """Judge new and changed records by the scenario's safety screen."""
    if not records:
        return
    space = model.space(scenario)
    mask = np.zeros(len(space), np.bool_)
    old = model.withheld[scenario]
    mask[: len(old)] = old
    ids = [r.item_id if isinstance(r, Item) else r.user_id for r in records]
    judge = screen(workspace, scenario, ids)
    mask[space.targets.ids.rows(ids)] = screened(judge, records)
    model.withheld[scenario] = mask


def _rescreen(workspace: Workspace, model: Model) -> None:
    """Judge everything anew where the safety settings have changed since it was judged."""
    store, scenarios = workspace.store, workspace.settings.scenarios
    for name, spec in scenarios.items():
        if model.config.safety.get(name) == spec.safety.model_dump():
            continue
        space = model.space(name)
        model.withheld[name] = np.zeros(len(space), np.bool_)
        ids = list(space.targets.ids.ids)
        records: Sequence[Item] | Sequence[User]
        records = list(store.users(ids)) if name in model.people else list(store.items(ids))
        _screen_new(workspace, model, name, records)
        judged = {**model.config.safety, name: spec.safety.model_dump()}
        model.config = model.config.model_copy(update={"safety": judged})
