"""The kernel source: what users did and what items say, learned together in closed form.

Scores are x·B for the history row x of a user (`closed_form`), so that a new event changes the
next answer and no user is stored. Options that are unset are chosen by NDCG@10 on held-out events:
λ, the weight of the text, whether weak and negative actions count as interactions (`graded`) or
against an item (signed), whether older ones count less by time or by what came since, how much it
counts that two items were come to soon after one another, how far items without behaviour may
come up beside those that have some, and at last how many directions of the behaviour are kept. That
nearness is one more block of rows of X: histories cut into pieces.

Items with fewer than two events, and those that came after the fit, get their column of B from
their text by a ridge map from the text of the other items:

    B_new = κ · B·C·V (VᵀCV + ρI)⁻¹ v_new        C_ii = n_i / (n_i + doubt)

with n_i the events of an item, and B fitted without text rows, which measures better there
(docs/benchmarks.md). ρ and the doubt are chosen on items that are taken as new.

References: EASE (Steck, WWW 2019); collective EASE (Jeunen et al., RecSys 2020); L3AE (CIKM 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from polyscene.component import Config, Query, Space, Training, Validation, Vectors
from polyscene.data.dataset import IntArray
from polyscene.represent.interactions import fading, graded, interactions, places, weighted
from polyscene.sources.base import SILENT, Source, away, history_rows, nothing, spread
from polyscene.sources.closed_form import LowRank
from polyscene.sources.kernel_search import USUAL, WARM, chosen, factored, learned
from polyscene.sources.likes import grounds
from polyscene.sources.saved import mapped, reading
from polyscene.sources.trial import filled

__all__ = ["Kernel", "KernelConfig"]

_UNSET = {
    "rank": USUAL,
    "reg": 100.0,
    "text": 30.0,
    "graded": True,
    "floor": 0.2,
    "decay": True,
    "near": 0.0,
    "recency": 0.0,
    "elsewhere": 1.0,
    "cold": 0.5,
    "cold_reg": 1.0,
    "doubt": 0.0,
}
"""What is taken for options that are unset where there is nothing to choose them by."""


class KernelConfig(Config):
    """Options of `kernel`."""

    rank: int | None = Field(default=None, ge=8, le=4096)
    """How many directions of the behaviour are kept; the text keeps all of its own. Unset to choose
    it by validation, as far as memory and time allow."""
    reg: float | None = Field(default=None, gt=0)
    """λ; unset to choose it by validation."""
    text: float | None = Field(default=None, ge=0)
    """a, the weight of the text rows; unset to choose it by validation."""
    graded: bool | None = None
    """Whether weak and negative actions count as interactions of less weight (true), or against
    an item (false); unset to choose it by validation."""
    floor: float | None = Field(default=None, ge=0, le=1)
    """The weight of the strongest dislike among graded interactions, where the strongest like has
    1; unset to choose it by validation."""
    decay: bool | None = None
    """Whether older events count less, by the half-life of the scenario; unset to choose it by
    validation."""
    near: float | None = Field(default=None, ge=0)
    """How much it counts, beside that the same user acted on two items, that they did within about
    20 items of one another; unset to choose it by validation."""
    recency: float | None = Field(default=None, ge=0)
    """After how many further items an entry of the history counts half when a user is scored; 0 for
    no such fading; unset to choose it by validation."""
    elsewhere: float | None = Field(default=None, gt=0, le=1)
    """How much what the user did in other scenarios counts, beside what they did in the one that is
    asked; unset to choose it by validation."""
    cold: float | None = Field(default=None, ge=0, le=1)
    """κ, the size of the scores of items without behaviour; unset to choose it by validation."""
    cold_reg: float | None = Field(default=None, gt=0)
    """ρ of the map from text to the columns of items without events, as a multiple of the mean
    eigenvalue of VᵀCV; unset to choose it by validation."""
    doubt: float | None = Field(default=None, ge=0)
    """At how many events the column of an item counts half in that map; unset to choose it by
    validation."""
    support: int = Field(default=3, ge=0)
    """How many history items are named as the ground of a recommendation."""

    @property
    def least(self) -> float | None:
        """The weight of the strongest dislike; None where dislikes count against an item."""
        return self.floor if self.graded else None


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What was learned about n items with events."""

    warm: IntArray
    """Their rows in the space of items, ascending, shape (n,)."""
    kernel: LowRank
    cold: Vectors
    """κ·T, shape (n, dim): the column of an item without events is κ·T·v."""


class Kernel(Source):
    """Scores x·B of a text-augmented linear autoencoder in closed form."""

    name: ClassVar[str] = "kernel"
    usual: ClassVar[float] = 1.0
    config_type = KernelConfig
    config: KernelConfig

    def __init__(self, config: KernelConfig | None = None) -> None:
        super().__init__(config)
        self._fitted: _Fitted | None = None
        self._copied: tuple[Space, int, IntArray, Vectors] | None = None

    def tuned(self, validations: Sequence[Validation]) -> Self:
        """Choose the options that are unset; see `polyscene.component.Tunable`.

        O(n·(rank + dim)²) for n items with events, a dozen times over.
        """
        return type(self)(chosen(self._set, self.config, validations))

    def fit(self, training: Training) -> None:
        """Learn from all events; see `polyscene.component.Trainable`. O(n·(rank + dim)²)."""
        config = self._set
        matrix = interactions(
            training.data, training.settings, training.now, decay=bool(config.decay)
        )
        warm = np.flatnonzero(matrix.getnnz(axis=0) >= WARM)
        self._fitted = self._copied = None
        if not len(warm):
            return
        rows = weighted(sp.csr_matrix(matrix[:, warm]), config.least)
        vectors = training.vectors[warm]
        factors = factored(
            rows, lambda: sp.csr_matrix(places(training.data)[:, warm]), config, config.rank or 0
        )
        kernel, columns = learned(factors, vectors, rows.getnnz(axis=0), config)
        self._fitted = _Fitted(warm, kernel, np.float32(config.cold or 0.0) * columns)

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(targets · (rank + dim)) a query."""
        fitted = self._fitted
        x, told = self._told(queries)
        if fitted is None or not len(told):
            return nothing(queries)
        found = np.zeros((len(told), len(queries[0].allowed)), np.float32)
        if self._set.cold:
            new, vectors = self._without_events(queries[0].space, fitted.warm)
            found[:, new] = np.asarray(x @ fitted.cold) @ vectors.T
        found[:, fitted.warm] = fitted.kernel.scores(x)
        return spread(queries, told, found)

    def some(self, queries: Sequence[Query], rows: IntArray) -> Vectors:
        """See `Source`; O(rows · (rank + dim)) a query."""
        fitted = self._fitted
        found = np.full((len(queries), len(rows)), SILENT, np.float32)
        x, told = self._told(queries)
        if fitted is None or not len(told):
            return found
        at = np.minimum(np.searchsorted(fitted.warm, rows), len(fitted.warm) - 1)
        warm = fitted.warm[at] == rows
        part = np.zeros((len(told), len(rows)), np.float32)
        part[:, warm] = fitted.kernel.some(x, at[warm])
        if self._set.cold:
            part[:, ~warm] = np.asarray(x @ fitted.cold) @ queries[0].space.vectors[rows[~warm]].T
        found[told] = part
        return found

    def close_to(self, row: int, n: int) -> IntArray:
        """See `Source`; none where the item has no events."""
        fitted = self._fitted
        if fitted is None:
            return np.zeros(0, np.int64)
        place = int(np.searchsorted(fitted.warm, row))
        if place == len(fitted.warm) or fitted.warm[place] != row:
            return np.zeros(0, np.int64)
        return fitted.warm[fitted.kernel.close_to(place, n)]

    def support(self, query: Query, rows: IntArray) -> IntArray:
        """The history items that gave most to each target's score, shape (m, k)."""
        fitted = self._fitted
        if fitted is None or not self.config.support or not len(rows):
            return np.full((len(rows), self.config.support), -1, np.int64)
        x = self._history([query], fitted)
        done = x.indices
        at = np.minimum(np.searchsorted(fitted.warm, rows), len(fitted.warm) - 1)
        warm = fitted.warm[at] == rows
        gave = np.empty((len(rows), len(done)), np.float32)
        gave[warm] = fitted.kernel.columns(at[warm]) @ fitted.kernel.rows[done].T
        if not warm.all():
            gave[~warm] = query.space.vectors[rows[~warm]] @ fitted.cold[done].T
        gave *= x.data
        gave[rows[:, None] == fitted.warm[done]] = 0
        return grounds(gave, fitted.warm[done], self.config.support)

    def save(self, path: Path) -> None:
        """Write the learned state into the existing directory `path`."""
        fitted = self._fitted
        (path / "options.json").write_text(self.config.model_dump_json(), "utf-8")
        if fitted is not None:
            np.save(path / "warm.npy", fitted.warm)
            fitted.kernel.save(path)
            np.save(path / "cold.npy", fitted.cold)

    def load(self, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        with reading("the kernel", path):
            self._copied = None
            text = (path / "options.json").read_text("utf-8")
            self.config = KernelConfig.model_validate_json(text)
            if (path / "warm.npy").exists():
                warm, cold = np.load(path / "warm.npy"), mapped(path / "cold.npy")
                self._fitted = _Fitted(warm, LowRank.load(path), cold)
        return self

    @property
    def _set(self) -> KernelConfig:
        """The options with all that is unset filled in."""
        return filled(self.config, _UNSET)

    def _without_events(self, space: Space, warm: IntArray) -> tuple[IntArray | slice, Vectors]:
        """The rows that get their scores from their text, and their vectors.

        These are copied out once for each state of the space: a product with all takes several
        times as long where most targets have events. Where few have, it takes all, warm ones too.
        """
        count = len(space.vectors)
        if 2 * len(warm) < count:
            return slice(None), space.vectors
        held = self._copied
        if held is None or held[0] is not space or held[1] != space.edition:
            new = np.setdiff1d(np.arange(count), warm, assume_unique=True)
            held = self._copied = (space, space.edition, new, space.vectors[new])
        return held[2:]

    def _told(self, queries: Sequence[Query]) -> tuple[sp.csr_matrix, IntArray]:
        """The histories that say something of items with events, and whose they are."""
        fitted = self._fitted
        if fitted is None or not queries or not queries[0].spec.of_items:
            return sp.csr_matrix((0, 0), dtype=np.float32), np.zeros(0, np.int64)
        x = self._history(queries, fitted)
        told = np.flatnonzero(np.diff(x.indptr))
        return (x if len(told) == len(queries) else x[told]), told

    def _history(self, queries: Sequence[Query], fitted: _Fitted) -> sp.csr_matrix:
        """The weights of what the users did among the warm items, shape (q, n)."""
        config = self._set
        x, ranks = history_rows(queries, fitted.warm, decay=bool(config.decay))
        if config.least is not None:
            x.data = graded(x.data, config.least)
        x.data *= fading(ranks, config.recency or 0.0)
        if config.elsewhere != 1:
            x.data[away(queries, fitted.warm)] *= np.float32(config.elsewhere or 1.0)
        return x
