"""Neighbour sources: items near those of the history, by who acted on both.

Both keep a sparse table C of how near items are and score by the weights w of the history:

    score(i) = Σ_h w_h · C_hi

    item-knn   C_hi = x_h·x_i / (|x_h|·|x_i| + shrink)     of the k history items nearest to i
    rp3beta    C_hi = Σ_u p_hu · p_ui / d_i^β              of the k targets likeliest after h

`item-knn` is the cosine between columns x of `graded` interactions, drawn to 0 where it rests on
few users. `rp3beta` is the chance that a random walk item → user → item from h ends at i, over a
power of the number d_i of users who liked i, because the walk alone ends at what is popular.
Which side the k belong to matters: docs/benchmarks.md. Options that are unset are chosen by NDCG@10
on held-out events.

C is made block by block of its rows from sparse products and pruned at once: O(Σ_u d_u²) time for
users of d_u events, and O(items · k) memory beside one block. No user is stored, so that a new
event changes the next answer and users unknown to the fit have one. Items that came after the fit
have no neighbours.

References: item-based k-nearest neighbours (Sarwar et al., WWW 2001; Deshpande and Karypis, TOIS
2004); RP³β (Christoffel et al., RecSys 2015).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import Field

from polyscene.component import Query, Training, Validation, Vectors
from polyscene.data.dataset import IntArray
from polyscene.represent.interactions import graded, interactions
from polyscene.sources.base import SILENT, Source, nothing
from polyscene.sources.likes import (
    RECENCY,
    LikesConfig,
    grounds,
    likes,
    likes_on_trial,
    reweighted,
    weights,
)
from polyscene.sources.saved import load_matrix, reading, save_matrix
from polyscene.sources.trial import Steps, Trial, choose, filled

__all__ = [
    "ItemKnn",
    "ItemKnnConfig",
    "Neighbours",
    "NeighboursConfig",
    "Rp3Beta",
    "Rp3BetaConfig",
    "nearest",
]

COLUMNS = 10_000
"""Items on which the options are tried, the most popular ones, at most."""
_SPLITS = 2
"""Splits on which the options are tried, at most."""
_BLOCK = 4_000_000
"""Entries of a sparse product that are in memory at once, at most, or one row of it."""

Floats = npt.NDArray[np.float32]
Weigh = Callable[[Floats, IntArray, IntArray], Floats]
"""Entries of a product with their rows and columns to how near those items are."""


class NeighboursConfig(LikesConfig):
    """Options of every neighbour source."""

    k: int | None = Field(default=None, ge=1)
    """How many neighbours of each item are kept; unset to choose it by validation."""


class Neighbours(Source):
    """Scores by a sparse table of neighbours; subclasses say how near two items are."""

    config_type = NeighboursConfig
    config: NeighboursConfig
    by_target: ClassVar[bool]
    """Whether each target keeps its k nearest history items, or each of those its k targets."""
    learned: ClassVar[frozenset[str]]
    """The options that the table depends on, beside k."""
    steps: ClassVar[Steps]
    """The options to choose with the values to try, in order."""
    unset: ClassVar[Mapping[str, Any]]
    """What is taken for options that are unset where there is nothing to choose them by."""

    def __init__(self, config: NeighboursConfig | None = None) -> None:
        super().__init__(config)
        self._table: sp.csr_matrix | None = None

    @abstractmethod
    def near(self, rows: sp.csr_matrix, config: NeighboursConfig, k: int) -> sp.csr_matrix:
        """The k nearest of each item, as `nearest` gives them.

        Args:
            rows: Strengths of the interactions, shape (users, n).
            config: All options set.
            k: How many.
        """

    def tuned(self, validations: Sequence[Validation]) -> Self:
        """Choose the options that are unset; see `polyscene.component.Tunable`.

        About as long as a dozen fits on the `COLUMNS` most popular items.
        """
        trials = [_NeighbourTrial(validation, self) for validation in validations[:_SPLITS]]
        return type(self)(choose(self.name, self._set, self.config, self.steps, trials))

    def fit(self, training: Training) -> None:
        """Learn from all events; see `polyscene.component.Trainable`. O(Σ_u d_u²)."""
        config = self._set
        rows = interactions(training.data, training.settings, training.now, decay=False)
        self._table = self.oriented(self.near(rows, config, config.k or 1))

    def oriented(self, near: sp.csr_matrix) -> sp.csr_matrix:
        """C, shape (n, n), from what `near` returned."""
        return near.T.tocsr() if self.by_target else near

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(history · k + targets) a query."""
        table, scores = self._table, nothing(queries)
        if table is None or not queries or not queries[0].spec.of_items:
            return scores
        scores[:, : table.shape[1]] = _said(self._history(queries, table) @ table)
        return scores

    def support(self, query: Query, rows: IntArray) -> IntArray:
        """The history items that gave most to each target's score, shape (m, k)."""
        table = self._table
        support = np.full((len(rows), self.config.support), -1, np.int64)
        if table is None or not query.spec.of_items:
            return support
        x = self._history([query], table)
        known = np.flatnonzero(rows < table.shape[1])
        gave = table[x.indices][:, rows[known]].toarray().T * x.data
        support[known] = grounds(gave, x.indices, self.config.support)
        return support

    def save(self, path: Path) -> None:
        """Write the learned state into the existing directory `path`."""
        (path / "options.json").write_text(self.config.model_dump_json(), "utf-8")
        if self._table is not None:
            save_matrix(path, "table", self._table)

    def load(self, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        with reading("the neighbours", path):
            text = (path / "options.json").read_text("utf-8")
            self.config = self.config_type.model_validate_json(text)
            self._table = load_matrix(path, "table")
        return self

    @property
    def _set(self) -> NeighboursConfig:
        """The options with all that is unset filled in."""
        return filled(self.config, self.unset)

    def _history(self, queries: Sequence[Query], table: sp.csr_matrix) -> sp.csr_matrix:
        return likes(queries, np.arange(table.shape[0]), self._set)


class ItemKnnConfig(NeighboursConfig):
    """Options of `item-knn`."""

    shrink: float | None = Field(default=None, ge=0)
    """What is added to |x_h|·|x_i|, about the number of users at which a cosine counts half; unset
    to choose it by validation."""


class ItemKnn(Neighbours):
    """Cosine between the columns of items, shrunk; each target looks at its k nearest items."""

    name: ClassVar[str] = "item-knn"
    config_type = ItemKnnConfig
    config: ItemKnnConfig
    by_target = True
    learned = frozenset({"shrink"})
    steps = (
        ("graded", (True, False)),
        ("decay", (True, False)),
        ("shrink", (0.0, 5.0, 20.0, 50.0, 100.0)),
        ("k", (20, 50, 100, 200, 400)),
        ("graded", (True, False)),
        ("recency", RECENCY),
    )
    unset = {"k": 100, "graded": True, "decay": True, "recency": 0.0, "shrink": 20.0}

    def near(self, rows: sp.csr_matrix, config: NeighboursConfig, k: int) -> sp.csr_matrix:
        """See `Neighbours`; every interaction counts here, a dislike least."""
        x = reweighted(rows, graded(rows.data))
        norms = np.sqrt(_sums(x.multiply(x), axis=0))
        shrink = np.float32(getattr(config, "shrink", None) or 0.0)

        def weigh(products: Floats, first: IntArray, second: IntArray) -> Floats:
            return np.asarray(products / (norms[first] * norms[second] + shrink), np.float32)

        return nearest(x, x, k, weigh)


class Rp3BetaConfig(NeighboursConfig):
    """Options of `rp3beta`."""

    beta: float | None = Field(default=None, ge=0, le=2)
    """β, how much popularity is held against a target: 0 not at all; unset to choose it by
    validation."""


class Rp3Beta(Neighbours):
    """Random walks item → user → item, over popularity^β; each item keeps its k likeliest ends."""

    name: ClassVar[str] = "rp3beta"
    config_type = Rp3BetaConfig
    config: Rp3BetaConfig
    by_target = False
    learned = frozenset({"graded", "beta"})
    steps = (
        ("graded", (True, False)),
        ("beta", (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)),
        ("k", (50, 100, 200, 400)),
        ("decay", (True, False)),
        ("recency", RECENCY),
    )
    unset = {"k": 200, "graded": False, "decay": True, "recency": 0.0, "beta": 0.3}

    def near(self, rows: sp.csr_matrix, config: NeighboursConfig, k: int) -> sp.csr_matrix:
        """See `Neighbours`; without `graded`, all likes are alike to the walk."""
        x = reweighted(rows, weights(rows.data, bool(config.graded)))
        if not config.graded:
            x.data[:] = 1.0
        degrees = _sums(x, axis=0)
        penalties = np.maximum(degrees, 1e-9) ** np.float32(getattr(config, "beta", None) or 0.0)
        of_users = np.maximum(_sums(x, axis=1), 1e-9)
        steps = reweighted(x, x.data / np.repeat(of_users, np.diff(x.indptr)))

        def weigh(products: Floats, first: IntArray, second: IntArray) -> Floats:
            return np.asarray(products / (degrees[first] * penalties[second]), np.float32)

        return nearest(x, steps, k, weigh)


class _NeighbourTrial(Trial):
    """One split, on which options are scored among the more popular items."""

    def __init__(self, validation: Validation, source: Neighbours) -> None:
        super().__init__(validation)
        self._source = source
        counts = self.rows(decay=False).getnnz(axis=0)
        popular = np.argsort(-counts, kind="stable")[:COLUMNS]
        self._columns = np.sort(popular[counts[popular] > 0])
        self._near: tuple[str, sp.csr_matrix] | None = None

    def score(self, config: NeighboursConfig) -> float:
        """NDCG@10; the latest table is kept, since most options are tried on it."""
        if not len(self._columns):
            return 0.0
        key = config.model_dump_json(include=set(self._source.learned))
        if self._near is None or self._near[0] != key:
            tried = [values for name, values in self._source.steps if name == "k"]
            widest = max(config.k or 1, *(k for values in tried for k in values))
            rows = sp.csr_matrix(self.rows(decay=False)[:, self._columns])
            self._near = key, self._source.near(rows, config, widest)
        table = self._source.oriented(_first(self._near[1], config.k or 1))
        asked = likes_on_trial(self, self._columns, config)
        return self.ndcg(_said(asked @ table), self._columns)


def nearest(x: sp.csr_matrix, y: sp.csr_matrix, k: int, weigh: Weigh) -> sp.csr_matrix:
    """The k largest of weigh(xᵀy) in each row, without the diagonal, the largest first.

    O(products of entries) time; one block of rows of xᵀy is in memory at once.

    Args:
        x: Shape (m, n), not negative.
        y: The same shape and places.
        k: How many entries of a row are kept, at most; only those above 0 are.
        weigh: Changes the entries of the product, given their rows and columns.

    Returns:
        Shape (n, n); the columns of a row are in the order of their values, not ascending.
    """
    left, n = x.T.tocsr(), x.shape[1]
    parts: list[tuple[IntArray, npt.NDArray[np.int32], Floats]] = []
    for start, end in _blocks(left, y):
        block = (left[start:end] @ y).tocsr()
        owners = np.repeat(np.arange(start, end), np.diff(block.indptr))
        values = weigh(block.data, owners, block.indices)
        values[owners == block.indices] = 0.0
        parts.append(_largest(values, block.indices, block.indptr, k))
    none = np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)
    counts, columns, kept = (np.concatenate(part) for part in zip(none, *parts, strict=True))
    starts = np.concatenate([[0], np.cumsum(counts)])
    return sp.csr_matrix((kept, columns, starts), shape=(n, n))


def _blocks(left: sp.csr_matrix, y: sp.csr_matrix) -> Iterator[tuple[int, int]]:
    """Runs of rows whose product with y has no more than `_BLOCK` entries, or single rows."""
    widths = np.diff(y.indptr).astype(np.float64)
    pattern = sp.csr_matrix((np.ones(left.nnz), left.indices, left.indptr), shape=left.shape)
    ends = np.cumsum(np.minimum(pattern @ widths, y.shape[1]))
    start, done = 0, 0.0
    while start < len(ends):
        end = max(int(np.searchsorted(ends, done + _BLOCK, side="right")), start + 1)
        yield start, end
        start, done = end, float(ends[end - 1])


def _largest(
    values: Floats, columns: IntArray, starts: IntArray, k: int
) -> tuple[IntArray, npt.NDArray[np.int32], Floats]:
    """The k largest values above 0 of each row, largest first: counts, columns and values."""
    kept = []
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        own = values[start:end]
        if len(own) > k:
            places = np.argpartition(-own, k - 1)[:k]
            places = places[np.argsort(-own[places], kind="stable")]
        else:
            places = np.argsort(-own, kind="stable")
        kept.append(start + places[own[places] > 0])
    counts = np.array([len(places) for places in kept], np.int64)
    order = np.concatenate(kept)
    return counts, columns[order].astype(np.int32), values[order]


def _first(near: sp.csr_matrix, k: int) -> sp.csr_matrix:
    """The first k entries of each row, which are in order of nearness."""
    counts = np.diff(near.indptr)
    places = np.arange(near.nnz) - np.repeat(near.indptr[:-1], counts)
    kept = places < k
    starts = np.concatenate([[0], np.cumsum(np.minimum(counts, k))])
    return sp.csr_matrix((near.data[kept], near.indices[kept], starts), shape=near.shape)


def _said(found: sp.csr_matrix) -> Vectors:
    """Dense scores, `SILENT` where nothing of the history is near."""
    scores = found.toarray()
    scores[scores <= 0] = SILENT
    return np.asarray(scores, np.float32)


def _sums(matrix: sp.csr_matrix, axis: int) -> Floats:
    return np.asarray(matrix.sum(axis=axis), np.float32).ravel()
