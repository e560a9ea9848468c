"""What is known of somebody for one question: what they did in a session, or say in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from polyscene.data.schema import Event
from polyscene.fitting.past import Known
from polyscene.represent.targets import Targets
from polyscene.represent.users import Deeds

__all__ = ["told"]

Codes = npt.NDArray[np.int32]


def told(
    known: Known, items: Targets, events: Sequence[Event], text: str | None, language: str | None
) -> Known:
    """What is known of a user, with what a question says besides.

    Args:
        known: What the store knows.
        items: The items of the model; events on others say nothing.
        events: What the user did just now, latest last; they stand before what the store knows.
        text: What the user says they look for, in place of tags and description.
        language: In which language they read, in place of their own.
    """
    user = known.user
    if text is not None:
        user = user.model_copy(update={"tags": [], "description": text})
    if language is not None:
        user = user.model_copy(update={"language": language})
    if not events:
        return replace(known, user=user)
    newest = Deeds.of(list(reversed(events)), items.ids, items.is_tag)
    return replace(known, user=user, deeds=_joined(newest, known.deeds))


def _joined(first: Deeds, then: Deeds) -> Deeds:
    """The events of both, those of the first being later."""
    actions = tuple(dict.fromkeys([*first.actions, *then.actions]))
    scenarios = tuple(dict.fromkeys([*first.scenarios, *then.scenarios]))

    def coded(names: Sequence[str], codes: Codes, known: Sequence[str]) -> Codes:
        found: Codes = np.array([*(known.index(name) for name in names), -1], np.int32)[codes]
        return found  # -1 took the last

    return Deeds(
        rows=np.concatenate([first.rows, then.rows]),
        on_tag=np.concatenate([first.on_tag, then.on_tag]),
        context=np.concatenate([first.context, then.context]),
        action=np.concatenate([coded(one.actions, one.action, actions) for one in (first, then)]),
        scenario=np.concatenate(
            [coded(one.scenarios, one.scenario, scenarios) for one in (first, then)]
        ),
        timestamp=np.concatenate([first.timestamp, then.timestamp]),
        value=np.concatenate([first.value, then.value]),
        actions=actions,
        scenarios=scenarios,
    )
