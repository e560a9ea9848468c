"""Whether what events are on, and about, is there."""

from __future__ import annotations

from collections.abc import Collection

from polyscene.data.readers import Row, shortened
from polyscene.data.report import Problem
from polyscene.data.schema import Event
from polyscene.data.sink import Writer

__all__ = ["KnownTargets"]


class KnownTargets:
    """Keeps the events whose targets and contexts exist.

    Args:
        people: The scenarios that recommend people; None where any event may be on a person.
        file: The file that problems name.
    """

    def __init__(self, people: Collection[str] | None, file: str) -> None:
        self._people = people
        self._file = file

    def kept(
        self, rows: list[Row], events: list[Event], writer: Writer
    ) -> tuple[list[Event], list[Problem]]:
        """The events whose target and context exist.

        A target is an item, or a user, who may have acted just before.
        """
        kept: list[Event] = []
        problems: list[Problem] = []
        unknown = self._unknown(events, writer)
        contexts = {event.context for event in events if event.context is not None}
        missing = contexts - writer.known_items(contexts)
        for (number, _), event in zip(rows, events, strict=True):
            on_person = self._on_person(event)
            if event.item_id in unknown[on_person]:
                problems.append(self._unknown_target(number, event.item_id, on_person))
            elif event.context in missing:
                problems.append(self._unknown_context(number, str(event.context)))
            else:
                kept.append(event)
                unknown[True].discard(event.user_id)  # from now on there is a user of that id
        return kept, problems

    def _unknown(self, events: list[Event], writer: Writer) -> dict[bool, set[str]]:
        """The ids of missing targets, of events that must be, and may not be, on an item."""
        on_items = {event.item_id for event in events if not self._on_person(event)}
        others = {event.item_id for event in events if self._on_person(event)}
        return {
            False: on_items - writer.known_items(on_items),
            True: others - writer.known_targets(others),
        }

    def _on_person(self, event: Event) -> bool:
        """Whether the target of an event may be a person."""
        return self._people is None or event.scenario in self._people

    def _unknown_target(self, row: int, target: str, on_person: bool) -> Problem:
        expected = "the id of an item ingested before"
        if on_person:
            expected = "the id of an item (or user) ingested before"
        elif self._people is not None:
            expected += " (a user only in a scenario that recommends people)"
        return Problem(self._file, row, "item_id", shortened(target), expected)

    def _unknown_context(self, row: int, context: str) -> Problem:
        expected = "the id of an item ingested before"
        return Problem(self._file, row, "context", shortened(context), expected)
