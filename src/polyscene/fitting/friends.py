"""Friendships that are held out, and what is left of the relations then."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from polyscene.component import Training
from polyscene.data.dataset import Dataset, IdMap, IntArray, Links, Mask
from polyscene.represent.connections import FRIENDS, MUTUAL
from polyscene.settings import Settings

__all__ = ["befriended", "split_friends", "unlinked"]


def split_friends(
    links: Links,
    users: IdMap,
    settings: Settings,
    scenarios: Collection[str],
    share: float,
    seed: int,
    of: IntArray | None = None,
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
        of: If given, only pairs with one of these users are held out.

    Returns:
        The relations that are left, and by scenario of people the pairs (user, friend) that are
        held out, shape (pairs, 2).
    """
    people = [name for name in scenarios if settings.scenario(name).target == "person"]
    subject, target, usable = _friendships(links, users)
    if of is not None:
        usable &= np.isin(subject, of) | np.isin(target, of)
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


def befriended(training: Training, scenarios: Sequence[str]) -> IntArray:
    """Rows of the users who have a friendship, where some of the scenarios recommend people."""
    if all(training.settings.scenario(name).target != "person" for name in scenarios):
        return np.zeros(0, np.int64)
    subject, target, usable = _friendships(training.links, training.data.users)
    return np.concatenate([subject[usable], target[usable]])


def _unordered(one: IntArray, other: IntArray, size: int) -> IntArray:
    """A number for each pair of rows below `size`, the same in both directions."""
    return np.minimum(one, other) * size + np.maximum(one, other)
