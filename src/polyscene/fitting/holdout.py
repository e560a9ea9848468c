"""What a fit holds out to choose options and weights by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from polyscene.component import Training, Validation
from polyscene.data.dataset import Dataset, IdMap, IntArray, Links
from polyscene.data.split import Mask, after, last_pairs, pairs_of, random_pairs, time_at
from polyscene.represent.connections import FRIENDS, MUTUAL
from polyscene.represent.strength import Strengths
from polyscene.settings import Settings

__all__ = [
    "FEW",
    "dated",
    "in_scenario",
    "split_friends",
    "succeeded",
    "successes",
    "unlinked",
    "unseen",
    "validations",
]

_ENOUGH = 1500
"""Users on trial, over all splits, from which on no further split is made."""
FEW = 50
"""Users on trial below which the latest events are no good measure."""


def validations(training: Training) -> list[Validation]:
    """The splits that the settings ask for; none where nothing can be held out."""
    settings = training.settings.validation
    found: list[Validation] = []
    for split in _kinds(training):
        found = []
        for fold in range(settings.folds):
            validation = split(training, fold)
            if not len(validation.users):
                break
            found.append(validation)
            if sum(len(one.users) for one in found) >= _ENOUGH:
                break
        if settings.split != "auto" or (found and len(found[0].users) >= FEW):
            break
    return found


def dated(data: Dataset) -> bool:
    """Whether most events have a time."""
    return len(data) > 0 and bool(np.mean(~np.isnan(data.timestamp)) > 0.8)


def in_scenario(data: Dataset, name: str) -> Mask:
    """Which events happened in a scenario, or in none that they name. Shape (events,)."""
    here = np.array([*(other == name for other in data.scenarios), True], np.bool_)
    return np.asarray(here[data.scenario])


def succeeded(data: Dataset, settings: Settings, name: str) -> Mask:
    """Which events count as a success in a scenario. Shape (events,)."""
    on_person = settings.scenario(name).target == "person"
    here = (data.on_person == on_person) & in_scenario(data, name) & (data.target >= 0)
    return np.asarray(here & Strengths(settings, name).positive(data))


def successes(
    data: Dataset,
    held: Mask,
    settings: Settings,
    users: IntArray,
    friends: Mapping[str, IntArray] | None = None,
) -> dict[str, sp.csr_matrix]:
    """By scenario, what users have among held-out events that counts as a success there.

    An event of no scenario counts in each scenario that recommends its kind of target.

    Args:
        data: All events.
        held: Which are held out.
        settings: The workspace's settings.
        users: Rows of the users, ascending, shape (u,).
        friends: By scenario of people, held-out pairs of rows of users, shape (pairs, 2).

    Returns:
        Matrices of ones, shape (u, targets).
    """
    found = {}
    for name, spec in settings.scenarios.items():
        right = held & succeeded(data, settings, name)
        pairs = np.stack([data.user[right], data.target[right]], axis=1)
        if friends and name in friends:
            pairs = np.concatenate([pairs, friends[name]])
        size = len(data.users if spec.target == "person" else data.items)
        found[name] = _ones(pairs, users, size)
    return found


def unseen(
    right: sp.csr_matrix, rest: Dataset, settings: Settings, name: str, users: IntArray
) -> sp.csr_matrix:
    """What is to be found without what a scenario never shows again: it was seen in training.

    Args:
        right: Ones, shape (u, targets).
        rest: The events to learn from.
        settings: The workspace's settings.
        name: Name of the scenario.
        users: Rows of the users, ascending, shape (u,).
    """
    spec = settings.scenario(name)
    if spec.seen == "include":
        return right
    seen = (rest.on_person == (spec.target == "person")) & (rest.target >= 0)
    seen &= Strengths(settings, name).readable(rest)
    if spec.seen_actions:
        counts = np.array([action in spec.seen_actions for action in rest.actions], np.bool_)
        seen &= counts[rest.action] if len(counts) else False
    pairs = np.stack([rest.user[seen], rest.target[seen]], axis=1)
    left = sp.csr_matrix(right - right.multiply(_ones(pairs, users, right.shape[1])))
    left.eliminate_zeros()
    return left


def _ones(pairs: IntArray, users: IntArray, targets: int) -> sp.csr_matrix:
    """A matrix with a one for each distinct pair (user, target) of these users."""
    pairs = pairs[np.isin(pairs[:, 0], users)]
    cells = (np.searchsorted(users, pairs[:, 0]), pairs[:, 1])
    shape = (len(users), targets)
    matrix = sp.csr_matrix((np.ones(len(pairs), np.float32), cells), shape=shape)
    matrix.data[:] = 1.0  # several events on one target were added up
    return matrix


def split_friends(
    links: Links,
    users: IdMap,
    settings: Settings,
    scenarios: Collection[str],
    share: float,
    seed: int,
) -> tuple[Links, dict[str, IntArray]]:
    """Hold out a share of the pairs of connected people, where people are recommended.

    A pair is held out in both directions or not at all. Where the relation holds in both, each of
    the two is to be found by the other, even if it is told once.

    Args:
        links: All relations.
        users: Rows of the users.
        settings: The workspace's settings.
        scenarios: The scenarios for which it is done.
        share: The share of the pairs.
        seed: Of the draw.

    Returns:
        The relations that are left, and by scenario of people the pairs (user, friend) that are
        held out, shape (pairs, 2).
    """
    people = [name for name in scenarios if settings.scenario(name).target == "person"]
    subject, target, usable = _friendships(links, users)
    if not people or not usable.any():
        return links, {}
    pairs = _unordered(subject[usable], target[usable], len(users))
    _, pairs = np.unique(pairs, return_inverse=True)
    drawn = np.random.default_rng(seed).random(int(pairs.max()) + 1) < share
    held = usable.copy()
    held[usable] = drawn[pairs]
    mutual = [code for code, name in enumerate(links.predicates) if name in MUTUAL]
    back = held & np.isin(links.predicate, mutual)
    found = np.stack(
        [
            np.concatenate([subject[held], target[back]]),
            np.concatenate([target[held], subject[back]]),
        ],
        axis=1,
    )
    return links.take(~held), dict.fromkeys(people, found)


def unlinked(links: Links, held: Dataset) -> Links:
    """The relations without friendships, in either direction, of people who met in held-out events.

    Args:
        links: The relations.
        held: The events that are held out.
    """
    subject, target, usable = _friendships(links, held.users)
    on_person = held.on_person & (held.target >= 0)
    if not on_person.any() or not usable.any():
        return links
    size = len(held.users)
    met = _unordered(held.user[on_person], held.target[on_person], size)
    return links.take(~(usable & np.isin(_unordered(subject, target, size), met)))


def _friendships(links: Links, users: IdMap) -> tuple[IntArray, IntArray, Mask]:
    """Rows of users of the subject and object of each relation; which relations are friendships."""
    codes = [code for code, name in enumerate(links.predicates) if name in FRIENDS]
    subject, target = users.rows(links.names.ids)[np.stack([links.subject, links.object])]
    people = (subject >= 0) & (target >= 0) & (subject != target)
    return subject, target, people & np.isin(links.predicate, codes)


def _unordered(one: IntArray, other: IntArray, size: int) -> IntArray:
    """A number for each pair of rows below `size`, the same in both directions."""
    return np.minimum(one, other) * size + np.maximum(one, other)


def _kinds(training: Training) -> Iterator[Callable[[Training, int], Validation]]:
    split = training.settings.validation.split
    if split == "cold-users":
        yield _cold_users
    if split == "last":
        yield _last
    if split == "latest" or (split == "auto" and dated(training.data)):
        yield _latest
    if split in ("random", "auto"):
        yield _random


def _random(training: Training, fold: int) -> Validation:
    """A share of the pairs of some users, drawn at random."""
    data, settings = training.data, training.settings.validation
    rng = np.random.default_rng((settings.seed, fold))
    users = _some(np.unique(data.user), settings.users, rng)
    seed = int(rng.integers(1 << 32))
    held = random_pairs(data, np.isin(data.user, users), settings.share, seed)
    links, friends = split_friends(
        training.links, data.users, training.settings, training.settings.scenarios,
        settings.share, seed,
    )  # fmt: skip
    befriended = [pairs[:, 0] for pairs in friends.values()]
    users = np.unique(np.concatenate([users, *befriended])) if befriended else users
    return _validation(replace(training, links=links), held, held, users, friends)


def _latest(training: Training, fold: int) -> Validation:
    """What came after a moment, and for each further split after an earlier one."""
    data, settings = training.data, training.settings.validation
    end = 1.0 - settings.share * fold / 2
    if end <= settings.share:  # nothing earlier is left to learn from
        none = np.zeros(len(data), np.bool_)
        return _validation(training, none, none, np.zeros(0, np.int64))
    moment = time_at(data, end - settings.share)
    left_out = after(data, moment)
    held = left_out & ~after(data, time_at(data, end))
    users = np.intersect1d(data.user[held], data.user[~left_out])
    users = _some(users, settings.users, np.random.default_rng((settings.seed, fold)))
    return _validation(replace(training, now=moment), held, left_out, users)


def _last(training: Training, fold: int) -> Validation:
    """The last pair of some users: by time, else by order of arrival."""
    data, settings = training.data, training.settings.validation
    rng, everyone = np.random.default_rng((settings.seed, fold)), np.unique(data.user)
    # where all were on trial in the first split, a further one would be the same
    users = _some(everyone, 0 if fold and len(everyone) <= settings.users else settings.users, rng)
    held = last_pairs(data, np.isin(data.user, users))
    return _validation(training, held, held, users)


def _cold_users(training: Training, fold: int) -> Validation:
    """All that some users did in one scenario, where they have history in others too."""
    data, settings = training.data, training.settings.validation
    rng = np.random.default_rng((settings.seed, fold))
    held, chosen = np.zeros(len(data), np.bool_), np.zeros(0, np.int64)
    for code in rng.permutation(len(data.scenarios)):
        here = data.scenario == code
        both = np.setdiff1d(np.intersect1d(data.user[here], data.user[~here]), chosen)
        some = _some(both, min(settings.users, int(len(both) * settings.share) + 1), rng)
        held |= here & np.isin(data.user, some)
        chosen = np.union1d(chosen, some)
    pairs = pairs_of(data)
    return _validation(training, held, np.isin(pairs, pairs[held]), chosen)


def _some(users: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """At most so many of the users, drawn at random, ascending."""
    return users if len(users) <= count else np.sort(rng.choice(users, count, replace=False))


def _validation(
    training: Training,
    held: Mask,
    left_out: Mask,
    users: IntArray,
    friends: Mapping[str, IntArray] | None = None,
) -> Validation:
    """The split with only those users who have something right and something left."""
    data = training.data
    rest, links = data.take(~left_out), unlinked(training.links, data.take(held))
    right = {
        name: unseen(matrix, rest, training.settings, name, users)
        for name, matrix in successes(data, held, training.settings, users, friends).items()
    }
    counts = sum(
        (np.asarray(matrix.sum(axis=1)).ravel() for matrix in right.values()),
        start=np.zeros(len(users)),
    )
    able = (counts > 0) & np.isin(users, rest.user)
    if friends:
        around = np.union1d(links.subject, links.object)
        able |= (counts > 0) & np.isin(users, data.users.rows(links.names.ids)[around])
    return Validation(
        training=replace(training, data=rest, links=links),
        users=users[able],
        relevant={name: sp.csr_matrix(matrix[able]) for name, matrix in right.items()},
    )
