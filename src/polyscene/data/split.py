"""Splitting events into what is learned from and what is held out: pure functions on a dataset.

Pairs are held out whole: every event of a user on a target, or none, so that nothing of what is to
be predicted stays in training. Of events about a context, a pair is all that a user did about it,
such as the tags they gave to one artist: it happened at once, and is asked for at once. What was
shown together is held out together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import Dataset, IntArray, Mask

__all__ = [
    "after",
    "dated",
    "last_pairs",
    "pairs_of",
    "random_groups",
    "random_pairs",
    "requests_of",
    "time_at",
]


def pairs_of(data: Dataset) -> IntArray:
    """A number for each event that is equal for events of one user on one target.

    Pairs are numbered by user, then target; items and people are different targets, and all that
    are unknown (row -1) are one. What a user did about one context is one pair, whatever the
    targets, but for tags and what is no tag.
    """
    items = len(data.items)
    targets = items + len(data.users) + 1
    target = data.target + np.where(data.on_person, items, 0) + 1
    target[data.target < 0] = 0
    about = data.context >= 0
    target[about] = targets + data.context[about] + np.where(data.on_tag[about], items, 0)
    _, pairs = np.unique(data.user * (targets + 2 * items) + target, return_inverse=True)
    return np.asarray(pairs, np.int64)


def random_pairs(data: Dataset, eligible: Mask, share: float, seed: int) -> Mask:
    """A share of the eligible pairs of each user, rounded, drawn at random.

    Args:
        data: The events.
        eligible: Which events may be held out, shape (events,).
        share: The share of each user's eligible pairs.
        seed: Of the draw.
    """
    return random_groups(data, pairs_of(data), eligible, share, seed)


def requests_of(data: Dataset) -> IntArray:
    """A number for each event that is equal for events of one user and request.

    -1 where an event names no request.
    """
    if not len(data.request):
        return np.full(len(data), -1, np.int64)
    requests = int(data.request.max(initial=-1)) + 1
    _, numbers = np.unique(data.user * requests + data.request, return_inverse=True)
    return np.where(data.request >= 0, numbers, -1)


def random_groups(data: Dataset, groups: IntArray, eligible: Mask, share: float, seed: int) -> Mask:
    """A share of the groups of events of each user, rounded, drawn at random.

    Args:
        data: The events.
        groups: The number of the group of each event, from 0; a group has one user.
        eligible: Which events may be held out, shape (events,); a group is if all of it may be.
        share: The share of each user's eligible groups.
        seed: Of the draw.
    """
    count = int(groups.max(initial=-1)) + 1
    user = np.zeros(count, np.int64)
    user[groups] = data.user
    may = np.zeros(count, np.bool_)
    may[groups[eligible]] = True
    may[groups[~eligible]] = False
    rank = _rank_within(user, np.random.default_rng(seed).random(count), may)
    allowed = np.rint(share * np.bincount(user[may], minlength=len(data.users)))
    return np.asarray((may & (rank < allowed[user]))[groups])


def last_pairs(data: Dataset, eligible: Mask) -> Mask:
    """The last eligible pair of each user who has another: by time, else by order of arrival."""
    pairs = pairs_of(data)
    count = int(pairs.max(initial=-1)) + 1
    user, when, may = np.zeros(count, np.int64), np.full(count, -np.inf), np.zeros(count, np.bool_)
    user[pairs] = data.user
    times = np.nan_to_num(data.timestamp, nan=-np.inf)
    order = np.empty(len(data), np.int64)
    order[np.lexsort((np.arange(len(data)), times))] = np.arange(len(data))
    np.maximum.at(when, pairs, order)
    may[pairs[eligible]] = True
    rank = _rank_within(user, -when, may)
    others = np.bincount(user, minlength=len(data.users)) > 1
    return np.asarray((may & (rank == 0) & others[user])[pairs])


def after(data: Dataset, moment: float) -> Mask:
    """Events later than a moment, in seconds since 1970-01-01 UTC; undated ones are earlier."""
    return np.nan_to_num(data.timestamp, nan=-np.inf) > moment


def time_at(data: Dataset, share: float) -> float:
    """The moment before which this share of the dated events lies; NaN where none is dated."""
    known = data.timestamp[~np.isnan(data.timestamp)]
    return float(np.quantile(known, share)) if len(known) else float("nan")


def _rank_within(user: IntArray, key: npt.NDArray[np.float64], may: Mask) -> IntArray:
    """The rank of each pair among those of its user that may be held out, smallest key first."""
    order = np.lexsort((key, ~may, user))
    starts = np.searchsorted(user[order], user[order])
    rank = np.empty(len(user), np.int64)
    rank[order] = np.arange(len(user)) - starts
    return rank


def dated(data: Dataset) -> bool:
    """Whether most events have a time."""
    return len(data) > 0 and bool(np.mean(~np.isnan(data.timestamp)) > 0.8)
