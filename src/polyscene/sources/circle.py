"""Who may know whom: the people of a training set, by their connections and by what they did.

With A the symmetric connections, d_k how many k has, L the rows of what people did (strengths times
rarity, of length 1) and V their vectors, from what they state and the texts of what they did, a
linear autoencoder in closed form (`closed_form`) over people:

    G = A·R·A + w·(LLᵀ + 0.4·VVᵀ) + λI     R = diag(d^-½), scaled to keep the trace of A·A
    P = G⁻¹                                 B_uv = -P_uv / P_vv  (u ≠ v),  B_uu = 0

It is that of the matrix [√R·A; √w·Lᵀ; √(0.4·w)·Vᵀ] with people as columns: each person one may
know, each item one may act on and each direction of the text is a row, and who knows many says
less. Then, for u,

    met_v = Σ_{f friend of u} B_fv + B_uv + B_vu
    kin_v = Σ_{k of the nearest} sim(u, k)² · (A_kv + 2·[k = v])
    score = met / |met| + γ / √(1 + friends of u) · kin / |kin|

with the lengths over those whom u does not know yet. The last two terms of `met`, which a history
does not have, are what the kernel says of u and v themselves. `kin` are those who did the same, and
their friends. Friends and history are those of the moment; who has no friends is told their kin.

References: EASE (Steck, WWW 2019), here on people, with behaviour as side information as in
collective EASE (Jeunen et al., RecSys 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp

from polyscene.component import Query, Training, Vectors
from polyscene.data.dataset import Dataset, IdMap, IntArray, Links
from polyscene.represent.connections import FRIENDS, Connections
from polyscene.represent.interactions import interactions
from polyscene.sources.base import SILENT
from polyscene.sources.closed_form import Factors, LowRank, behaviour_factors, low_rank
from polyscene.sources.crowd import Crowd, nearest, readable, unit
from polyscene.sources.saved import load_matrix, save_matrix

__all__ = ["Circle", "Stacked", "connected", "joined"]

_NEAREST = 100
"""How many of those most alike are looked at."""
_STATED = 0.4
"""What the vectors of people count beside what they did."""
_DIRECTIONS = 64
"""How many leading directions of these vectors are kept."""
_THEMSELVES = 2.0
"""What each of them counts beside a friend of theirs."""
_NOISE = 1e-6
"""Scores of the kernel below this size are rounding errors, which scaling would blow up."""


def connected(links: Links, data: Dataset) -> sp.csr_matrix:
    """A: who is connected with whom by relations, or by following. Shape (users, users)."""
    users = data.users
    pairs = [users.rows(pair) for pair in Connections.of(links).pairs()]
    table = np.array(pairs, np.int64).reshape(-1, 2)
    codes = [code for code, action in enumerate(data.actions) if action in FRIENDS]
    follows = data.on_person & np.isin(data.action, codes) & (data.target >= 0)
    table = np.concatenate([table, np.stack([data.user[follows], data.target[follows]], axis=1)])
    table = table[(table >= 0).all(axis=1) & (table[:, 0] != table[:, 1])]
    cells = np.concatenate([table, table[:, ::-1]])
    size = (len(users), len(users))
    around = sp.csr_matrix(
        (np.ones(len(cells), np.float32), (cells[:, 0], cells[:, 1])), shape=size
    )
    around.data[:] = 1.0
    return around


@dataclass(frozen=True, slots=True)
class Stacked:
    """The rows of the kernel by their leading directions: what serves any w and λ."""

    connections: Factors
    """Of A·R·A."""
    behaviour: Vectors
    """H with HHᵀ ≈ LLᵀ + 0.4·VVᵀ, shape (users, directions)."""

    @classmethod
    def of(cls, around: sp.csr_matrix, rows: sp.csr_matrix, vectors: Vectors, rank: int) -> Self:
        """From A, L and V.

        The three are kept apart, for many equal eigenvalues of one would crowd the others out.

        Args:
            around: A, not empty.
            rows: L, shape (users, items).
            vectors: V, shape (users, dim).
            rank: How many directions of A and of L are kept.
        """
        known = np.asarray(around.sum(axis=1)).ravel()
        roots = np.sqrt(known.sum() / np.sqrt(known).sum()) * np.maximum(known, 1) ** -0.25
        connections = behaviour_factors(sp.csr_matrix(sp.diags(roots) @ around), rank)
        parts = [np.float32(np.sqrt(_STATED)) * _leading(vectors)]
        if rows.nnz:
            did = behaviour_factors(sp.csr_matrix(rows.T), rank)
            parts.append(did.vectors * np.sqrt(did.values))
        return cls(connections, np.hstack(parts))

    def kernel(self, reg: float, weight: float) -> LowRank:
        """B with λ = `reg` and w = `weight`; O(users · rank²)."""
        rows = self.behaviour if weight else self.behaviour[:, :0]
        return low_rank(self.connections, rows, reg, weight)


@dataclass(frozen=True, slots=True)
class Circle:
    """People as one scenario may know them."""

    crowd: Crowd
    """What everybody did."""
    around: sp.csr_matrix
    """A, ones, shape (users, users)."""
    kernel: LowRank | None = None
    """B; None where nobody is connected."""

    @classmethod
    def of(cls, training: Training, scenario: str, rank: int) -> tuple[Self, Stacked | None]:
        """A circle whose kernel is not yet learned, and what it is learned from, if anything.

        Args:
            training: The training set.
            scenario: A scenario of people; events that it may not read are not looked at.
            rank: How many directions of the connections, and of the behaviour, are kept.
        """
        data = readable(training, scenario)
        around = connected(training.links, data)
        matrix = interactions(data, training.settings, training.now, decay=False)
        circle = cls(Crowd.who_did(IdMap(data.users.ids), matrix), around)
        if not around.nnz:
            return circle, None
        vectors = training.people[scenario][: len(data.users)]
        rows = unit(matrix, circle.crowd.rarity)
        return circle, Stacked.of(around, rows, vectors, rank)

    def met(self, friends: sp.csr_matrix, own: IntArray) -> Vectors:
        """What friends say; 0 for who has none. O(users · rank) each, shape (q, users).

        What stands in their own place means nothing.

        Args:
            friends: Ones for the friends of some users, shape (q, users).
            own: Their own rows, -1 where they were unknown at the fit, shape (q,).
        """
        found = np.zeros(friends.shape, np.float32)
        some, kernel = np.flatnonzero(np.diff(friends.indptr)), self.kernel
        if kernel is None or not len(some):
            return found
        friends, own = friends[some], own[some]
        known = np.flatnonzero(own >= 0)
        ones = np.ones(len(known), np.float32)
        themselves = sp.csr_matrix((ones, (known, own[known])), shape=friends.shape)
        said = kernel.scores(sp.csr_matrix(friends + themselves))
        said[known] += kernel.columns(own[known]) @ kernel.rows.T
        said[np.abs(said) < _NOISE] = 0
        found[some] = said
        return found

    def kin(self, alike: sp.csr_matrix) -> Vectors:
        """What those say who did the same, by their likeness; shape (q, users)."""
        near = _near(alike)
        return np.asarray((near @ self.around + _THEMSELVES * near).todense(), np.float32)

    def behind_kin(self, query: Query, rows: IntArray, crowd: Crowd, n: int) -> IntArray:
        """The history items by which those are alike who speak for some people.

        Args:
            query: The question.
            rows: The people, shape (m,).
            crowd: What of that may be told, over the same users.
            n: How many items of each.

        Returns:
            Rows of items, shape (m, n), -1 past the last.
        """
        near = _near(self.crowd.alike([query]))
        who, known = near.indices, rows < self.around.shape[0]
        told = np.full((len(rows), n), -1, np.int64)
        said = self.around[who][:, rows[known]].toarray()
        said += _THEMSELVES * (who[:, None] == rows[known])
        told[known] = crowd.behind(query, who, sp.csr_matrix(said.T * near.data), n)
        return told

    def save(self, path: Path) -> None:
        """Write it into the existing directory `path`."""
        self.crowd.save(path)
        save_matrix(path, "around", self.around)
        if self.kernel is not None:
            self.kernel.save(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        kernel = LowRank.load(path) if (path / "rows.npy").exists() else None
        return cls(Crowd.load(path), load_matrix(path, "around"), kernel)


def joined(
    met: Vectors, kin: Vectors, friends: sp.csr_matrix, own: IntArray, weight: float
) -> Vectors:
    """The score of everybody for some users, `SILENT` where nothing is said.

    Args:
        met: What friends say, shape (q, users).
        kin: What those say who did the same, shape (q, users).
        friends: As for `Circle.met`.
        own: The same.
        weight: γ.
    """
    count = np.diff(friends.indptr)
    weights = np.where(count > 0, weight / np.sqrt(1 + count), 1.0).astype(np.float32)
    found = _scaled(met, friends, own) + weights[:, None] * _scaled(kin, friends, own)
    known = np.flatnonzero(own >= 0)
    found[known, own[known]] = 0
    found[found == 0] = SILENT
    return np.asarray(found)


def _near(alike: sp.csr_matrix) -> sp.csr_matrix:
    """The squared likeness of those most alike."""
    near = nearest(alike, _NEAREST)
    near.data **= 2
    return near


def _scaled(scores: Vectors, friends: sp.csr_matrix, own: IntArray) -> Vectors:
    """Rows of length 1 over those whom one does not know yet; without any they stay as they are."""
    strange = scores.copy()
    strange[np.repeat(np.arange(len(scores)), np.diff(friends.indptr)), friends.indices] = 0
    known = np.flatnonzero(own >= 0)
    strange[known, own[known]] = 0
    lengths = np.linalg.norm(strange, axis=1, keepdims=True)
    return np.asarray(scores / np.where(lengths > 0, lengths, np.float32(1)))


def _leading(vectors: Vectors) -> Vectors:
    """The vectors in their leading directions, shape (n, 64 or fewer)."""
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    return np.asarray(vectors @ directions[:, ::-1][:, :_DIRECTIONS], np.float32)
