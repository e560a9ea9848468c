"""Everybody who acted, by row: what the sources that look at other people share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp

from polyscene.component import Query, Training, Vectors
from polyscene.data.dataset import Dataset, IdMap, IntArray
from polyscene.represent.interactions import FLOOR, graded, interactions, weighted
from polyscene.represent.strength import Strengths
from polyscene.sources.base import history_rows
from polyscene.sources.likes import grounds
from polyscene.sources.saved import load_matrix, save_matrix

__all__ = ["Crowd", "nearest", "of_people", "readable", "unit", "without"]


def of_people(training: Training) -> list[str]:
    """The scenarios that recommend people."""
    return [name for name, spec in training.settings.scenarios.items() if spec.target == "person"]


def readable(training: Training, scenario: str) -> Dataset:
    """The events that may bring people together in a scenario: those it may read."""
    return training.data.take(Strengths(training.settings, scenario).readable(training.data))


@dataclass(frozen=True, slots=True)
class Crowd:
    """Users and their graded interactions with items."""

    ids: IdMap
    """Ids of the users."""
    deeds: sp.csr_matrix
    """Graded weights, shape (users, items)."""
    rarity: Vectors
    """log((users + 1) / (users of the item + 1)), shape (items,)."""

    @classmethod
    def of(cls, training: Training) -> Self:
        """Everybody in a training set."""
        matrix = interactions(training.data, training.settings, training.now, decay=False)
        return cls.who_did(IdMap(training.data.users.ids), matrix)

    @classmethod
    def who_did(cls, ids: IdMap, matrix: sp.csr_matrix) -> Self:
        """Everybody by their strengths on items, shape (users, items)."""
        counts = matrix.getnnz(axis=0)
        rarity = np.log((matrix.shape[0] + 1) / (counts + 1)).astype(np.float32)
        return cls(ids, weighted(matrix, FLOOR), rarity)

    def alike(self, queries: Sequence[Query]) -> sp.csr_matrix:
        """Cosines of rarity-weighted interactions between those who ask and all users.

        Nobody is like themselves here. Shape (queries, users).
        """
        x, _ = history_rows(queries, np.arange(self.deeds.shape[1]), decay=False)
        x.data = graded(x.data)
        return self._cosines(x, self.rows([query.user for query in queries]))

    def alike_to(self, users: IntArray) -> sp.csr_matrix:
        """The same for users by their rows, as they were at the fit. Shape (u, users)."""
        return self._cosines(sp.csr_matrix(self.deeds[users]), users)

    def rows(self, users: Sequence[str | None]) -> IntArray:
        """Rows of users, -1 for those unknown at the fit."""
        return self.ids.rows(user or "" for user in users)

    def behind(
        self,
        query: Query,
        who: IntArray,
        said: sp.csr_matrix,
        n: int,
        items: IntArray | None = None,
    ) -> IntArray:
        """The history items by which others are alike who speak for some targets.

        Args:
            query: The question.
            who: Rows of the others.
            said: How much each of them speaks for each target, shape (m, others).
            n: How many items of each target.
            items: Rows of the targets where these are items, which do not speak for themselves.

        Returns:
            Rows of items, shape (m, n), -1 past the last.
        """
        past = query.history.rows[query.history.rows < self.deeds.shape[1]]
        gave = np.asarray((said @ self.deeds[who][:, past]).todense(), np.float32)
        gave *= self.rarity[past] ** 2
        if items is not None:
            gave[items[:, None] == past] = 0
        return grounds(gave, past, n)

    def _cosines(self, x: sp.csr_matrix, own: IntArray) -> sp.csr_matrix:
        found = sp.csr_matrix(unit(x, self.rarity) @ unit(self.deeds, self.rarity).T)
        return without(found, own)

    def save(self, path: Path) -> None:
        """Write it into the existing directory `path`."""
        (path / "users.json").write_text(
            json.dumps(list(self.ids.ids), ensure_ascii=False), "utf-8"
        )
        save_matrix(path, "deeds", self.deeds)
        np.save(path / "rarity.npy", self.rarity)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        ids = IdMap(json.loads((path / "users.json").read_text("utf-8")))
        return cls(ids, load_matrix(path, "deeds"), np.load(path / "rarity.npy"))


def without(matrix: sp.csr_matrix, columns: IntArray) -> sp.csr_matrix:
    """The matrix without one column of each row; -1 for none."""
    own = np.repeat(columns, np.diff(matrix.indptr))
    kept = matrix.copy()
    kept.data[matrix.indices == own] = 0
    kept.eliminate_zeros()
    return kept


def unit(rows: sp.csr_matrix, rarity: Vectors) -> sp.csr_matrix:
    """Rows times rarity, of length 1."""
    scaled = sp.csr_matrix(rows @ sp.diags(rarity))
    lengths = np.sqrt(np.asarray(scaled.multiply(scaled).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags(1 / np.maximum(lengths, 1e-12)) @ scaled)


def nearest(alike: sp.csr_matrix, k: int) -> sp.csr_matrix:
    """The k largest entries of each row."""
    kept = []
    for start, end in zip(alike.indptr[:-1], alike.indptr[1:], strict=True):
        own = alike.data[start:end]
        if len(own) > k:
            kept.append(start + np.sort(np.argpartition(-own, k - 1)[:k]))
        else:
            kept.append(np.arange(start, end))
    places = np.concatenate(kept)
    starts = np.concatenate([[0], np.cumsum([len(own) for own in kept])])
    return sp.csr_matrix((alike.data[places], alike.indices[places], starts), shape=alike.shape)
