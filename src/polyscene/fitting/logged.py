"""What came of the lists that the service answered: examples that know what was ignored.

Each row of a list is an example, with its place: acted on, or not. Where clients tell what was
seen, by an action that is itself no task and part of at least 95 % of what was acted on, the rows
below the last one seen are left out, and lists of which nothing was. Where they do not, every row
is an example: that nobody looked so far down is what the place is learned for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import Dataset, Mask
from polyscene.data.lists import Lists
from polyscene.data.questions import Questions
from polyscene.fitting.holdout import in_scenario
from polyscene.fitting.outcomes import ENTRANCE, HeldOut, Outcome, knows_shown, outcomes, some_of
from polyscene.ranking.activity import happened
from polyscene.ranking.curves import LEAST
from polyscene.settings import Scenario, Settings, Task

__all__ = ["Basis", "basis_of", "happenings", "looked_at", "rates_of"]

Basis = Literal["logged", "shown", "sampled"]
"""What tasks are told from: rows of answered lists, pairs of the events, or targets drawn."""
_ENOUGH = 50
"""Responses of each task to answered lists from which on these are learned from."""


def basis_of(data: Dataset, settings: Settings, scenario: str) -> Basis:
    """What the tasks of a scenario are told from: what `negatives` says.

    With "auto" the lists that were answered, where every task that happened ten times or more is a
    response to one of them fifty times; else see `knows_shown`.
    """
    spec = settings.scenario(scenario)
    if spec.negatives != "auto":
        return spec.negatives
    if _enough_logged(data, spec, scenario):
        return "logged"
    return "shown" if knows_shown(data, settings, scenario) else "sampled"


def _enough_logged(data: Dataset, spec: Scenario, scenario: str) -> bool:
    lists = data.lists.within((scenario,))
    if not len(lists):
        return False
    here = in_scenario(data, scenario) & data.aimed(spec.target)
    told = [
        int(_responses(lists, task).sum())
        for task in spec.to_predict
        if int((here & happened(data, task)).sum()) >= LEAST
    ]
    return bool(told) and min(told) >= _ENOUGH


def happenings(
    basis: Basis, held: HeldOut, *, most: int, everything: bool = False, seed: int = 0
) -> Iterator[Outcome]:
    """What happened in a scenario, question by question.

    Args:
        basis: What it is told from.
        held: What was held out.
        most: Questions, at most.
        everything: See `outcomes`.
        seed: Of what is drawn.
    """
    if basis == "logged":
        return _of_lists(held, most, seed)
    return outcomes(held, shown=basis == "shown", most=most, everything=everything, seed=seed)


def _of_lists(held: HeldOut, most: int, seed: int) -> Iterator[Outcome]:
    """What came of held-out lists. O(questions · (scores + targets))."""
    spec, lists = held.spec, held.data.lists
    aimed = (lists.target >= 0) & (lists.on_person == (spec.target == "person"))
    lists = lists.take(lists.in_scenario(held.scenario) & aimed)
    lists = lists.take(looked_at(lists, spec.to_predict))
    rows = held.targets.rows(held.ids)[lists.target]
    lists, rows = lists.take(rows >= 0), rows[rows >= 0]
    if not len(lists):
        return
    labels = np.stack([_labels(lists, task) for task in spec.to_predict])
    questions = some_of(Questions.of(lists.user, lists.context), most, seed)
    place = questions.rows(lists.user, lists.context)
    for number, asking, said in held.asked(questions):
        own = np.flatnonzero(place == number)
        own = own[asking.query.allowed[rows[own]]]
        yield Outcome(
            asking, said, rows[own], labels[:, own], np.ones(len(own)),
            int(questions.users[number]), lists.position[own], lists.request[own],
        )  # fmt: skip


def rates_of(basis: Basis, data: Dataset, spec: Scenario, scenario: str) -> dict[str, float]:
    """How often each task happened in a scenario; nothing where that says nothing of examples.

    Args:
        basis: What tasks are told from.
        data: All that is learned from.
        spec: The declaration of the scenario.
        scenario: Its name.
    """
    tasks = [task for task in spec.to_predict if not task.of_value]
    if basis == "logged":
        lists = data.lists.within((scenario,))
        lists = lists.take(looked_at(lists, spec.to_predict))
        count = len(lists)
        shares = [float(_labels(lists, task).mean()) if count else 0.0 for task in tasks]
    elif basis == "shown":
        here = in_scenario(data, scenario) & data.aimed(spec.target) & (data.target >= 0)
        data = data.take(here)
        keys = np.stack([data.user, data.target], axis=1)
        pairs, place = np.unique(keys, axis=0, return_inverse=True)
        count = len(pairs)
        on = [np.bincount(place.ravel()[happened(data, task)], minlength=count) for task in tasks]
        shares = [float((times > 0).mean()) if count else 0.0 for times in on]
    else:
        return {}
    return {task.name: share for task, share in zip(tasks, shares, strict=True)}


def looked_at(lists: Lists, tasks: Sequence[Task]) -> Mask:
    """Which rows of some lists of a scenario count as looked at, shape (R,)."""
    names = {task.action for task in tasks}
    of_task = np.zeros(len(lists.action), np.bool_)
    for name in names:
        of_task |= lists.did(name)
    acted, seen = np.zeros((2, len(lists)), np.bool_)
    acted[lists.row[of_task]], seen[lists.row[~of_task]] = True, True
    if not acted.any() or (acted & seen).sum() < ENTRANCE * acted.sum():
        return np.ones(len(lists), np.bool_)
    last = np.zeros(int(lists.request.max()) + 1)
    np.maximum.at(last, lists.request[seen], lists.position[seen])
    return np.asarray(lists.position <= last[lists.request])


def _responses(lists: Lists, task: Task) -> Mask:
    """Which responses are of a task, shape (M,)."""
    return np.asarray(lists.did(task.action) & (lists.value >= task.least))


def _labels(lists: Lists, task: Task) -> npt.NDArray[np.float32]:
    """Whether a task happened with each row, or its mean value, NaN without one; shape (R,)."""
    on = _responses(lists, task)
    count = np.bincount(lists.row[on], minlength=len(lists))
    if not task.of_value:
        return (count > 0).astype(np.float32)
    total = np.bincount(lists.row[on], weights=lists.value[on], minlength=len(lists))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
