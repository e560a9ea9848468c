"""The kernel source: what users did and what items say, learned together in closed form.

Scores are x·B for the history row x of a user (`closed_form`), so that a new event changes the
next answer and no user is stored. λ, the weight of the text, and whether weak and negative
actions count as interactions (`graded`) or against an item (signed) are chosen by NDCG@10 on
entries of the matrix that are held out.

Items with fewer than two events, and those that came after the fit, get their column of B from
their text by a ridge map from the text of the other items:

    B_new = B·V (VᵀV + ρI)⁻¹ v_new

with B fitted without text rows, which measures better there (docs/benchmarks.md).

References: EASE (Steck, WWW 2019); collective EASE (Jeunen et al., RecSys 2020); L3AE (CIKM 2025).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from polyscene.component import Candidates, Config, Query, Training, Vectors
from polyscene.data.dataset import IntArray
from polyscene.errors import ModelError
from polyscene.logs import get_logger
from polyscene.represent.interactions import graded, interactions, weighted
from polyscene.sources.base import Source, best
from polyscene.sources.closed_form import LowRank, behaviour_factors, low_rank
from polyscene.sources.kernel_search import Choice, choose

__all__ = ["Kernel", "KernelConfig"]

_log = get_logger(__name__)
_WARM = 2
"""Events from which on an item has a column of its own."""


class KernelConfig(Config):
    """Options of `kernel`."""

    rank: int = Field(default=256, ge=8, le=4096)
    """How many directions of the behaviour are kept; the text keeps all of its own."""
    reg: float | None = Field(default=None, gt=0)
    """λ; unset to choose it by validation."""
    text: float | None = Field(default=None, ge=0)
    """a, the weight of the text rows; unset to choose it by validation."""
    graded: bool | None = None
    """Whether weak and negative actions count as interactions of less weight (true), or against
    an item (false); unset to choose it by validation."""
    cold_reg: float = Field(default=1.0, gt=0)
    """ρ of the map from text to the columns of items without events, as a multiple of the mean
    eigenvalue of VᵀV."""
    support: int = Field(default=3, ge=0)
    """How many history items are named as the ground of a recommendation."""


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What was learned about n items with events."""

    warm: IntArray
    """Their rows in the space of items, ascending, shape (n,)."""
    kernel: LowRank
    cold: Vectors
    """T, shape (n, dim): the column of an item without events is T·v."""
    choice: Choice


class Kernel(Source):
    """Scores x·B of a text-augmented linear autoencoder in closed form."""

    name: ClassVar[str] = "kernel"
    config_type = KernelConfig
    config: KernelConfig

    def __init__(self, config: KernelConfig | None = None) -> None:
        super().__init__(config)
        self._fitted: _Fitted | None = None

    @property
    def choice(self) -> Choice | None:
        """What was chosen by validation; None before a fit, or where there was nothing to fit."""
        return None if self._fitted is None else self._fitted.choice

    def fit(self, training: Training) -> None:
        """Learn from all events; see `polyscene.component.Trainable`.

        O(n·(rank + dim)²) for n items with events, a dozen times over to choose the options.
        """
        matrix = interactions(training.data, training.settings, training.now)
        warm = np.flatnonzero(matrix.getnnz(axis=0) >= _WARM)
        self._fitted = None
        if not len(warm):
            return
        rows, vectors = sp.csr_matrix(matrix[:, warm]), training.vectors[warm]
        config = self.config
        choice = choose(rows, vectors, config.rank, config.reg, config.text, config.graded)
        _log.info("kernel: %d items, %s", len(warm), choice)
        factors = behaviour_factors(weighted(rows, choice.graded), config.rank)
        self._fitted = _Fitted(
            warm=warm,
            kernel=low_rank(factors, vectors, choice.reg, choice.text),
            cold=_cold_map(low_rank(factors, vectors, choice.reg, 0.0), vectors, config.cold_reg),
            choice=choice,
        )

    def __call__(self, query: Query) -> Candidates:
        """See `Source`; O(targets · (rank + dim))."""
        fitted = self._fitted
        if fitted is None or query.spec.target == "person":
            return self._none()
        places, weights = self._entries(query, fitted)
        if not len(places):
            return self._none()
        scores = query.space.vectors @ (weights @ fitted.cold[places])
        warm = (weights @ fitted.kernel.rows[places]) @ fitted.kernel.columns.T
        warm[places] -= weights * fitted.kernel.diagonal(places)
        scores[fitted.warm] = warm
        rows = np.flatnonzero(query.allowed)
        rows, found = best(scores[rows], rows, query.n)
        return Candidates(
            rows, found, {self.name: found}, self._support(query, fitted, rows, places, weights)
        )

    def save(self, path: Path) -> None:
        """Write the learned state into the existing directory `path`."""
        fitted = self._fitted
        document = None if fitted is None else asdict(fitted.choice)
        (path / "kernel.json").write_text(json.dumps(document), "utf-8")
        if fitted is not None:
            np.save(path / "warm.npy", fitted.warm)
            np.save(path / "rows.npy", fitted.kernel.rows)
            np.save(path / "columns.npy", fitted.kernel.columns)
            np.save(path / "cold.npy", fitted.cold)

    def load(self, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        try:
            document = json.loads((path / "kernel.json").read_text("utf-8"))
            if document is None:
                return self
            kernel = LowRank(np.load(path / "rows.npy"), np.load(path / "columns.npy"))
            warm, cold = np.load(path / "warm.npy"), np.load(path / "cold.npy")
            self._fitted = _Fitted(warm, kernel, cold, Choice(**document))
        except (OSError, ValueError, TypeError) as error:
            raise ModelError(
                f"cannot read the kernel in {path}: {error}; make a new one with: polyscene fit"
            ) from error
        return self

    def _none(self) -> Candidates:
        nothing = np.zeros(0, np.float32)
        return Candidates(np.zeros(0, np.int64), nothing, {self.name: nothing})

    def _entries(self, query: Query, fitted: _Fitted) -> tuple[IntArray, Vectors]:
        """Places among the warm items, and weights, of the history."""
        history = query.history
        places = np.searchsorted(fitted.warm, history.rows)
        places = np.minimum(places, len(fitted.warm) - 1)
        known = fitted.warm[places] == history.rows
        strengths = history.strengths[known]
        return places[known], graded(strengths) if fitted.choice.graded else strengths

    def _support(
        self, query: Query, fitted: _Fitted, rows: IntArray, places: IntArray, weights: Vectors
    ) -> IntArray:
        """The history items that gave most to each target's score, shape (m, k)."""
        support = np.full((len(rows), self.config.support), -1, np.int64)
        if not self.config.support or not len(rows):
            return support
        at = np.minimum(np.searchsorted(fitted.warm, rows), len(fitted.warm) - 1)
        warm = fitted.warm[at] == rows
        gave = query.space.vectors[rows] @ fitted.cold[places].T
        gave[warm] = fitted.kernel.columns[at[warm]] @ fitted.kernel.rows[places].T
        gave *= weights
        gave[rows[:, None] == fitted.warm[places]] = 0
        order = np.argsort(-gave, axis=1, kind="stable")[:, : self.config.support]
        chosen = fitted.warm[places[order]]
        chosen[np.take_along_axis(gave, order, axis=1) <= 0] = -1
        support[:, : order.shape[1]] = chosen
        return support


def _cold_map(kernel: LowRank, vectors: Vectors, reg: float) -> Vectors:
    """T = B·V (VᵀV + ρI)⁻¹, shape (n, dim)."""
    seen = kernel.rows @ (kernel.columns.T @ vectors) - kernel.diagonal()[:, None] * vectors
    inner = (vectors.T @ vectors).astype(np.float64)
    inner += (reg * max(np.trace(inner), 1e-6) / len(inner)) * np.eye(len(inner))
    return np.asarray(np.linalg.solve(inner, seen.T).T, np.float32)
