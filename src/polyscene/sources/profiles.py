"""What users did about contexts: the profile of each, and which contexts are alike.

With p(t|a) the share of target t in what users did about context a, and n the posts about it,

    art(t|a) = n/(n + β) · p(t|a) + β/(n + β) · p(t|contexts near a)
    z_a      = normalise( rarity · √p(·|a) )        rarity_t = log(1 + contexts / contexts with t)

Near are the contexts of the highest cosine of rows over users: what each did with the context as
a `graded` weight, and more for a post about it, times log(1 + items / items of the user). Where
users did nothing with a context, or it came after the fit, those of the nearest text are taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp

from polyscene.component import Training, Vectors
from polyscene.data.dataset import Dataset, IntArray
from polyscene.represent.interactions import FLOOR, interactions, weighted
from polyscene.represent.strength import Strengths
from polyscene.represent.users import posted
from polyscene.settings import Settings
from polyscene.sources.crowd import unit
from polyscene.sources.neighbours import nearest
from polyscene.sources.saved import load_matrix, save_matrix

__all__ = ["Profiles", "posted_pairs"]


class Profiles:
    """Contexts and targets are items, n of them at the fit.

    Args:
        counts: How many users did each target about each context, shape (n, n).
        posts: How many users did something about each context, shape (n,).
        near: Cosines of each context with the nearest ones that have posts, shape (n, n).
    """

    def __init__(self, counts: sp.csr_matrix, posts: Vectors, near: sp.csr_matrix) -> None:
        self.counts = counts
        self.near = near
        self._posts = posts
        self._told = np.flatnonzero(posts)
        self._shares = _summing_to_one(counts)
        total = np.asarray(counts.sum(axis=0), np.float32).ravel()
        self.popularity: Vectors = total / max(float(total.sum()), 1.0)
        """Share of each target in everything, shape (n,)."""
        known = np.maximum(counts.getnnz(axis=0), 1)
        self._rarity = np.log(1 + len(self._told) / known).astype(np.float32)
        self._sides = self.sides(self._shares)

    @classmethod
    def learn(cls, training: Training, scenario: str, neighbours: int, weight: float) -> Self:
        """From what a scenario may read. O(Σ_u d_u²) for users who did d_u things.

        Args:
            training: What to learn from.
            scenario: Its name.
            neighbours: How many near contexts are kept for each.
            weight: What a post counts beside an interaction, where contexts are compared.
        """
        data, settings = training.data, training.settings
        pairs = posted_pairs(data, settings, scenario)
        n = len(data.items)
        counts = sp.csr_matrix((np.ones(len(pairs), np.float32), pairs[:, 1:].T), shape=(n, n))
        who = sp.csr_matrix(
            (np.ones(len(pairs), np.float32), pairs[:, :2].T), shape=(len(data.users), n)
        )
        who.data[:] = 1.0  # a post of several targets is one
        posts = np.asarray(who.sum(axis=0), np.float32).ravel()
        done = weighted(interactions(data, settings, training.now, decay=False), FLOOR)
        near = _near(sp.csr_matrix(done + np.float32(weight) * who), posts, neighbours)
        return cls(counts, posts, near)

    def __len__(self) -> int:
        return len(self._posts)

    def alike(self, contexts: IntArray, vectors: Vectors, neighbours: int) -> sp.csr_matrix:
        """Cosines of some contexts with those near them that have posts, shape (contexts, n).

        Args:
            contexts: Their rows, also of items that came after the fit.
            vectors: Unit vectors of all items.
            neighbours: How many are taken by text, where there is none by behaviour.
        """
        near = sp.csr_matrix(self._chosen(contexts) @ self.near)
        lone = np.flatnonzero(np.diff(near.indptr) == 0)
        if len(lone) and len(self._told):
            near = sp.csr_matrix(near + self._by_text(contexts, lone, vectors, neighbours))
        return near

    def of(self, contexts: IntArray, alike: sp.csr_matrix, prior: float) -> sp.csr_matrix:
        """art(·|a) of some contexts, shape (contexts, n).

        Args:
            contexts: Their rows, also of items that came after the fit.
            alike: What `alike` gives for them.
            prior: β.
        """
        chosen = self._chosen(contexts)
        posts = np.asarray(chosen @ self._posts).ravel()
        share = posts / np.maximum(posts + prior, np.finfo(np.float32).tiny)
        own = sp.diags(share.astype(np.float32)) @ (chosen @ self._shares)
        others = sp.diags((1 - share).astype(np.float32)) @ _summing_to_one(alike @ self._shares)
        return _summing_to_one(own + others)

    def sides(self, shares: sp.csr_matrix) -> sp.csr_matrix:
        """Of rows that sum to 1 their z, same shape."""
        return unit(shares.sqrt(), self._rarity)

    def likeness(self, side: sp.csr_matrix, contexts: IntArray) -> Vectors:
        """Cosines of one z, shape (1, n), with those of some contexts; 0 for new ones."""
        found = np.zeros(len(contexts), np.float32)
        known = contexts < len(self)
        found[known] = self._sides[contexts[known]] @ side.toarray().ravel()
        return found

    def save(self, path: Path) -> None:
        """Write it into the existing directory `path`."""
        save_matrix(path, "counts", self.counts)
        save_matrix(path, "near", self.near)
        np.save(path / "posts.npy", self._posts)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            OSError: When a file is missing.
            ValueError: When they do not fit together.
        """
        counts, near = load_matrix(path, "counts"), load_matrix(path, "near")
        posts = np.load(path / "posts.npy")
        if not counts.shape == near.shape == (len(posts), len(posts)):
            raise ValueError(f"{counts.shape}, {near.shape} and {len(posts)} posts")
        return cls(counts, posts, near)

    def _chosen(self, contexts: IntArray) -> sp.csr_matrix:
        """A one in the column of each context that was there at the fit, shape (contexts, n)."""
        known = np.flatnonzero(contexts < len(self))
        cells = known, contexts[known]
        shape = (len(contexts), len(self))
        return sp.csr_matrix((np.ones(len(known), np.float32), cells), shape=shape)

    def _by_text(
        self, contexts: IntArray, places: IntArray, vectors: Vectors, neighbours: int
    ) -> sp.csr_matrix:
        """Cosines of texts with those that have posts, in the rows of some of the contexts."""
        cosines = vectors[contexts[places]] @ vectors[self._told].T
        cosines[contexts[places, None] == self._told] = 0
        k = min(neighbours, len(self._told))
        best = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        values = np.maximum(np.take_along_axis(cosines, best, axis=1), 0)
        cells = np.repeat(places, k), self._told[best].ravel()
        near = sp.csr_matrix((values.ravel(), cells), shape=(len(contexts), len(self)))
        near.eliminate_zeros()
        return near


def posted_pairs(data: Dataset, settings: Settings, scenario: str) -> IntArray:
    """What users did about contexts and liked, as (user, context, target), each once.

    Of the events that the scenario may read, on targets of its kind. Shape (pairs, 3).
    """
    spec, strengths = settings.scenario(scenario), Strengths(settings, scenario)
    used = data.aimed(spec.target) & strengths.readable(data)
    used &= (data.target >= 0) & (data.context >= 0)
    part = data.take(used)
    posts = part.user * np.int64(len(part.items)) + part.context
    _, numbers = np.unique(posts, return_inverse=True)  # small enough to be joined with a target
    first = posted(numbers.astype(np.int64), part.target, strengths(part))
    return np.stack([part.user[first], part.context[first], part.target[first]], axis=1)


def _near(done: sp.csr_matrix, posts: Vectors, neighbours: int) -> sp.csr_matrix:
    """Cosines of the columns of users × contexts with the nearest ones that have posts."""
    known = np.maximum(done.getnnz(axis=1), 1)
    rows = sp.csr_matrix(sp.diags(np.log(1 + done.shape[1] / known)) @ done)
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=0)).ravel())
    rows = sp.csr_matrix(rows @ sp.diags(1 / np.maximum(lengths, 1e-12)), dtype=np.float32)
    with_posts = sp.csr_matrix(rows @ sp.diags((posts > 0).astype(np.float32)))
    with_posts.eliminate_zeros()
    return nearest(rows, with_posts, neighbours, lambda products, first, second: products)


def _summing_to_one(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Rows scaled to sum to 1; empty ones stay empty."""
    sums = np.asarray(matrix.sum(axis=1), np.float64).ravel()
    scale = 1 / np.where(sums > 0, sums, 1.0)
    return sp.csr_matrix(sp.diags(scale) @ matrix, dtype=np.float32)
