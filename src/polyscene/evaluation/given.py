"""Events to predict from a file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from polyscene.data.dataset import Dataset, IdMap
from polyscene.data.readers import open_table
from polyscene.data.schema import Event
from polyscene.data.validation import Validator
from polyscene.errors import DataError
from polyscene.settings import Settings

__all__ = ["read_given"]


def read_given(path: Path, data: Dataset, settings: Settings) -> Dataset:
    """The events of a file, over the ids of a dataset; those on unknown ids are left out.

    Raises:
        DataError: When the file cannot be read, a row is wrong, or no event is on known ids.
    """
    events = _events(path)
    people = {name for name, spec in settings.scenarios.items() if spec.target == "person"}
    user = data.users.rows(event.user_id for event in events)
    item = data.items.rows(event.item_id for event in events)
    # as in a store, an id is that of a person only where it is not that of an item
    on_person = np.array([event.scenario in people for event in events], np.bool_) & (item < 0)
    target = np.where(on_person, data.users.rows(event.item_id for event in events), item)
    known = (user >= 0) & (target >= 0)
    if not known.any():
        raise DataError(f"{path}: none of its {len(events)} events is on a known user and target")
    actions, scenarios = IdMap(), IdMap()
    found = Dataset(
        users=data.users,
        items=data.items,
        is_tag=data.is_tag,
        user=user,
        target=target,
        on_person=on_person,
        action=np.array([actions.add(event.action) for event in events], np.int32),
        scenario=np.array(
            [-1 if event.scenario is None else scenarios.add(event.scenario) for event in events],
            np.int32,
        ),
        timestamp=np.array(
            [math.nan if event.timestamp is None else event.timestamp for event in events]
        ),
        value=np.array([event.value for event in events]),
        context=data.items.rows(event.context or "" for event in events),
        actions=tuple(actions.ids),
        scenarios=tuple(scenarios.ids),
    )
    return found.take(known)


def _events(path: Path) -> list[Event]:
    table, validator, events = open_table(path), Validator("events", str(path)), []
    try:
        problems = validator.check_columns(table.columns) if table.columns else []
        for batch in table.batches:
            problems += batch.problems
            _, records, wrong = validator.records(batch.rows)
            problems += wrong
            if problems:
                break
            events += records
    finally:
        table.close()
    if problems:
        raise DataError(str(problems[0]))
    return events
