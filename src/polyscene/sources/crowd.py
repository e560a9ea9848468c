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
from polyscene.data.dataset import IdMap, IntArray
from polyscene.represent.interactions import FLOOR, graded, interactions, weighted
from polyscene.sources.base import history_rows
from polyscene.sources.saved import load_matrix, save_matrix

__all__ = ["Crowd"]


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
        counts = matrix.getnnz(axis=0)
        rarity = np.log((matrix.shape[0] + 1) / (counts + 1)).astype(np.float32)
        return cls(IdMap(training.data.users.ids), weighted(matrix, FLOOR), rarity)

    def alike(self, queries: Sequence[Query]) -> sp.csr_matrix:
        """Cosines of rarity-weighted interactions between those who ask and all users.

        Nobody is like themselves here. Shape (queries, users).
        """
        x, _ = history_rows(queries, np.arange(self.deeds.shape[1]), decay=False)
        x.data = graded(x.data)
        found = sp.csr_matrix(_unit(x, self.rarity) @ _unit(self.deeds, self.rarity).T)
        own = self.rows([query.user for query in queries])
        return without(found, own)

    def rows(self, users: Sequence[str | None]) -> IntArray:
        """Rows of users, -1 for those unknown at the fit."""
        return self.ids.rows(user or "" for user in users)

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


def _unit(rows: sp.csr_matrix, rarity: Vectors) -> sp.csr_matrix:
    """Rows times rarity, of length 1."""
    scaled = sp.csr_matrix(rows @ sp.diags(rarity))
    lengths = np.sqrt(np.asarray(scaled.multiply(scaled).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags(1 / np.maximum(lengths, 1e-12)) @ scaled)
