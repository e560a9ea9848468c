"""Choosing the options of the kernel on what was held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import Validation
from polyscene.logs import get_logger
from polyscene.represent.interactions import fading, weighted
from polyscene.sources.closed_form import Factors, behaviour_factors, low_rank
from polyscene.sources.trial import Trial, climb

if TYPE_CHECKING:
    from polyscene.sources.kernel import KernelConfig

__all__ = ["COLUMNS", "choose"]

COLUMNS = 10_000
"""Items on which the options are tried, the most popular ones, at most."""
_WARM = 2
_RANK = 256
"""Rank at which the options are tried, at most."""
_STEPS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("graded", (True, False)),
    ("decay", (True, False)),
    ("reg", (10.0, 30.0, 100.0, 300.0, 1000.0)),
    ("text", (0.0, 10.0, 30.0, 100.0, 300.0)),
    ("reg", (10.0, 30.0, 100.0, 300.0, 1000.0)),
    ("recency", (0.0, 100.0, 30.0, 10.0)),
)
_COLD = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
_SPLITS = 2
"""Splits on which the options are tried, at most; each is a dozen fits."""
_log = get_logger(__name__)


def choose(
    start: KernelConfig, given: KernelConfig, validations: Sequence[Validation]
) -> KernelConfig:
    """The best options by mean NDCG@10 over the splits, one option varied at a time.

    Args:
        start: All options set.
        given: The same; those that are None there are chosen.
        validations: The splits. With nothing held out, `start` is returned.
    """
    trials = [trial for trial in map(_KernelTrial, validations[:_SPLITS]) if trial.possible]
    free = [(name, values) for name, values in _STEPS if getattr(given, name) is None]
    if not trials or not (free or given.cold is None):
        return start

    def score(config: KernelConfig) -> float:
        return float(np.mean([trial.score(config) for trial in trials]))

    best, value = climb(start, free, score)
    if given.cold is None:
        scores = [np.mean([trial.with_cold(best, share) for trial in trials]) for share in _COLD]
        # Of equals the largest: what is new should have its chance.
        at = len(_COLD) - 1 - int(np.argmax(scores[::-1]))
        best = best.model_copy(update={"cold": _COLD[at]})
    _log.info("kernel: %s, NDCG@10 %.4f on held-out events", best, value)
    return best


class _KernelTrial(Trial):
    """One split, on which options are scored."""

    def __init__(self, validation: Validation) -> None:
        super().__init__(validation)
        counts = self.rows(decay=False).getnnz(axis=0)
        self._warm = np.flatnonzero(counts >= _WARM)
        popular = self._warm[np.argsort(-counts[self._warm], kind="stable")[:COLUMNS]]
        self._columns = np.sort(popular)
        self._vectors = validation.training.vectors
        self._factors: dict[tuple[bool, bool], tuple[sp.csr_matrix, Factors]] = {}

    def score(self, config: KernelConfig) -> float:
        """NDCG@10 among the more popular items."""
        if not len(self._columns):
            return 0.0
        key = bool(config.graded), bool(config.decay)
        if key not in self._factors:
            rows = weighted(sp.csr_matrix(self.rows(key[1])[:, self._columns]), key[0])
            self._factors[key] = rows, behaviour_factors(rows, min(config.rank, _RANK))
        rows, factors = self._factors[key]
        vectors = self._vectors[self._columns]
        kernel = low_rank(factors, vectors, config.reg or 0.0, config.text or 0.0)
        asked = self._asked(rows, self._columns, config)
        return self.ndcg(kernel.scores(asked), self._columns)

    def with_cold(self, config: KernelConfig, share: float) -> float:
        """NDCG@10 among all items, those without behaviour scored κ = `share` times."""
        if not hasattr(self, "_parts"):
            rows = weighted(
                sp.csr_matrix(self.rows(bool(config.decay))[:, self._warm]), bool(config.graded)
            )
            vectors = self._vectors[self._warm]
            factors = behaviour_factors(rows, config.rank)
            asked = self._asked(rows, self._warm, config)
            kernel = low_rank(factors, vectors, config.reg or 0.0, config.text or 0.0)
            plain = low_rank(factors, vectors, config.reg or 0.0, 0.0)
            cold = np.asarray(asked @ plain.text_map(vectors, config.cold_reg))
            self._parts = kernel.scores(asked), cold @ self._vectors.T
        warm, cold = self._parts
        scores = np.float32(share) * cold
        scores[:, self._warm] = warm
        return self.ndcg(scores)

    def _asked(
        self, rows: sp.csr_matrix, columns: npt.NDArray[np.int64], config: KernelConfig
    ) -> sp.csr_matrix:
        """The histories of the users on trial, faded, over some columns."""
        asked = sp.csr_matrix(rows[self.users])
        if config.recency:
            ranks = self.places[:, columns].sorted_indices()
            asked.sort_indices()
            asked.data = asked.data * fading(ranks.data, config.recency)
        return asked
