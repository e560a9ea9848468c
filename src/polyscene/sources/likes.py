"""What the behaviour sources share: how they read a history and name grounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import Field

from polyscene.component import Config, Query
from polyscene.data.dataset import IntArray
from polyscene.represent.interactions import fading, graded
from polyscene.sources.base import history_rows
from polyscene.sources.trial import Trial

__all__ = [
    "ELSEWHERE",
    "RECENCY",
    "LikesConfig",
    "grounds",
    "likes",
    "likes_on_trial",
    "reweighted",
    "weights",
]

RECENCY = (0.0, 100.0, 30.0, 10.0)
"""Values of `LikesConfig.recency` to try."""
ELSEWHERE = (1.0, 0.5, 0.25)
"""Values to try of how much what was done in other scenarios counts."""

Floats = npt.NDArray[np.float32]


class LikesConfig(Config):
    """How a source reads the history of a user."""

    graded: bool | None = None
    """Whether neutral and weak actions count as interactions of less weight (true), or likes alone
    by their strength (false); dislikes never count. Unset to choose it by validation."""
    decay: bool | None = None
    """Whether older entries of the history count less, by the half-life of the scenario; unset to
    choose it by validation."""
    recency: float | None = Field(default=None, ge=0)
    """After how many further items an entry of the history counts half; 0 for no such fading; unset
    to choose it by validation."""
    support: int = Field(default=3, ge=0)
    """How many history items are named as the ground of a recommendation."""


def weights(strengths: Floats, grade: bool) -> Floats:
    """What entries of a history weigh: dislikes 0, others by their strength, or `graded`.

    Args:
        strengths: From -1 to 1, any shape.
        grade: Which of the two. Neutral entries weigh 0.6 when graded, else 0.
    """
    if grade:
        return np.where(strengths >= 0, graded(strengths), np.float32(0.0))
    return np.maximum(strengths, np.float32(0.0))


def likes(queries: Sequence[Query], columns: IntArray, config: LikesConfig) -> sp.csr_matrix:
    """The weights of what users liked, shape (queries, columns), without zeros.

    Args:
        queries: The questions.
        columns: Rows of the items to keep, ascending.
        config: All options set.
    """
    x, ranks = history_rows(queries, columns, decay=bool(config.decay))
    fade = fading(ranks, config.recency or 0.0)
    return reweighted(x, weights(x.data, bool(config.graded)) * fade)


def likes_on_trial(trial: Trial, columns: IntArray, config: LikesConfig) -> sp.csr_matrix:
    """The same of the users on trial, shape (users on trial, columns)."""
    x = sp.csr_matrix(trial.rows(bool(config.decay))[trial.users][:, columns]).sorted_indices()
    found = weights(x.data, bool(config.graded))
    if config.recency:
        ranks = trial.places[:, columns].sorted_indices().data
        found = found * fading(ranks, config.recency)
    return reweighted(x, found)


def reweighted(x: sp.csr_matrix, values: Floats) -> sp.csr_matrix:
    """The same places with other values, without those of value 0; `x` is not changed."""
    found = sp.csr_matrix((values, x.indices, x.indptr), shape=x.shape, copy=True)
    found.eliminate_zeros()
    return found


def grounds(gave: Floats, items: IntArray, k: int) -> IntArray:
    """The k items that gave most to each target, most first, -1 past the last.

    Args:
        gave: What each history item gave, shape (m, h); only what is above 0 is named.
        items: Rows of the history items, shape (h,).
        k: How many.

    Returns:
        Shape (m, k).
    """
    found = np.full((len(gave), k), -1, np.int64)
    order = np.argsort(-gave, axis=1, kind="stable")[:, :k]
    chosen = items[order].astype(np.int64)
    chosen[np.take_along_axis(gave, order, axis=1) <= 0] = -1
    found[:, : order.shape[1]] = chosen
    return found
