"""The factor source: matrix factorisation by `implicit`, with users folded in when they ask.

With factors y_i of the items, learned from `graded` likes, and a history of weights w_h:

    als    x = (YᵀY + λI + Σ α·w_h·y_h·y_hᵀ)⁻¹ Σ (1 + α·w_h)·y_h      score(i) = x·y_i
    bpr    x = α · Σ w_h·y_h / Σ w_h                                  score(i) = x·y_i + b_i

The first is the user's half step of alternating least squares. The second is the mean of what was
liked, beside the bias b_i of an item; it ranks far better than the users' own factors, which BPR
fits to few events each, and than a ridge solution (docs/benchmarks.md). No user is stored, so that
a new event changes the next answer and users unknown to the fit have one. Items with fewer than two
likes, and those that came after the fit, have no factors: the source is silent about them.

With `als`, λ alone sets how much is learned: more factors do no harm where it is large enough.
Options that are unset are chosen by NDCG@10 on held-out events.

References: implicit ALS (Hu, Koren, Volinsky, ICDM 2008), its section 5 for the grounds; what it
reaches with λ large enough: Rendle et al. (RecSys 2022); BPR (Rendle et al., UAI 2009).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from polyscene.component import Query, Training, Validation, Vectors
from polyscene.data.dataset import IntArray
from polyscene.represent.interactions import interactions
from polyscene.sources.base import SILENT, Source, nothing, put
from polyscene.sources.fold_in import FoldIn
from polyscene.sources.likes import (
    RECENCY,
    Floats,
    LikesConfig,
    grounds,
    likes,
    likes_on_trial,
    reweighted,
    weights,
)
from polyscene.sources.saved import reading
from polyscene.sources.trial import Steps, Trial, choose, filled
from polyscene.threads import single_threaded_blas

__all__ = ["Factor", "FactorConfig"]

COLUMNS = 10_000
"""Items on which the options are tried, the most popular ones, at most."""
_WARM = 2
"""Likes from which on an item has factors."""
_SPLITS = 1
"""Splits on which the options are tried, at most; most options are a fit."""
_MANY = 1_000_000
"""Likes from which on `als` uses all cores: with fewer, waiting for each other costs more."""
_READING: Steps = (("graded", (True, False)), ("decay", (True, False)), ("recency", RECENCY))
_STEPS: Mapping[str, Steps] = {
    "als": (("alpha", (1.0, 3.0, 10.0)), ("reg", (10.0, 30.0, 100.0, 300.0)), *_READING),
    "bpr": (
        ("learning_rate", (0.02, 0.05)),
        ("reg", (0.003, 0.01, 0.03)),
        ("alpha", (0.5, 1.0, 2.0)),
        *_READING,
    ),
}
_LEARNED = {
    "als": {"factors", "reg", "alpha", "iterations"},
    "bpr": {"factors", "reg", "learning_rate", "iterations"},
}
"""The options that the factors depend on."""
_UNSET: Mapping[str, Mapping[str, Any]] = {
    "als": {"factors": 128, "reg": 30.0, "alpha": 3.0, "iterations": 12, "learning_rate": 0.02},
    "bpr": {"factors": 64, "reg": 0.01, "alpha": 1.0, "iterations": 150, "learning_rate": 0.02},
}
_UNREAD = {"graded": True, "decay": True, "recency": 0.0}


class FactorConfig(LikesConfig):
    """Options of `factor`."""

    method: Literal["als", "bpr"] = "als"
    """Alternating least squares, or Bayesian personalised ranking."""
    factors: int | None = Field(default=None, ge=2, le=2048)
    """How many factors an item has; unset for 128 with `als` and 64 with `bpr`."""
    reg: float | None = Field(default=None, gt=0)
    """λ, how strongly factors are drawn to 0, with `als` in units of users and items, with `bpr` a
    share per step; unset to choose it by validation."""
    alpha: float | None = Field(default=None, gt=0)
    """α, with `als` how much surer a like is than the absence of one, with `bpr` what the history
    counts beside the bias of an item; unset to choose it by validation."""
    iterations: int | None = Field(default=None, ge=1)
    """How often all events are gone through; unset for 12 with `als` and 150 with `bpr`."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Step size of `bpr`; unset to choose it by validation."""


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What was learned about n items."""

    warm: IntArray
    """Their rows in the space of items, ascending, shape (n,)."""
    items: Vectors
    """Y, shape (n, factors)."""
    bias: Floats
    """b, shape (n,)."""
    folds: dict[float, FoldIn] = field(default_factory=dict)
    """What users are folded into with `als`, by λ; made when it is asked for."""

    def scores(
        self, x: sp.csr_matrix, config: FactorConfig, at: IntArray | slice = slice(None)
    ) -> Vectors:
        """The scores of all or some of the n items for histories x without empty rows.

        Shape (users, items).
        """
        alpha = config.alpha or 0.0
        with single_threaded_blas():
            if config.method == "als":
                users = self._fold(config)(x, alpha)
            else:
                users = np.asarray(x @ self.items)
                users *= np.float32(alpha) / np.asarray(x.sum(axis=1), np.float32)
        scores = users @ self.items[at].T
        scores += self.bias[at]
        return scores

    def gave(self, x: sp.csr_matrix, at: IntArray, config: FactorConfig) -> Floats:
        """What each entry of one history gave to the scores of some items, shape (m, h).

        Args:
            x: The history, shape (1, n).
            at: Places of the items among the n, shape (m,).
            config: All options set.
        """
        own, targets, alpha = self.items[x.indices], self.items[at], np.float32(config.alpha or 0.0)
        if config.method == "bpr":
            return np.asarray((targets @ own.T) * (alpha * x.data / x.data.sum()))
        with single_threaded_blas():
            return self._fold(config).gave(own, alpha * x.data, targets)

    def _fold(self, config: FactorConfig) -> FoldIn:
        reg = config.reg or 0.0
        if reg not in self.folds:
            self.folds[reg] = FoldIn.of(self.items, reg)
        return self.folds[reg]


class Factor(Source):
    """Scores of factorised likes, the user's side solved for when asked."""

    name: ClassVar[str] = "factor"
    config_type = FactorConfig
    config: FactorConfig

    def __init__(self, config: FactorConfig | None = None) -> None:
        super().__init__(config)
        self._fitted: _Fitted | None = None

    def tuned(self, validations: Sequence[Validation]) -> Self:
        """Choose the options that are unset; see `polyscene.component.Tunable`.

        Six fits at most, on the `COLUMNS` most popular items of one split.
        """
        trials = [_FactorTrial(validation) for validation in validations[:_SPLITS]]
        steps = _STEPS[self.config.method]
        return type(self)(choose(self.name, self._set, self.config, steps, trials))

    def fit(self, training: Training) -> None:
        """Learn from all events; see `polyscene.component.Trainable`.

        O(iterations · (likes · factors + (users + items) · factors²)) with `als`.
        """
        rows = interactions(training.data, training.settings, training.now, decay=False)
        self._fitted = _learn(reweighted(rows, weights(rows.data, True)), self._set)

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(history · factors² + targets · factors) a query."""
        fitted, scores = self._fitted, nothing(queries)
        if fitted is None or not queries or not queries[0].spec.of_items:
            return scores
        x = likes(queries, fitted.warm, self._set)
        told = np.flatnonzero(np.diff(x.indptr))
        if len(told):
            found = fitted.scores(sp.csr_matrix(x[told]), self._set)
            put(scores, told, fitted.warm, found)
        return scores

    def some(self, queries: Sequence[Query], rows: IntArray) -> Vectors:
        """See `Source`; O(history · factors² + rows · factors) a query."""
        fitted = self._fitted
        found = np.full((len(queries), len(rows)), SILENT, np.float32)
        if fitted is None or not queries or not queries[0].spec.of_items:
            return found
        x = likes(queries, fitted.warm, self._set)
        told = np.flatnonzero(np.diff(x.indptr))
        warm = np.flatnonzero(np.isin(rows, fitted.warm))
        if len(told) and len(warm):
            at = np.searchsorted(fitted.warm, rows[warm])
            put(found, told, warm, fitted.scores(sp.csr_matrix(x[told]), self._set, at))
        return found

    def support(self, query: Query, rows: IntArray) -> IntArray:
        """The history items that gave most to each target's score, shape (m, k)."""
        fitted = self._fitted
        support = np.full((len(rows), self.config.support), -1, np.int64)
        if fitted is None or not query.spec.of_items or not len(rows):
            return support
        x = likes([query], fitted.warm, self._set)
        if not x.nnz:
            return support
        at = np.minimum(np.searchsorted(fitted.warm, rows), len(fitted.warm) - 1)
        own = fitted.warm[x.indices]
        gave = fitted.gave(x, at, self._set)
        gave[(fitted.warm[at] != rows)[:, None] | (rows[:, None] == own)] = 0
        return grounds(gave, own, self.config.support)

    def save(self, path: Path) -> None:
        """Write the learned state into the existing directory `path`."""
        (path / "options.json").write_text(self.config.model_dump_json(), "utf-8")
        fitted = self._fitted
        if fitted is not None:
            np.save(path / "warm.npy", fitted.warm)
            np.save(path / "items.npy", fitted.items)
            np.save(path / "bias.npy", fitted.bias)

    def load(self, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        with reading("the factors", path):
            text = (path / "options.json").read_text("utf-8")
            self.config = FactorConfig.model_validate_json(text)
            warm, items, bias = (np.load(path / f"{n}.npy") for n in ("warm", "items", "bias"))
            if not len(warm) == len(items) == len(bias):
                raise ValueError(f"{len(warm)} rows, {len(items)} factors and {len(bias)} biases")
            self._fitted = _Fitted(warm, items, bias)
        return self

    @property
    def _set(self) -> FactorConfig:
        """The options with all that is unset filled in."""
        return filled(self.config, {**_UNREAD, **_UNSET[self.config.method]})


class _FactorTrial(Trial):
    """One split, on which options are scored among the more popular items."""

    def __init__(self, validation: Validation) -> None:
        super().__init__(validation)
        rows = self.rows(decay=False)
        rows = reweighted(rows, weights(rows.data, True))
        counts = rows.getnnz(axis=0)
        self._columns = np.sort(np.argsort(-counts, kind="stable")[:COLUMNS])
        self._likes = sp.csr_matrix(rows[:, self._columns])
        self._fits: dict[str, _Fitted] = {}

    def score(self, config: FactorConfig) -> float:
        """NDCG@10; what was learned is kept, since some options are tried on it."""
        key = config.model_dump_json(include=_LEARNED[config.method])
        if key not in self._fits:
            self._fits[key] = _learn(self._likes, config)
        fitted = self._fits[key]
        columns = self._columns[fitted.warm]
        x = likes_on_trial(self, columns, config)
        told = np.flatnonzero(np.diff(x.indptr))
        scores = np.full(x.shape, -np.inf, np.float32)
        scores[told] = fitted.scores(sp.csr_matrix(x[told]), config)
        return self.ndcg(scores, columns)


def _learn(rows: sp.csr_matrix, config: FactorConfig) -> _Fitted:
    """The factors of the items with enough likes, of weights in shape (users, items).

    The same every time: with `als`, users and items are solved for one by one in whatever thread,
    and `bpr` has one thread only.
    """
    warm = np.flatnonzero(rows.getnnz(axis=0) >= _WARM)
    if not len(warm):
        none = np.zeros((0, config.factors or 0), np.float32)
        return _Fitted(warm, none, np.zeros(0, np.float32))
    # Imported here: it takes a second, and few need it.
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    rows = sp.csr_matrix(rows[:, warm])
    options: dict[str, Any] = {
        "factors": config.factors,
        "regularization": config.reg,
        "iterations": config.iterations,
        "random_state": 0,
    }
    with single_threaded_blas():  # implicit has threads of its own, and warns of others
        if config.method == "als":
            threads = 0 if rows.nnz >= _MANY else 1
            model: Any = AlternatingLeastSquares(**options, num_threads=threads)
            rows.data = 1 + np.float32(config.alpha or 0.0) * rows.data
        else:
            rate = config.learning_rate
            model = BayesianPersonalizedRanking(**options, learning_rate=rate, num_threads=1)
        model.fit(rows, show_progress=False)
    items = np.asarray(model.item_factors, np.float32)
    bias = np.zeros(len(warm), np.float32)
    if config.method == "bpr":  # the last column is the bias, beside a 1 among those of users
        items, bias = np.ascontiguousarray(items[:, :-1]), items[:, -1].copy()
    return _Fitted(warm, items, bias)
