"""Semantic sources: targets whose text is close to what the user says and does.

With c_h = cos(v_h, v_i) between a target i and each entry h of the history (the stated interests
count as one more entry), and w_h the strength of the entry, scaled so that the strongest has 1:

    semantic-mean    cos(u, v_i)                        the seed method: one mean vector u a user
    semantic-multi   mean of the k largest  w_h · c_h   single interests, for short-lived targets
    semantic-soft    ( Σ w_h · max(c_h, 0)^p / Σ w_h )^(1/p)    all interests, near ones more

`semantic-multi` and `semantic-soft` subtract γ · max over dislikes of |w_h| · c_h. A target is
never compared with itself, should it be part of the history.

Averaging vectors first (`semantic-mean`) blurs the several interests of a user; taking the nearest
few (`semantic-multi`) trusts single texts too much where those are short. p between 1 and 2 stands
between the two: docs/benchmarks.md has the numbers.

Reference: PinnerSage (Pal et al., KDD 2020) for several vectors a user instead of one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from polyscene.component import Candidates, Config, Query, Vectors
from polyscene.data.dataset import IntArray
from polyscene.sources.base import SILENT, Source, best, nothing, spread

__all__ = ["SemanticMean", "SemanticMulti", "SemanticSoft"]

_DENSE_BELOW = 50_000
"""Up to this many allowed targets each is scored against each history entry."""


class SemanticMeanConfig(Config):
    """Options of `semantic-mean`."""

    support: int = Field(default=3, ge=0)
    """How many history items are named as the ground of a recommendation."""


class SemanticMean(Source):
    """Cosine between the user's mean vector and each target: the seed method."""

    name: ClassVar[str] = "semantic-mean"
    stated: ClassVar[bool] = True
    config_type = SemanticMeanConfig
    config: SemanticMeanConfig

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(targets · dim) a query."""
        told = [place for place, query in enumerate(queries) if query.vector.any()]
        if not told:
            return nothing(queries)
        users = np.stack([queries[place].vector for place in told])
        return spread(queries, told, users @ queries[0].space.vectors.T)

    def some(self, queries: Sequence[Query], rows: IntArray) -> Vectors:
        """See `Source`; O(rows · dim) a query."""
        found = np.full((len(queries), len(rows)), SILENT, np.float32)
        told = [place for place, query in enumerate(queries) if query.vector.any()]
        if told:
            users = np.stack([queries[place].vector for place in told])
            found[told] = users @ queries[0].space.vectors[rows].T
        return found

    def support(self, query: Query, rows: IntArray) -> IntArray:
        """The liked history items nearest to each target."""
        return _support(query, rows, self.config.support if query.spec.users.behaviour > 0 else 0)

    def __call__(self, query: Query) -> Candidates:
        """See `Source`; O(targets · dim), less with an approximate index."""
        if not query.vector.any():
            return _nothing(self.name)
        rows, scores = query.space.search(query.vector[None], query.n, query.allowed)
        found = rows[0] >= 0
        kept = rows[0][found]
        return Candidates(kept, scores[0][found], {self.name: scores[0][found]})


class EntriesConfig(Config):
    """Options of the sources that compare with each entry of the history."""

    dislike: float = Field(default=0.5, ge=0)
    """γ, how much likeness to something disliked costs."""
    interests: float = Field(default=1.0, ge=0)
    """Weight of the stated interests among the history, whose strongest entry has 1."""
    recent: int = Field(default=50, ge=1)
    """How many of the latest entries of the history are compared with."""
    support: int = Field(default=3, ge=0)
    """How many history items are named as the ground of a recommendation."""


class _EntrySource(Source):
    """Compares each target with each entry of the history; subclasses pool the cosines."""

    stated: ClassVar[bool] = True
    config_type = EntriesConfig
    config: EntriesConfig

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(targets · history · dim) a query."""
        scores = nothing(queries)
        for place, query in enumerate(queries):
            entries = self._entries(query)
            if len(entries[0]):
                rows = np.arange(len(query.allowed))
                scores[place] = self._scored(rows, query.space.vectors, *entries)
        return scores

    def support(self, query: Query, rows: IntArray) -> IntArray:
        """The liked history items nearest to each target."""
        return _support(query, rows, self.config.support)

    def __call__(self, query: Query) -> Candidates:
        """See `Source`; O(targets · history · dim), with many targets O(history) searches."""
        entries = self._entries(query)
        if not len(entries[0]):
            return _nothing(self.name)
        rows, vectors = self._targets(query, entries[0])
        if not len(rows):
            return _nothing(self.name)
        scores = self._scored(rows, vectors, *entries)
        scores, rows = scores[query.allowed[rows]], rows[query.allowed[rows]]
        rows, scores = best(scores, rows, query.n)
        return Candidates(rows, scores, {self.name: scores})

    def _scored(
        self,
        rows: IntArray,
        vectors: Vectors,
        liked: Vectors,
        own: IntArray,
        weights: npt.NDArray[np.float32],
        disliked: Vectors,
    ) -> npt.NDArray[np.float32]:
        """The scores of some targets, ascending rows, by what `_entries` returns."""
        cosines = vectors @ liked.T
        at = np.searchsorted(rows, own)
        met = np.flatnonzero((at < len(rows)) & (rows[np.minimum(at, len(rows) - 1)] == own))
        cosines[at[met], met] = 0  # nothing is compared with itself
        scores = np.asarray(self._pool(cosines, weights), np.float32)
        if len(disliked):
            scores -= self.config.dislike * np.maximum((vectors @ disliked.T).max(axis=1), 0)
        return scores

    @abstractmethod
    def _pool(
        self, cosines: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """One score a target, shape (m,), of its cosines with the entries, shape (m, entries)."""

    def _entries(self, query: Query) -> tuple[Vectors, IntArray, npt.NDArray[np.float32], Vectors]:
        """What is liked as unit vectors, with rows and weights; what is disliked times its weight.

        Stated interests are the last entry, with row -1, as are entries of another space.
        """
        recent = slice(self.config.recent)
        history = query.history
        strengths, vectors = history.strengths[recent], history.items[history.rows[recent]]
        weights = strengths / max(float(np.abs(strengths).max(initial=0.0)), 1e-12)
        told = vectors.any(axis=1)  # an item without text says nothing
        positive, negative = told & (weights > 0), told & (weights < 0)
        disliked = vectors[negative] * -weights[negative, None]
        liked, weights = vectors[positive], weights[positive]
        own = history.rows[recent][positive]
        if query.spec.target == "person":
            own = np.full_like(own, -1)
        if query.interests.any() and self.config.interests > 0:
            liked = np.vstack([liked, query.interests])
            own = np.append(own, -1)
            weights = np.append(weights, self._interest_weight(weights))
        return liked, own, weights, disliked

    def _interest_weight(self, weights: npt.NDArray[np.float32]) -> np.float32:
        """Weight of the stated interests beside the entries of the history."""
        return np.float32(self.config.interests)

    def _targets(self, query: Query, liked: Vectors) -> tuple[IntArray, Vectors]:
        """Rows worth scoring, ascending, with their vectors.

        All targets where most are allowed, since picking out vectors costs more than comparing
        with them; the allowed ones where those are few; else the union of a search for each entry.
        """
        space, count = query.space, int(np.count_nonzero(query.allowed))
        if count > _DENSE_BELOW:
            found, _ = space.search(liked, query.n, query.allowed)
            rows = np.unique(found[found >= 0])
        elif 4 * count > len(query.allowed):
            return np.arange(len(query.allowed)), space.vectors
        else:
            rows = np.flatnonzero(query.allowed)
        return rows, space.vectors[rows]


class SemanticMultiConfig(EntriesConfig):
    """Options of `semantic-multi`."""

    k: int = Field(default=3, ge=1)
    """How many of the best matches between a target and the history are averaged."""


class SemanticMulti(_EntrySource):
    """Mean of the k best matches between a target and single entries of the history."""

    name: ClassVar[str] = "semantic-multi"
    config_type = SemanticMultiConfig
    config: SemanticMultiConfig

    def _pool(
        self, cosines: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        matches = cosines * weights
        k = min(self.config.k, matches.shape[1])
        if k < matches.shape[1]:
            matches = np.partition(matches, matches.shape[1] - k, axis=1)[:, -k:]
        return np.asarray(matches.mean(axis=1))


class SemanticSoftConfig(EntriesConfig):
    """Options of `semantic-soft`."""

    power: float = Field(default=1.5, ge=1, le=8)
    """p: 1 averages over the whole history, large values look at the nearest entry alone."""
    interests: float = Field(default=0.3, ge=0, lt=1)
    """Share of the stated interests in the mean; the history has the rest."""


class SemanticSoft(_EntrySource):
    """Mean over the history of weight · cosine^p: every interest counts, near ones more."""

    name: ClassVar[str] = "semantic-soft"
    config_type = SemanticSoftConfig
    config: SemanticSoftConfig

    def _pool(
        self, cosines: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        near = np.maximum(cosines, 0)
        if self.config.power == 1.5:
            near *= np.sqrt(near)  # several times as fast as a power
        else:
            near **= np.float32(self.config.power)
        mean = near @ weights / weights.sum()
        return np.asarray(mean ** np.float32(1 / self.config.power))

    def _interest_weight(self, weights: npt.NDArray[np.float32]) -> np.float32:
        share = self.config.interests
        return np.float32(weights.sum() * share / (1 - share) if len(weights) else 1.0)


def _nothing(name: str) -> Candidates:
    none = np.zeros(0, np.float32)
    return Candidates(np.zeros(0, np.int64), none, {name: none})


def _support(query: Query, rows: IntArray, k: int) -> IntArray:
    """The k liked history items nearest to each target, shape (m, k), -1 past the last."""
    history = query.history
    support = np.full((len(rows), k), -1, np.int64)
    liked = np.flatnonzero(history.strengths > 0)
    if not k or not len(liked) or not len(rows):
        return support
    weighted = history.items[history.rows[liked]] * history.strengths[liked, None]
    matches = query.space.vectors[rows] @ weighted.T
    if query.spec.target != "person":
        matches[rows[:, None] == history.rows[liked]] = -np.inf
    order = np.argsort(-matches, axis=1, kind="stable")[:, :k]
    chosen = history.rows[liked[order]]
    chosen[np.take_along_axis(matches, order, axis=1) <= 0] = -1
    support[:, : order.shape[1]] = chosen
    return support
