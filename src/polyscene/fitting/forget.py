"""Everything that is held on a person: shown, and erased."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from polyscene.errors import ModelError, NotFoundError
from polyscene.fitting.labels import answers_on, erase_answers
from polyscene.fitting.model import model_versions, read_config
from polyscene.storage import Untold, given_tags, notes_of, reviews_of
from polyscene.workspace import Workspace

__all__ = ["Receipt", "forget", "held"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an erasure removed."""

    user_id: str
    erased_at: float
    """Seconds since 1970-01-01 UTC."""
    erased: Mapping[str, int]
    """How many rows of each kind the store lost, and how many answers about them as "labels"."""
    vectors: int
    """How many vectors of their texts the cache lost."""
    models: Sequence[str]
    """Versions on disk that were fitted before. They may still hold what was learned from this
    person; the next fit knows nothing of them, and the third from now removes the last of these."""

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, ready for JSON."""
        return asdict(self)


def held(workspace: Workspace, user_id: str) -> dict[str, Any]:
    """All that is held on a person, as plain values.

    Args:
        workspace: The workspace.
        user_id: The person.

    Raises:
        NotFoundError: When nothing is held.
    """
    store = workspace.store
    user = store.user(user_id)
    found: dict[str, Any] = {
        "user": None if user is None else user.model_dump(),
        "events": [event.model_dump() for event in store.history(user_id)],
        "events_on_them": [event.model_dump() for event in store.events_on(user_id)],
        "relations": [
            relation.model_dump()
            for relation in (
                *store.relations(subject=user_id),
                *(one for one in store.relations(object=user_id) if one.subject != user_id),
            )
        ],
        "impressions": [asdict(shown) for shown in store.impressions(user_id)],
        "reviews": [asdict(one) for one in reviews_of(store, user_id)],
        "notes": [asdict(note) for note in notes_of(store, "user", user_id)],
        "language_model_answers": workspace.ledger.about(user_id),
        "labels": answers_on(workspace.path, user_id),
        "tags_given": [asdict(one) for one in given_tags(store, user_id)],
    }
    if not any(found.values()):
        raise NotFoundError(f"nothing is held on {user_id!r}")
    return {"user_id": user_id, **found, "models": _models(workspace)}


def forget(workspace: Workspace, user_id: str) -> Receipt:
    """Erase a person from the store and from the cache of vectors.

    Items lose the tags that only this person is known to have given. What is erased is overwritten
    on disk. The model that serves drops them when it takes in what is new; the next fit does not
    know them. Vectors of texts that were replaced before the erasure, or with it those of items,
    stay in the cache: it has hashes of texts, not whose they are.

    Args:
        workspace: The workspace.
        user_id: The person.

    Raises:
        NotFoundError: When nothing is held.
        WorkspaceError: When the store cannot be written.
    """
    store = workspace.store
    user = store.user(user_id)
    with store.write() as writer:
        writer.put_items(Untold(store, {user_id}).changed_items())
        erased = writer.erase_user(user_id)
        if not any(erased.values()) and not answers_on(workspace.path, user_id):
            raise NotFoundError(f"nothing is held on {user_id!r}")
    # after it: what is chosen meanwhile is dropped as soon as something was deleted
    erased = {**erased, "labels": erase_answers(workspace.path, user_id)}
    store.settle()
    texts = [] if user is None else [*user.tags, user.description]
    vectors = workspace.encoder.forget(texts)
    return Receipt(user_id, time.time(), erased, vectors, _models(workspace))


def _models(workspace: Workspace) -> list[str]:
    """The versions on disk that were fitted before the last deletion."""
    epoch, found = workspace.store.epoch(), []
    for version in model_versions(workspace.models):
        try:
            fitted = read_config(workspace.models, version).epoch
        except ModelError:
            fitted = -1
        if fitted < epoch:
            found.append(version)
    return found
