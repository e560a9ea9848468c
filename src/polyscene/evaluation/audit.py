"""Beside accuracy: who is served, who is shown, and what changing that costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import IdMap, IntArray
from polyscene.data.schema import Item, User
from polyscene.errors import DataError
from polyscene.evaluation.groups import COMPUTED, Groups, group_names, groups_of
from polyscene.evaluation.measures import Context
from polyscene.evaluation.providers import Providers, providers_of
from polyscene.evaluation.trade import Knob, Trade, traded
from polyscene.represent.columns import Columns
from polyscene.represent.targets import Targets
from polyscene.settings import Scenario
from polyscene.storage import Store

__all__ = ["NO_AUDIT", "Asked", "Audit", "Audited", "audited", "check_audit"]

_NOBODY = User(user_id="anybody")


@dataclass(frozen=True, slots=True)
class Audit:
    """What to look at beside accuracy."""

    groups: tuple[str, ...] = ()
    """Fields of users, or `activity` or `mainstream`."""
    providers: tuple[str, ...] = ()
    """Fields of targets."""
    trades: tuple[Knob, ...] = ()
    """What is turned, to see what it costs."""

    def __bool__(self) -> bool:
        return bool(self.groups or self.providers or self.trades)


NO_AUDIT = Audit()


@dataclass(frozen=True, slots=True)
class Audited:
    """What was found in one scenario."""

    groups: list[Groups]
    providers: list[Providers]
    trades: list[Trade]


@dataclass(frozen=True, slots=True)
class Asked:
    """The lists of a scenario, and what they are about."""

    spec: Scenario
    context: Context
    users: IdMap
    """The users by row, as in `context.questions`."""
    targets: Targets
    rows: IntArray
    """The row in `targets` of each target of the context, -1 for none."""
    taken: tuple[IntArray, IntArray]
    """User and target of each distinct pair in training."""
    n: int
    """How many ranks are looked at."""
    lists: Mapping[str, IntArray]
    """Rows of the listed targets by system, -1 past the last, shape (q, ≥ n)."""
    values: Mapping[str, npt.NDArray[np.float64]]
    """The main metric by system, shape (q,)."""


def check_audit(audit: Audit, store: Store) -> None:
    """Check, before the long work, that users and targets have the fields.

    Raises:
        DataError: When none has one.
    """
    for field in audit.groups:
        if field not in COMPUTED and not _any_has(store.users(), field):
            raise DataError(
                f"no user has the field or attribute {field!r} to tell groups by; "
                f"{' and '.join(COMPUTED)} need none"
            )
    for field in audit.providers:
        if not _any_has(store.items(), field):
            raise DataError(f"no item has the field or attribute {field!r} to tell providers by")


def audited(
    audit: Audit,
    asked: Asked,
    records: Callable[[list[str]], Iterable[User]],
    ask: Callable[[Scenario], IntArray],
) -> Audited:
    """What is to be looked at in one scenario.

    Args:
        audit: What that is.
        asked: The lists.
        records: The records of the users of these ids.
        ask: The lists of the engine under another declaration.
    """
    context, n = asked.context, asked.n
    wanted = np.asarray(context.relevant.sum(axis=0), np.float64).ravel()
    shown = {name: own[:, :n] for name, own in asked.lists.items()}
    trades, field = [], audit.providers[0] if audit.providers else asked.spec.exposure.by
    for knob in audit.trades:
        values = _values(asked, field)
        trades.append(traded(knob, asked.spec, field, values, context, n, ask))
    return Audited(
        groups=[_groups(field, asked, records) for field in audit.groups],
        providers=[
            providers_of(field, _values(asked, field), context.ranked, wanted, shown)
            for field in audit.providers
        ],
        trades=trades,
    )


def _groups(field: str, asked: Asked, records: Callable[[list[str]], Iterable[User]]) -> Groups:
    questions, popularity = asked.context.questions, asked.context.popularity
    people = np.unique(questions.users)
    ids = [asked.users.ids[row] for row in people.tolist()]
    known = {user.user_id: user for user in records(ids)}
    users, targets = asked.taken
    counts = np.bincount(users, minlength=len(asked.users))
    sums = np.bincount(users, popularity[targets], len(asked.users))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    names = group_names(known, ids, field, counts[people], means[people])
    of_question = [names[place] for place in np.searchsorted(people, questions.users).tolist()]
    return groups_of(field, of_question, questions.users, asked.values)


def _values(asked: Asked, field: str) -> list[tuple[str, ...]]:
    """The values of a field of each target of the context, in lower case."""
    columns = Columns(asked.targets, np.maximum(asked.rows, 0), _NOBODY, asked.context.now)
    return [
        words if row >= 0 else ()
        for row, words in zip(asked.rows.tolist(), columns.words(field), strict=True)
    ]


def _any_has(records: Iterable[Item] | Iterable[User], field: str) -> bool:
    return any(getattr(one, field, None) or field in one.attributes for one in records)
