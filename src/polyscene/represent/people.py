"""Vectors of people as targets: the same vectors that they have as users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import numpy as np

from polyscene.component import Vectors
from polyscene.data.schema import User
from polyscene.encoders.base import Encoder
from polyscene.represent.deeds import Deeds
from polyscene.represent.strength import Strengths
from polyscene.represent.users import gather_histories, interest_vectors, user_vectors
from polyscene.represent.whiten import Transform
from polyscene.settings import Settings

__all__ = ["person_vectors"]

_TOGETHER = 1000
"""Histories that are gathered at once."""


def person_vectors(
    users: Sequence[User],
    deeds: Iterable[tuple[str, Deeds]],
    item_vectors: Vectors,
    encoder: Encoder,
    transform: Transform,
    settings: Settings,
    scenario: str,
    now: float,
) -> Vectors:
    """The vector of each user from what they say and from the history that `scenario` may read.

    Args:
        users: The people.
        deeds: User id and events of those who acted.
        item_vectors: Unit vectors of all items, shape (number of items, dim).
        encoder: What embeds the stated interests.
        transform: The map into the space of the items.
        settings: The workspace's settings.
        scenario: Name of the scenario whose targets they are.
        now: The time to count ages from, seconds since 1970-01-01 UTC.

    Returns:
        Unit rows, shape (number of users, dim); zero for people of whom nothing is known.
    """
    spec = settings.scenario(scenario)
    strengths = Strengths(settings, scenario)
    stated = interest_vectors(users, encoder, transform, spec.users)
    order: Mapping[str, int] = {user.user_id: row for row, user in enumerate(users)}
    vectors = np.array(stated)
    known = ((order[user_id], own) for user_id, own in deeds if user_id in order)
    while some := list(islice(known, _TOGETHER)):
        rows = [row for row, _ in some]
        joined = Deeds.joined([own for _, own in some])
        did = gather_histories(*joined, item_vectors, strengths, spec, now)
        vectors[rows] = user_vectors(did, stated[rows], spec.users)
    return vectors
