"""Choosing the options of the kernel on entries that are held out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.represent.interactions import weighted
from polyscene.sources.closed_form import Factors, behaviour_factors, low_rank

__all__ = ["Choice", "choose"]

_REGS = (10.0, 30.0, 100.0, 300.0, 1000.0)
_TEXTS = (0.0, 30.0, 100.0, 300.0)
_HELD_OUT = 0.2
_USERS = 1000
"""Users whose held-out entries are looked at, at most."""
_ITEMS = 10_000
"""Items on which the options are tried, the most popular ones, at most."""
_AT = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """Options of the kernel, and how good they were."""

    reg: float
    text: float
    graded: bool
    ndcg: float
    """NDCG@10 on the held-out entries; NaN where nothing was tried."""


def choose(
    rows: sp.csr_matrix,
    vectors: Vectors,
    rank: int,
    reg: float | None,
    text: float | None,
    grade: bool | None,
    seed: int = 0,
) -> Choice:
    """The best options by NDCG@10 on a fifth of the liked entries of up to 1,000 users.

    One option is varied at a time: how actions count, λ, the text weight, and λ again. With
    nothing to hold out, or nothing to choose, λ = a = 100 and graded are taken where unset.

    Args:
        rows: Strengths, shape (users, n).
        vectors: Text vectors, shape (n, dim).
        rank: Of the behaviour.
        reg: λ where given.
        text: a where given.
        grade: How actions count where given.
        seed: Of what is held out.
    """
    start = Choice(
        100.0 if reg is None else reg,
        100.0 if text is None else text,
        True if grade is None else grade,
        float("nan"),
    )
    if None not in (reg, text, grade):
        return start
    popular = np.sort(np.argsort(-rows.getnnz(axis=0), kind="stable")[:_ITEMS])
    trial = _Trial(sp.csr_matrix(rows[:, popular]), vectors[popular], rank, seed)
    if not trial.possible:
        return start
    best = replace(start, ndcg=trial.score(start))
    steps: list[tuple[str, Iterable[Any], bool]] = [
        ("graded", (True, False), grade is None),
        ("reg", _REGS, reg is None),
        ("text", _TEXTS, text is None),
        ("reg", _REGS, reg is None and text is None),
    ]
    for option, values, free in steps:
        for value in values if free else ():
            if value == getattr(best, option):
                continue
            tried: Choice = replace(best, **{option: value})
            tried = replace(tried, ndcg=trial.score(tried))
            if tried.ndcg > best.ndcg:
                best = tried
    return best


class _Trial:
    """One split, on which choices are scored."""

    def __init__(self, rows: sp.csr_matrix, vectors: Vectors, rank: int, seed: int) -> None:
        self._vectors, self._rank = vectors, rank
        rng = np.random.default_rng(seed)
        entries = rows.tocoo()
        liked = entries.data > 0
        held = liked & (rng.random(len(entries.data)) < _HELD_OUT)
        self._train = _matrix(entries, ~held)
        test = _matrix(entries, held)
        able = (test.getnnz(axis=1) > 0) & (self._train.getnnz(axis=1) > 0)
        users = np.flatnonzero(able)
        if len(users) > _USERS:
            users = np.sort(rng.choice(users, _USERS, replace=False))
        self._users, self._test = users, test[users]
        self._factors: dict[bool, tuple[sp.csr_matrix, Factors]] = {}

    @property
    def possible(self) -> bool:
        """Whether anything was held out."""
        return len(self._users) > 0

    def score(self, choice: Choice) -> float:
        """NDCG@10 of a choice over the users of the trial."""
        if choice.graded not in self._factors:
            weights = weighted(self._train, choice.graded)
            self._factors[choice.graded] = weights, behaviour_factors(weights, self._rank)
        weights, factors = self._factors[choice.graded]
        kernel = low_rank(factors, self._vectors, choice.reg, choice.text)
        scores = kernel.scores(weights[self._users])
        seen = self._train[self._users]  # with explicit zeros, which nonzero() would leave out
        scores[np.repeat(np.arange(len(scores)), np.diff(seen.indptr)), seen.indices] = -np.inf
        return _mean_ndcg(scores, self._test)


def _matrix(entries: sp.coo_matrix, kept: np.ndarray[Any, Any]) -> sp.csr_matrix:
    cells = (entries.data[kept], (entries.row[kept], entries.col[kept]))
    return sp.csr_matrix(cells, shape=entries.shape)


def _mean_ndcg(scores: Vectors, test: sp.csr_matrix) -> float:
    """Mean NDCG@10 with binary relevance over rows that each have a relevant column."""
    k = min(_AT, scores.shape[1])
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
    top = np.take_along_axis(top, order, axis=1)
    users = np.arange(len(top))[:, None]
    hits = np.asarray(test[users, top].todense()) > 0
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discounts)[np.minimum(test.getnnz(axis=1), k) - 1]
    return float(np.mean((hits @ discounts) / ideal))
