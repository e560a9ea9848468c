"""Users as vectors: what they say, and what they did. Many users are looked at together.

    t = normalise( mean over tags of e(tag) )
    d = e(description)
    b = normalise( Σ_h s_h · v_h )     over the history, s_h = Σ_events strength · decay(age)
    i = normalise( w_t·t + w_d·d )                 what the user states
    u = normalise( max(w_t, w_d)·i + w_b·b )

What a user lacks is zero and leaves u to the rest; a user with nothing has u = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import NO_POSTS, Coded, History, Posts, Vectors
from polyscene.data.dataset import FloatArray, IntArray
from polyscene.data.schema import User
from polyscene.encoders.base import Encoder
from polyscene.represent.deeds import Deeds
from polyscene.represent.items import mean_by_group
from polyscene.represent.strength import Strengths, decay
from polyscene.represent.whiten import Transform, normalise
from polyscene.settings import Scenario, UserVectors

__all__ = [
    "gather_histories",
    "gather_history",
    "interest_vectors",
    "posted",
    "user_vectors",
]


def gather_history(
    deeds: Deeds, vectors: Vectors, strengths: Strengths, spec: Scenario, now: float
) -> History:
    """The history of one user; see `gather_histories`."""
    ends = np.array([0, len(deeds.rows)])
    return gather_histories(deeds, ends, vectors, strengths, spec, now)[0]


def gather_histories(
    deeds: Deeds,
    ends: IntArray,
    vectors: Vectors,
    strengths: Strengths,
    spec: Scenario,
    now: float,
) -> list[History]:
    """The histories of users as a scenario sees them, an entry a distinct item, latest first.

    What they did with tags is part of them only where tags are recommended. O(events · log events).

    Args:
        deeds: What they did, one after the other.
        ends: Where the deeds of each begin, and last where all end, shape (users + 1,).
        vectors: Unit vectors of all items, shape (number of items, dim).
        strengths: What each action says.
        spec: The scenario.
        now: The time to count ages from, seconds since 1970-01-01 UTC.
    """
    owner = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    told = strengths.readable(deeds) & (deeds.rows >= 0)
    if spec.target != "tag":
        told &= ~deeds.on_tag
    used = np.flatnonzero(told)
    used = used[_newest_first(owner[used], deeds.timestamp[used])]
    entry, first = _entries(owner[used] * np.int64(len(vectors)) + deeds.rows[used])
    plain = strengths(deeds)
    weighted = plain[used] * decay(now - deeds.timestamp[used], spec.half_life_days)
    telling = used[_most_telling(entry, np.abs(weighted), len(first))]
    rows, action, origin = deeds.rows[used[first]], deeds.action[telling], deeds.scenario[telling]
    starts = np.searchsorted(owner[used[first]], np.arange(len(ends)))
    decayed = _scaled_sums(entry, weighted, starts)
    undecayed = _scaled_sums(entry, plain[used], starts)
    posts = _posts(deeds, owner, used, plain, spec, len(ends) - 1)
    origins = (*deeds.scenarios, None)  # code -1 is the last
    parts = [
        slice(start, min(end, start + spec.users.recent))
        for start, end in pairwise(starts.tolist())
    ]
    return [
        History(
            rows=rows[own],
            items=vectors,
            strengths=decayed[own],
            undecayed=undecayed[own],
            actions=Coded(action[own], deeds.actions),
            scenarios=Coded(origin[own], origins),
            posts=about,
        )
        for own, about in zip(parts, posts, strict=True)
    ]


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


def _posts(
    deeds: Deeds, owner: IntArray, used: IntArray, strengths: FloatArray, spec: Scenario, users: int
) -> list[Posts]:
    """What each user did about contexts; `used` are the events that may be looked at, in order."""
    about = used[(deeds.context[used] >= 0) & (deeds.on_tag[used] == (spec.target == "tag"))]
    if not len(about):
        return [NO_POSTS] * users
    contexts, targets = deeds.context[about], deeds.rows[about]
    own = owner[about] * (contexts.max() + 1) + contexts  # a number for each user's context
    liked = posted(own, targets, strengths[about])
    cuts = np.searchsorted(owner[about[liked]], np.arange(1, users))
    parts = (np.split(values[liked], cuts) for values in (contexts, targets))
    return [Posts(*pair) for pair in zip(*parts, strict=True)]


def _newest_first(owner: IntArray, times: FloatArray) -> IntArray | slice:
    """What puts the events of each user in order; the owners ascend."""
    times = np.nan_to_num(times, nan=-np.inf)
    if not ((times[1:] > times[:-1]) & (owner[1:] == owner[:-1])).any():
        return slice(None)
    return np.lexsort((-times, owner))


def _entries(keys: IntArray) -> tuple[IntArray, IntArray]:
    """For each key the number of the entry that it belongs to, and the first place of each entry.

    Entries are numbered as they first come.
    """
    ascending = np.sort(keys)
    if not (ascending[1:] == ascending[:-1]).any():  # a tenth of the time of what follows
        return np.arange(len(keys)), np.arange(len(keys))
    _, first, entry = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return number[entry], first[order]


def _scaled_sums(entry: IntArray, values: FloatArray, starts: IntArray) -> npt.NDArray[np.float32]:
    """The sum of the values of each entry, scaled so that the largest of each user has size 1."""
    total = np.bincount(entry, weights=values, minlength=starts[-1])
    counts = np.diff(starts)
    strongest = np.full(len(counts), np.finfo(np.float64).tiny)
    if len(total):
        some = np.flatnonzero(counts)
        largest = np.maximum.reduceat(np.abs(total), starts[some])
        strongest[some] = np.maximum(largest, strongest[some])
    return (total / np.repeat(strongest, counts)).astype(np.float32)


def _most_telling(entry: IntArray, weights: FloatArray, count: int) -> IntArray:
    """For each entry the place of its strongest event, the latest of equals."""
    most = np.zeros(count)
    np.maximum.at(most, entry, weights)
    places = np.flatnonzero(weights == most[entry])[::-1]
    found = np.zeros(count, np.int64)
    found[entry[places]] = places  # the last assignment of an entry, the latest, stays
    return found


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


def user_vectors(histories: Sequence[History], interests: Vectors, weights: UserVectors) -> Vectors:
    """U of each user, shape (users, dim); zero for an empty history and no interests.

    Args:
        histories: What each did, over the same items.
        interests: What each states as unit vectors or zero, shape (users, dim).
        weights: How much each counts; stated interests weigh as much as tags do.
    """
    stated = max(weights.tags, weights.description) * interests
    if not sum(map(len, histories)):
        return normalise(stated)
    items = histories[0].items
    rows = np.concatenate([history.rows for history in histories])
    values = np.concatenate([history.strengths for history in histories])
    starts = np.cumsum([0, *map(len, histories)])
    done = sp.csr_matrix((values, rows, starts), shape=(len(histories), len(items)))
    return normalise(stated + weights.behaviour * normalise(np.asarray(done @ items)))
