"""The texts of records in a store, as an encoder or a language model reads them."""

from __future__ import annotations

import time

import numpy as np

from polyscene.errors import NotFoundError
from polyscene.represent.deeds import Deeds
from polyscene.represent.strength import Strengths
from polyscene.represent.targets import Targets
from polyscene.represent.users import gather_history
from polyscene.settings import Settings, preset_verbs
from polyscene.text.template import GENERIC
from polyscene.text.verbalise import Deed, Verbaliser
from polyscene.workspace import Workspace

__all__ = ["item_texts", "user_texts", "verbs"]


def item_texts(workspace: Workspace, verbaliser: Verbaliser, item_id: str) -> list[str]:
    """The texts of an item.

    Raises:
        NotFoundError: When there is no such item.
    """
    item = workspace.store.item(item_id)
    if item is None:
        raise NotFoundError(f"unknown item {item_id!r}")
    return verbaliser.item(item)


def user_texts(
    workspace: Workspace, verbaliser: Verbaliser, user_id: str, scenario: str | None = None
) -> list[str]:
    """The texts of a user: what they state, and what they did as a scenario sees it.

    Args:
        workspace: The workspace; it needs no model.
        verbaliser: What words the texts.
        user_id: The user.
        scenario: Whose verbs and readable history; the first declared one when omitted.

    Raises:
        NotFoundError: When there is no such user.
        SettingsError: When the scenario is unknown.
    """
    user = workspace.store.user(user_id)
    if user is None:
        raise NotFoundError(f"unknown user {user_id!r}")
    settings = workspace.settings
    name = scenario or next(iter(settings.scenarios), "")
    spec = settings.scenario(name)
    return verbaliser.user(user, _deeds(workspace, user_id, name), spec.preset or GENERIC)


def verbs(settings: Settings, action: str, origin: str | None, scenario: str) -> dict[str, str]:
    """The verb of an action per language.

    Of the scenario it happened in, else of the reader, else of any preset that has the action.
    """
    for name in (origin, scenario):
        spec = settings.scenarios.get(name or "")
        if spec is not None and action in spec.verbs:
            return spec.verbs[action]
    unnamed = {"en": f"acted ({action}) on", "zh": f"操作（{action}）过"}
    return preset_verbs().get(action, unnamed)


def _deeds(workspace: Workspace, user_id: str, scenario: str) -> list[Deed]:
    """The history of a user as text, latest first."""
    settings, store = workspace.settings, workspace.store
    events = store.history(user_id)
    targets = Targets()
    targets.put(list(store.items([event.item_id for event in events])))
    history = gather_history(
        Deeds.of(events, targets.ids, targets.is_tag),
        np.zeros((len(targets), 1), np.float32),  # texts need no vectors
        Strengths(settings, scenario),
        settings.scenario(scenario),
        time.time(),
    )
    return [
        Deed(verbs(settings, action, origin, scenario), targets.titles[row])
        for row, action, origin in zip(
            history.rows, history.actions, history.scenarios, strict=True
        )
    ]
