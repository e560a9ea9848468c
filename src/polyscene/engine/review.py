"""What the safety screen holds until somebody has looked at it, and what they decide."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from polyscene.data.schema import Item, User
from polyscene.errors import DataError, NotFoundError
from polyscene.rerank.safety import Screen, digest
from polyscene.settings import Scenario
from polyscene.storage import Decision, Store, StoreWriter, decided

__all__ = ["Held", "decide", "holds", "on_hold"]

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

    Targets that are withheld for good are not among them. O(records), where the scenario holds
    anything.

    Args:
        store: The store.
        scenario: Name of the scenario.
        spec: Its declaration.
    """
    if not holds(spec):
        return
    screen = Screen(spec.safety, decided(store, scenario))
    records: Iterable[Item | User]
    records = store.users() if spec.target == "person" else store.items()
    fitting = (record for record in records if _fits(record, scenario, spec))
    while batch := list(islice(fitting, _BATCH)):
        screen.prepare(batch)
        for record in batch:
            why = screen.on_hold(record)
            if why is not None:
                yield Held(scenario, *_named(record), why)


def holds(spec: Scenario) -> bool:
    """Whether a scenario may hold anything back until somebody decides."""
    safety = spec.safety
    return bool(safety.hold_terms or safety.hold_tags or safety.profanity == "hold")


def decide(
    writer: StoreWriter,
    store: Store,
    scenario: str,
    spec: Scenario,
    ids: Sequence[str],
    decision: Decision,
    by: str,
) -> int:
    """Write down what somebody decided on targets, all or none; returns on how many.

    An approval is one of the text as it is now: when that changes, the target waits again. A block
    stays until it is taken back. Any target can be blocked, whether it was on hold or not.

    Args:
        writer: A transaction.
        store: The store that it writes to.
        scenario: Where the decision counts.
        spec: Its declaration.
        ids: The targets.
        decision: approve, block or reopen.
        by: Who decides, such as the name of a key.

    Raises:
        NotFoundError: When a target is unknown.
        DataError: When a target that is withheld for good is to be approved.
    """
    people = spec.target == "person"
    records: list[Item | User] = [*(store.users(ids) if people else store.items(ids))]
    known = {_named(record)[0] for record in records}
    if unknown := [name for name in ids if name not in known]:
        raise NotFoundError(f"unknown {'user' if people else 'item'} {unknown[0]!r}")
    screen, now, rows = Screen(spec.safety), time.time(), []
    for record in records:
        name, held = _named(record)[0], screen.on_hold(record)
        if decision == "approve" and (why := screen.for_good(record)):
            raise DataError(
                f"{name!r} cannot be approved in {scenario!r}: {why}; change its record, or the "
                f"safety settings of the scenario"
            )
        rows.append(
            {
                "scenario": scenario,
                "item_id": None if people else name,
                "person_id": name if people else None,
                "decision": decision,
                "digest": digest(record),
                "why": (held or "").removeprefix("on hold for "),
                "decided_by": by,
                "decided_at": now,
            }
        )
    if rows:
        writer.add_reviews(rows)
    return len(rows)


def _named(record: Item | User) -> tuple[str, str]:
    """The id and the title of a record."""
    if isinstance(record, Item):
        return record.item_id, record.title
    return record.user_id, str(record.attributes.get("name", ""))


def _fits(record: Item | User, scenario: str, spec: Scenario) -> bool:
    if isinstance(record, User):
        return True
    return record.kind == spec.target and (not record.scenarios or scenario in record.scenarios)
