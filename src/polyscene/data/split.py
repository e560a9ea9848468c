"""Splitting events into what is learned from and what is held out: pure functions on a dataset.

Pairs are held out whole: every event of a user on a target, or none, so that nothing of what is to
be predicted stays in training. Of events about a context, a pair is all that a user did about it,
such as the tags they gave to one artist: it happened at once, and is asked for at once. What was
shown together is held out together.

The rows of answered lists go with the events: by time, or each with the events of its pair. Where a
pair has no event, it is drawn as often as pairs of its user and scenario that have some.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import Dataset, IntArray, Mask
from polyscene.data.lists import Lists

__all__ = [
    "after",
    "dated",
    "divided_lists",
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


def divided_lists(
    data: Dataset,
    held: Mask,
    left_out: Mask,
    seed: int,
    since: float | None = None,
    until: float = np.inf,
) -> tuple[Lists, Lists]:
    """The rows of lists to be learned from, and those that are held out with some events.

    Args:
        data: All events, with their lists.
        held: Which events are held out, shape (events,).
        left_out: Which events are not learned from.
        seed: Of the draw of rows whose pair has no event.
        since: The moment after which nothing is learned from, where events are held out by time:
            lists before it have only the responses that had come by then.
        until: The end of what is held out by time.
    """
    lists = data.lists
    if not len(lists):
        return lists, lists
    if since is None:
        out, gone = _beside(data, held, left_out, seed)
        return lists.take(~out & ~gone), lists.take(out)
    late = lists.timestamp > since
    before = lists.take(~late)
    return (
        before.answered_by(~(before.responded > since)),
        lists.take(late & (lists.timestamp <= until)),
    )


def _beside(data: Dataset, held: Mask, left_out: Mask, seed: int) -> tuple[Mask, Mask]:
    """Which rows of lists are held out beside events, and those whose pair is not learned from."""
    lists, count = data.lists, len(data)
    pairs = pairs_of(_with_rows(data))
    of_event, of_row = pairs[:count], pairs[count:]
    known, found, gone = np.zeros((3, int(pairs.max(initial=-1)) + 1), np.bool_)
    known[of_event], found[of_event[held]], gone[of_event[left_out]] = True, True, True
    width = len(lists.scenarios) + 1  # of events that name no scenario
    here, there = data.user * width + data.scenario + 1, lists.user * width + lists.scenario + 1
    size = width * len(data.users)
    whole, part = np.zeros((2, size))
    for total, some in ((whole, np.ones(count, np.bool_)), (part, held)):
        cells = np.unique(np.stack([here[some], of_event[some]]), axis=1)[0]
        total += np.bincount(cells, minlength=size)
    overall = part.sum() / max(whole.sum(), 1)
    share = np.where(whole > 0, part / np.maximum(whole, 1), overall)
    drawn = np.random.default_rng(seed).random(len(known))[of_row] < share[there]
    out = np.where(known[of_row], found[of_row], drawn)
    return out, gone[of_row]


def _with_rows(data: Dataset) -> Dataset:
    """The events, then the rows of the lists as if they were events, for `pairs_of`."""
    lists = data.lists
    count = len(data) + len(lists)
    return replace(
        data,
        user=np.concatenate([data.user, lists.user]),
        target=np.concatenate([data.target, lists.target]),
        on_person=np.concatenate([data.on_person, lists.on_person]),
        context=np.concatenate([data.context, lists.context]),
        action=np.zeros(count, np.int32),
        scenario=np.zeros(count, np.int32),
        timestamp=np.zeros(count),
        value=np.zeros(count),
    )


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
