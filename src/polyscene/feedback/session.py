"""What is known of somebody for one question: what they did in a session, or say in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from polyscene.data.schema import Event
from polyscene.fitting.past import Known
from polyscene.represent.deeds import Deeds
from polyscene.represent.targets import Targets

__all__ = ["told"]


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
    return replace(known, user=user, deeds=Deeds.joined([newest, known.deeds])[0])
