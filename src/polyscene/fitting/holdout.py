"""What a fit holds out to choose options and weights by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp

from polyscene.component import Training, Validation
from polyscene.data.dataset import Dataset, IntArray, Links, Mask
from polyscene.data.questions import Questions
from polyscene.data.split import (
    after,
    dated,
    divided_lists,
    last_pairs,
    pairs_of,
    random_pairs,
    time_at,
)  # fmt: skip
from polyscene.fitting.friends import befriended, split_friends, unlinked
from polyscene.represent.strength import Strengths
from polyscene.settings import Settings, ValidationSettings

__all__ = [
    "FEW",
    "in_scenario",
    "succeeded",
    "successes",
    "unseen",
    "validations",
]

_ENOUGH = 1900
"""Users on trial, over all splits, from which on no further split is made."""
_ENOUGH_EACH = 400
"""The same for each scenario that has anything to be found: the busiest must not speak for all."""
FEW = 50
"""Users on trial below which the latest events are no good measure."""


def validations(training: Training) -> list[Validation]:
    """The splits that the settings ask for; none where nothing can be held out.

    Tags have splits of their own, after those of all else: what is chosen for items and people must
    not depend on whether there are tags.
    """
    on_tag, scenarios = training.data.on_tag, training.settings.scenarios
    worlds = (
        (~on_tag, [name for name, spec in scenarios.items() if spec.target != "tag"]),
        (on_tag, [name for name, spec in scenarios.items() if spec.target == "tag"]),
    )
    return [
        validation
        for events, names in worlds
        if events.any() or len(befriended(training, names))
        for validation in _splits(training, _World(events, names))
    ]


@dataclass(frozen=True, slots=True)
class _World:
    """What may be held out together."""

    events: Mask
    """Which events."""
    scenarios: Sequence[str]
    """The scenarios in which they are to be found."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """What a split holds out of the events of a world; masks over these."""

    held: Mask
    """The events to be found."""
    left_out: Mask
    """The events that are not learned from."""
    users: IntArray
    """Rows of the users on trial, ascending."""
    friends: Mapping[str, IntArray] = field(default_factory=dict)
    """By scenario of people, pairs of rows of users to be found, shape (pairs, 2)."""
    links: Links | None = None
    """The relations that are left; None for all."""
    now: float | None = None
    """The time after which nothing is learned from, whatever its world; None for no such time."""
    until: float = np.inf
    """With `now`, when what is to be found ends."""


def _splits(training: Training, world: _World) -> list[Validation]:
    """The splits of one world."""
    settings = training.settings.validation
    part = replace(training, data=training.data.take(world.events))
    found: list[Validation] = []
    for split in _kinds(part):
        found = []
        for fold in range(settings.folds):
            validation = _validation(training, world, split(part, world, fold))
            if not len(validation.users):
                break
            found.append(validation)
            if _enough(found):
                break
        if settings.split != "auto" or (found and len(found[0].users) >= FEW):
            break
    return found


def _enough(found: Sequence[Validation]) -> bool:
    """Whether the splits have users enough, and where there are several scenarios, in each."""
    asked: Counter[str] = Counter()
    for one in found:
        for name, right in one.relevant.items():
            asked[name] += int(np.count_nonzero(right.getnnz(axis=1)))
    counts = [count for count in asked.values() if count]
    of_each = len(counts) < 2 or min(counts) >= _ENOUGH_EACH
    return sum(len(one.users) for one in found) >= _ENOUGH and of_each


def in_scenario(data: Dataset, name: str) -> Mask:
    """Which events happened in a scenario, or in none that they name. Shape (events,)."""
    here = np.array([*(other == name for other in data.scenarios), True], np.bool_)
    return np.asarray(here[data.scenario])


def succeeded(data: Dataset, settings: Settings, name: str) -> Mask:
    """Which events count as a success in a scenario. Shape (events,)."""
    aimed = data.aimed(settings.scenario(name).target)
    here = aimed & in_scenario(data, name) & (data.target >= 0)
    return np.asarray(here & Strengths(settings, name).positive(data))


def successes(
    data: Dataset,
    held: Mask,
    settings: Settings,
    questions: Questions,
    friends: Mapping[str, IntArray] | None = None,
) -> dict[str, sp.csr_matrix]:
    """By scenario, what is right among held-out events: what counts as a success there.

    An event of no scenario counts in each scenario that recommends its kind of target. What was
    done about a context is right where that is asked about.

    Args:
        data: All events.
        held: Which are held out.
        settings: The workspace's settings.
        questions: Who is asked for, and about what; q of them.
        friends: By scenario of people, held-out pairs of rows of users, shape (pairs, 2).

    Returns:
        Matrices of ones, shape (q, targets).
    """
    found = {}
    for name, spec in settings.scenarios.items():
        right = held & succeeded(data, settings, name)
        rows, targets = questions.rows(data.user[right], data.context[right]), data.target[right]
        if friends and name in friends:
            one, other = friends[name].T
            rows = np.concatenate([rows, questions.rows(one, np.full(len(one), -1))])
            targets = np.concatenate([targets, other])
        size = len(data.users if spec.target == "person" else data.items)
        found[name] = _ones(rows, targets, (len(questions), size))
    return found


def unseen(
    right: sp.csr_matrix, rest: Dataset, settings: Settings, name: str, questions: Questions
) -> sp.csr_matrix:
    """What is to be found without what a scenario never shows again: it was seen in training.

    Args:
        right: Ones, shape (q, targets).
        rest: The events to learn from.
        settings: The workspace's settings.
        name: Name of the scenario.
        questions: Who is asked for, and about what; q of them.
    """
    spec = settings.scenario(name)
    if spec.seen == "include":
        return right
    seen = rest.aimed(spec.target) & (rest.target >= 0) & Strengths(settings, name).seen(rest)
    user, target = rest.user[seen], rest.target[seen]
    if spec.target == "tag":  # given to one thing, it may be given to another
        known = _ones(questions.rows(user, rest.context[seen]), target, right.shape)
    else:
        known = _ones(user, target, (len(rest.users), right.shape[1]))[questions.users]
    left = sp.csr_matrix(right - right.multiply(known))
    left.eliminate_zeros()
    return left


def _ones(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> sp.csr_matrix:
    """A matrix with a one in each distinct place; those in row -1 are left out."""
    kept = rows >= 0
    cells = (rows[kept], columns[kept])
    matrix = sp.csr_matrix((np.ones(int(kept.sum()), np.float32), cells), shape=shape)
    matrix.data[:] = 1.0  # several events on one target were added up
    return matrix


_Split = Callable[[Training, _World, int], _Cut]
"""From the events of a world, and the number of the split, to what it holds out."""


def _kinds(training: Training) -> Iterator[_Split]:
    split = training.settings.validation.split
    if split == "cold-users":
        yield _cold_users
    if split == "last":
        yield _last
    if split == "latest" or (split == "auto" and dated(training.data)):
        yield _latest
    if split in ("random", "auto"):
        yield _random


def _random(training: Training, world: _World, fold: int) -> _Cut:
    """A share of the pairs of some users, drawn at random."""
    data, settings = training.data, training.settings.validation
    rng = np.random.default_rng((settings.seed, fold))
    everyone = np.union1d(data.user, befriended(training, world.scenarios))
    users = _tried(data, everyone, settings.users, rng)
    seed = int(rng.integers(1 << 32))
    held = random_pairs(data, np.isin(data.user, users), settings.share, seed)
    links, friends = split_friends(
        training.links, data.users, training.settings, world.scenarios,
        settings.share, seed, of=users,
    )  # fmt: skip
    sought = {name: pairs[np.isin(pairs[:, 0], users)] for name, pairs in friends.items()}
    return _Cut(held, held, users, sought, links)


def _latest(training: Training, world: _World, fold: int) -> _Cut:
    """What came after a moment, and for each further split after an earlier one."""
    data, settings = training.data, training.settings.validation
    end = 1.0 - settings.share * fold / 2
    if end <= settings.share:  # nothing earlier is left to learn from
        none = np.zeros(len(data), np.bool_)
        return _Cut(none, none, np.zeros(0, np.int64))
    moment = time_at(data, end - settings.share)
    left_out = after(data, moment)
    held = left_out & ~after(data, time_at(data, end))
    users = np.intersect1d(data.user[held], data.user[~left_out])
    rng = np.random.default_rng((settings.seed, fold))
    users = _tried(data.take(held), users, settings.users, rng)
    return _Cut(held, left_out, users, now=moment, until=time_at(data, end))


def _last(training: Training, world: _World, fold: int) -> _Cut:
    """The last pair of some users: by time, else by order of arrival."""
    data, settings = training.data, training.settings.validation
    rng, everyone = np.random.default_rng((settings.seed, fold)), np.unique(data.user)
    # where all were on trial in the first split, a further one would be the same
    users = _some(everyone, 0 if fold and len(everyone) <= settings.users else settings.users, rng)
    held = last_pairs(data, np.isin(data.user, users))
    return _Cut(held, held, users)


def _cold_users(training: Training, world: _World, fold: int) -> _Cut:
    """All that some users did in one scenario, where they have history in others too."""
    data, settings = training.data, training.settings.validation
    rng = np.random.default_rng((settings.seed, fold))
    where = np.full(len(data.users), -2, np.int64)  # in which scenario a user is new, if in any
    for code in rng.permutation(len(data.scenarios)):
        here = data.scenario == code
        both = np.intersect1d(data.user[here], data.user[~here])
        both = both[where[both] == -2]
        where[_some(both, int(len(both) * settings.share) + 1, rng)] = code
    chosen = _some(np.flatnonzero(where >= 0), settings.users, rng)
    held = np.isin(data.user, chosen) & (data.scenario == where[data.user])
    pairs = pairs_of(data)
    return _Cut(held, np.isin(pairs, pairs[held]), chosen)


def _tried(data: Dataset, users: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """At most so many of the users, drawn at random, ascending; each scenario has its part of them.

    Args:
        data: The events by which somebody is a user of a scenario.
        users: Rows of the users.
        count: How many.
        rng: What draws.
    """
    if len(users) <= count:
        return users
    those = [
        np.intersect1d(users, data.user[data.scenario == code])
        for code in range(len(data.scenarios))
    ]
    those = sorted((own for own in those if len(own)), key=len)
    drawn = users[:0]
    for own in those if len(those) > 1 else []:
        missing = max(count // len(those) - int(np.isin(own, drawn).sum()), 0)
        drawn = np.union1d(drawn, _some(np.setdiff1d(own, drawn), missing, rng))
    return np.union1d(drawn, _some(np.setdiff1d(users, drawn), count - len(drawn), rng))


def _some(users: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """At most so many of the users, drawn at random, ascending."""
    return users if len(users) <= count else np.sort(rng.choice(users, count, replace=False))


def _validation(training: Training, world: _World, cut: _Cut) -> Validation:
    """The split with only those questions that have something right and something left."""
    data, settings = training.data, training.settings
    held, left_out = world.events.copy(), world.events.copy()
    held[world.events], left_out[world.events] = cut.held, cut.left_out
    if cut.now is not None:
        left_out |= after(data, cut.now)
    links = training.links if cut.links is None else cut.links
    rest, links = data.take(~left_out), unlinked(links, data.take(held))
    seed, tried = settings.validation.seed, held & np.isin(data.user, cut.users)
    lists, shown = divided_lists(data, held, left_out, seed, cut.now, cut.until)
    rest = replace(rest, lists=lists)
    on_trial = replace(data.take(tried), lists=shown.within(world.scenarios))
    questions = Questions.asked(on_trial, cut.friends.values())
    right = {
        name: unseen(matrix, rest, settings, name, questions)
        for name, matrix in successes(data, held, settings, questions, cut.friends).items()
    }
    counts = sum(
        (np.asarray(matrix.sum(axis=1)).ravel() for matrix in right.values()),
        start=np.zeros(len(questions)),
    )
    able = (counts > 0) & np.isin(questions.users, rest.user)
    if cut.friends:
        around = np.union1d(links.subject, links.object)
        able |= (counts > 0) & np.isin(questions.users, data.users.rows(links.names.ids)[around])
    kept = _asked(questions, np.flatnonzero(able), settings.validation)
    now = training.now if cut.now is None else cut.now
    return Validation(
        training=replace(training, data=rest, links=links, now=now),
        questions=questions.take(kept),
        relevant={name: sp.csr_matrix(matrix[kept]) for name, matrix in right.items()},
        held=on_trial,
    )


def _asked(questions: Questions, able: IntArray, settings: ValidationSettings) -> IntArray:
    """Positions of the questions that are asked: of those about contexts no more than users."""
    about = able[questions.contexts[able] >= 0]
    some = _some(about, settings.users, np.random.default_rng(settings.seed))
    return np.sort(np.concatenate([able[questions.contexts[able] < 0], some]))
