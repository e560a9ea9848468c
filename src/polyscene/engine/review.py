"""What the safety screen holds until somebody has looked at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from polyscene.data.schema import Item, User
from polyscene.rerank.safety import Screen
from polyscene.settings import Scenario
from polyscene.storage import Store

__all__ = ["Held", "on_hold"]

_BATCH = 10_000
"""Records that are judged at once."""


@dataclass(frozen=True, slots=True)
class Held:
    """A target that is not shown in a scenario until it is approved."""

    scenario: str
    item_id: str
    """Id of the target; of a user where people are recommended."""
    title: str
    why: str
    """What it is held for, such as: on hold for term 'detox'."""


def on_hold(store: Store, scenario: str, spec: Scenario) -> Iterator[Held]:
    """The targets that a scenario holds for review, in the order in which they first arrived.

    Targets that are withheld for good are not among them. O(records).

    Args:
        store: The store.
        scenario: Name of the scenario.
        spec: Its declaration.
    """
    screen = Screen(spec.safety)
    records: Iterable[Item | User]
    records = store.users() if spec.target == "person" else store.items()
    fitting = (record for record in records if _fits(record, scenario, spec))
    while batch := list(islice(fitting, _BATCH)):
        screen.prepare(batch)
        for record in batch:
            why = screen.on_hold(record)
            if why is not None:
                yield _held(record, scenario, why)


def _held(record: Item | User, scenario: str, why: str) -> Held:
    if isinstance(record, Item):
        return Held(scenario, record.item_id, record.title, why)
    return Held(scenario, record.user_id, str(record.attributes.get("name", "")), why)


def _fits(record: Item | User, scenario: str, spec: Scenario) -> bool:
    if isinstance(record, User):
        return True
    return record.kind == spec.target and (not record.scenarios or scenario in record.scenarios)
