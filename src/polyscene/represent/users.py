"""Users as vectors: what they say, and what they did.

    t = normalise( mean over tags of e(tag) )
    d = e(description)
    b = normalise( Σ_h s_h · v_h )     over the history, s_h = Σ_events strength · decay(age)
    i = normalise( w_t·t + w_d·d )                 what the user states
    u = normalise( max(w_t, w_d)·i + w_b·b )

What a user lacks is zero and leaves u to the rest; a user with nothing has u = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from polyscene.component import History, Posts, Vectors
from polyscene.data.dataset import Dataset, IdMap, IntArray, Mask
from polyscene.data.schema import Event, User
from polyscene.encoders.base import Encoder
from polyscene.represent.items import mean_by_group
from polyscene.represent.strength import Strengths, decay
from polyscene.represent.whiten import Transform, normalise
from polyscene.settings import Scenario, UserVectors

__all__ = [
    "Deeds",
    "DeedsOfAll",
    "behaviour_vector",
    "gather_history",
    "interest_vectors",
    "posted",
    "user_vector",
]


@dataclass(frozen=True, slots=True)
class Deeds:
    """The events of one user on items as parallel arrays of length E.

    Order matters only among events without a time: the first of them is the latest.
    """

    rows: IntArray
    """Rows of the items; -1 for items the model does not know."""
    on_tag: Mask
    """Which of them are tags."""
    context: IntArray
    """Rows of what the events were about; -1 for nothing, or what the model does not know."""
    action: npt.NDArray[np.int32]
    scenario: npt.NDArray[np.int32]
    timestamp: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    actions: tuple[str, ...]
    scenarios: tuple[str, ...]

    @classmethod
    def of(cls, events: Sequence[Event], items: IdMap, is_tag: Mask) -> Self:
        """From records, newest first; events on people are left out.

        Args:
            events: The events of the user.
            items: Rows of the items.
            is_tag: Which of them are tags, shape (items,).
        """
        actions: dict[str, int] = {}
        scenarios: dict[str, int] = {}
        rows = items.rows(event.item_id for event in events)
        return cls(
            rows=rows,
            on_tag=np.append(is_tag, False)[rows],  # the last is that of -1
            context=items.rows(event.context or "" for event in events),
            action=np.array(
                [actions.setdefault(event.action, len(actions)) for event in events], np.int32
            ),
            scenario=np.array(
                [
                    -1
                    if event.scenario is None
                    else scenarios.setdefault(event.scenario, len(scenarios))
                    for event in events
                ],
                np.int32,
            ),
            timestamp=np.array(
                [np.nan if event.timestamp is None else event.timestamp for event in events],
                np.float64,
            ),
            value=np.array([event.value for event in events], np.float64),
            actions=tuple(actions),
            scenarios=tuple(scenarios),
        )


class DeedsOfAll:
    """The deeds of every user of a dataset on items, by row.

    Args:
        data: The events.
    """

    def __init__(self, data: Dataset) -> None:
        events = np.flatnonzero(~data.on_person)[::-1]  # arrival order, reversed: newest first
        self._events = events[np.argsort(data.user[events], kind="stable")]
        self._starts = np.searchsorted(data.user[self._events], np.arange(len(data.users) + 1))
        self._data = data
        self._on_tag = data.on_tag

    def __getitem__(self, user: int) -> Deeds:
        """The deeds of the user at a row; of nobody, with -1, none."""
        data = self._data
        own = (
            self._events[self._starts[user] : self._starts[user + 1]]
            if user >= 0
            else self._events[:0]
        )
        return Deeds(
            data.target[own],
            self._on_tag[own],
            data.context[own],
            data.action[own],
            data.scenario[own],
            data.timestamp[own],
            data.value[own],
            data.actions,
            data.scenarios,
        )

    def active(self) -> IntArray:
        """Rows of the users who acted on an item, ascending."""
        return np.flatnonzero(np.diff(self._starts))


def gather_history(
    deeds: Deeds, vectors: Vectors, strengths: Strengths, spec: Scenario, now: float
) -> History:
    """The history of a user as a scenario sees it, one entry a distinct item, latest first.

    What they did with tags is part of it only where tags are recommended.

    Args:
        deeds: What the user did.
        vectors: Unit vectors of all items, shape (number of items, dim).
        strengths: What each action says.
        spec: The scenario.
        now: The time to count ages from, seconds since 1970-01-01 UTC.
    """
    used = np.flatnonzero(_told(deeds, spec) & strengths.readable(deeds) & (deeds.rows >= 0))
    newest = np.argsort(-np.nan_to_num(deeds.timestamp[used], nan=-np.inf), kind="stable")
    used = used[newest]
    rows, first, entry = np.unique(deeds.rows[used], return_index=True, return_inverse=True)
    every = strengths(deeds)
    plain = every[used]
    weighted = plain * decay(now - deeds.timestamp[used], spec.half_life_days)
    latest = np.argsort(first)[: spec.users.recent]
    telling = _most_telling(entry, np.abs(weighted), len(rows))
    about = used[(deeds.context[used] >= 0) & (deeds.on_tag[used] == (spec.target == "tag"))]
    about = about[posted(deeds.context[about], deeds.rows[about], every[about])]
    return History(
        rows=rows[latest],
        items=vectors,
        strengths=_scaled_sums(entry, weighted, len(rows))[latest],
        undecayed=_scaled_sums(entry, plain, len(rows))[latest],
        actions=tuple(deeds.actions[deeds.action[used[telling[place]]]] for place in latest),
        scenarios=tuple(_name(deeds, used[telling[place]]) for place in latest),
        posts=Posts(deeds.context[about], deeds.rows[about]),
    )


def posted(contexts: IntArray, targets: IntArray, strengths: npt.NDArray[np.float64]) -> IntArray:
    """Places of the first event of each pair of context and target that is liked, ascending.

    Args:
        contexts: A number for the context of each event.
        targets: Rows of the targets.
        strengths: Strengths; a pair is liked whose sum is above 0.
    """
    keys = contexts * (targets.max(initial=0) + 1) + targets
    _, first, pair = np.unique(keys, return_index=True, return_inverse=True)
    liked = np.bincount(pair, strengths, minlength=len(first)) > 0
    return np.sort(first[liked])


def _told(deeds: Deeds, spec: Scenario) -> Mask:
    """Which events may be part of a history, by their target."""
    return np.ones(len(deeds.rows), np.bool_) if spec.target == "tag" else ~deeds.on_tag


def _scaled_sums(
    entry: IntArray, values: npt.NDArray[np.float64], count: int
) -> npt.NDArray[np.float32]:
    """The sum of the values of each entry, scaled so that the largest has size 1."""
    total = np.bincount(entry, weights=values, minlength=count)
    strongest = max(float(np.abs(total).max(initial=0.0)), np.finfo(np.float64).tiny)
    return (total / strongest).astype(np.float32)


def _name(deeds: Deeds, event: int) -> str | None:
    code = deeds.scenario[event]
    return deeds.scenarios[code] if code >= 0 else None


def _most_telling(
    entry: IntArray, weights: npt.NDArray[np.float64], count: int
) -> npt.NDArray[np.int64]:
    """For each entry the position of its strongest event, the latest of equals."""
    order = np.lexsort((-np.arange(len(entry)), weights))
    best = np.zeros(count, np.int64)
    best[entry[order]] = order  # the last assignment of an entry, its strongest, stays
    return best


def interest_vectors(
    users: Sequence[User], encoder: Encoder, transform: Transform, weights: UserVectors
) -> Vectors:
    """What each user states, w_t·t + w_d·d normalised, zero for nothing. Shape (users, dim)."""
    tags = [tag for user in users for tag in user.tags]
    owners = [position for position, user in enumerate(users) for _ in user.tags]
    vectors = encoder.encode([*tags, *(user.description for user in users)])
    tagged = mean_by_group(transform(vectors[: len(tags)], "tag"), owners, len(users))
    described = transform(vectors[len(tags) :], "description")
    return normalise(weights.tags * tagged + weights.description * described)


def behaviour_vector(history: History) -> Vectors:
    """b, shape (dim,); zero for an empty history."""
    return _unit(history.strengths @ history.vectors)


def user_vector(history: History, interests: Vectors, weights: UserVectors) -> Vectors:
    """u, shape (dim,).

    Args:
        history: What the user did.
        interests: What the user states as a unit vector, shape (dim,), or zero.
        weights: How much each counts; stated interests weigh as much as tags do.
    """
    stated = max(weights.tags, weights.description) * interests
    return _unit(stated + weights.behaviour * behaviour_vector(history))


def _unit(vector: Vectors) -> Vectors:
    length = float(np.linalg.norm(vector))
    return (vector / length).astype(np.float32) if length > 0 else vector.astype(np.float32)
