"""The user-knn source: people who did the same things, and what else they did.

    sim(u, v) = cosine of the graded interactions, each item weighted by log(users / its users)
    person v:  sim(u, v)
    item i:    Σ_{v in the k nearest} sim(u, v)² · x_vi

References: Herlocker et al. (SIGIR 1999); inverse user frequency: Breese et al. (UAI 1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from polyscene.component import Config, Query, Training, Vectors
from polyscene.data.dataset import IntArray
from polyscene.sources.base import Source, nothing
from polyscene.sources.crowd import Crowd, nearest, of_people, readable
from polyscene.sources.saved import load_each, reading, save_each

__all__ = ["UserKnn", "UserKnnConfig"]

_GROUNDS = 3
"""History items that are named as the ground of a recommendation."""


class UserKnnConfig(Config):
    """Options of `user-knn`."""

    k: int = Field(default=100, ge=1)
    """How many of the most similar users an item's score is summed over."""


class UserKnn(Source):
    """What those who are most alike did; or those people themselves."""

    name: ClassVar[str] = "user-knn"
    config_type = UserKnnConfig
    config: UserKnnConfig

    def __init__(self, config: UserKnnConfig | None = None) -> None:
        super().__init__(config)
        self._crowd: Crowd | None = None
        self._within: dict[str, Crowd] = {}  # of people's scenarios that may not read everything

    def fit(self, training: Training) -> None:
        """Remember who did what; see `polyscene.component.Trainable`."""
        self._crowd = Crowd.of(training)
        seen = {name: readable(training, name) for name in of_people(training)}
        self._within = {
            name: Crowd.of(replace(training, data=data))
            for name, data in seen.items()
            if len(data) < len(training.data)
        }

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(interactions of the users who share an item) a query."""
        scores, crowd = nothing(queries), self._crowd
        if crowd is None or not queries or not crowd.deeds.nnz:
            return scores
        if queries[0].spec.target == "person":
            found = self._within.get(queries[0].scenario, crowd).alike(queries)
        else:
            near = nearest(crowd.alike(queries), self.config.k)
            near.data **= 2
            found = sp.csr_matrix(near @ crowd.deeds)
        rows = np.repeat(np.arange(len(queries)), np.diff(found.indptr))
        kept = (found.data > 0) & (found.indices < scores.shape[1])
        scores[rows[kept], found.indices[kept]] = found.data[kept]
        return scores

    def support(self, query: Query, rows: IntArray) -> IntArray | None:
        """The history items by which those are alike who did each target, shape (m, 3)."""
        crowd = self._crowd
        if crowd is None or query.spec.target == "person" or not len(rows):
            return None
        support = np.full((len(rows), _GROUNDS), -1, np.int64)
        known = np.flatnonzero(rows < crowd.deeds.shape[1])
        if not len(known):
            return support
        near = nearest(crowd.alike([query]), self.config.k)
        who, items = near.indices, rows[known]
        did = crowd.deeds[who][:, items].T.multiply(near.data[None, :] ** 2)
        support[known] = crowd.behind(query, who, sp.csr_matrix(did), _GROUNDS, items)
        return support

    def save(self, path: Path) -> None:
        """Write the learned state into the existing directory `path`."""
        if self._crowd is not None:
            self._crowd.save(path)
        save_each(path, self._within)

    def load(self, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        with reading("the users", path):
            self._crowd = Crowd.load(path)
            self._within = load_each(path, Crowd.load)
        return self
