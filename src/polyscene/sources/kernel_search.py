"""Choosing the options of the kernel on what was held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import psutil
import scipy.sparse as sp

from polyscene.component import Validation, Vectors
from polyscene.data.dataset import IntArray
from polyscene.data.split import dated
from polyscene.logs import get_logger
from polyscene.metrics.ranking import ndcg
from polyscene.represent.interactions import PIECE, fading, pieces, weighted
from polyscene.sources.closed_form import Factors, LowRank, behaviour_factors, low_rank
from polyscene.sources.likes import ELSEWHERE, RECENCY
from polyscene.sources.trial import EVERYBODY, Scores, Steps, Trial, choose, top_hits

if TYPE_CHECKING:
    from polyscene.sources.kernel import KernelConfig

__all__ = ["COLUMNS", "USUAL", "WARM", "chosen", "factored", "learned"]

COLUMNS = 10_000
"""Items on which the options are tried, the most popular ones, at most."""
WARM = 2
"""Events from which on an item has a column of its own."""
_RANK = 256
"""Rank at which the options are tried, at most."""
_log = get_logger(__name__)
_STEPS: Steps = (
    ("graded", (True, False)),
    ("floor", (0.2, 0.0)),
    ("decay", (True, False)),
    ("near", (0.0, 1.0, 3.0)),
    ("reg", (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)),
    ("text", (0.0, 10.0, 30.0, 100.0, 300.0)),
    ("near", (0.0, 1.0, 3.0)),
    ("reg", (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)),
    ("recency", RECENCY),
    ("elsewhere", ELSEWHERE),
)
_NEW: Steps = (("cold_reg", (0.1, 0.3, 1.0, 3.0)), ("doubt", (0.0, 10.0)))
_DRAWS = 3
"""How many times items are drawn that are taken as new: the draws differ more than the options."""
_COLD = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
_RANKS = (512, 1024, 2048)
"""Values of `KernelConfig.rank` to try."""
USUAL = 1024
"""The rank up to which the time that it takes is no matter."""
_WORK = 3e11
"""n·(rank + dim)² from which on a larger one is too much: some ten seconds, several times over."""
_COPIES = 8
"""How often a kernel has to fit into the memory that is free."""
_SPLITS = 2
"""Splits on which the options are tried, at most; each is a dozen fits."""


def chosen(
    start: KernelConfig, given: KernelConfig, validations: Sequence[Validation]
) -> KernelConfig:
    """The best options by mean NDCG@10 over the splits, one option varied at a time.

    Args:
        start: All options set.
        given: The same; those that are None there are chosen.
        validations: The splits. With nothing held out, `start` is returned.
    """
    trials = [trial for trial in map(_KernelTrial, validations[:_SPLITS]) if trial.possible]
    tried = {
        "near": any(one.ordered for one in trials),
        "elsewhere": any(one.several for one in trials),
    }
    steps = [(option, values) for option, values in _STEPS if tried.get(option, True)]
    best = choose("kernel", start, given, steps, trials)
    drawn = [_NewTrial(trial, seed) for trial in trials[:1] for seed in range(_DRAWS)]
    best = choose("kernel, new items", best, given, _NEW, drawn)
    if trials and given.cold is None:
        scores = np.mean([trial.with_cold(best, _COLD) for trial in trials], axis=0)
        # Of equals the largest: what is new should have its chance.
        at = len(_COLD) - 1 - int(np.argmax(scores[::-1]))
        best = best.model_copy(update={"cold": _COLD[at]})
    if trials and given.rank is None:
        best = best.model_copy(update={"rank": _rank(best, trials)})
    return best


def _rank(config: KernelConfig, trials: Sequence[_KernelTrial]) -> int:
    """The fewest directions that no larger number of them surely surpasses.

    A number is left for a larger one where that is better by a standard error of the difference.
    Those that this machine has no room or time for are not tried.
    """
    tried = [_RANKS[0], *(rank for rank in _RANKS[1:] if all(one.affords(rank) for one in trials))]
    if len(tried) == 1:
        return tried[0]
    found = [trial.by_rank(config, tried) for trial in trials]
    values = {rank: np.concatenate([one[rank] for one in found]) for rank in tried}
    best = tried[0]
    for rank in tried[1:]:
        gain = values[rank] - values[best]
        if gain.mean() > gain.std() / np.sqrt(max(len(gain), 1)):
            best = rank
    told = ", ".join(f"{rank}: {own.mean():.4f}" for rank, own in values.items())
    _log.info("kernel: rank %d, by NDCG@10 on held-out events (%s)", best, told)
    return best


def factored(
    rows: sp.csr_matrix, ranks: Callable[[], sp.csr_matrix], config: KernelConfig, rank: int
) -> Factors:
    """What is learned from: the histories, and below them their pieces.

    Args:
        rows: The interactions as they are weighted, shape (users, n).
        ranks: How many items ago, with the same entries, where it is asked for; see
            `represent.interactions.places`.
        config: All options set.
        rank: How many directions are kept.
    """
    if config.near:
        near = np.float32(np.sqrt(config.near)) * pieces(rows, ranks())
        rows = sp.csr_matrix(sp.vstack([rows, near]))
    return behaviour_factors(rows, rank)


def learned(
    factors: Factors, vectors: Vectors, counts: IntArray, config: KernelConfig
) -> tuple[LowRank, Vectors]:
    """B, and the map from text to columns of a B without text rows.

    Args:
        factors: Of the interactions as they are weighted, over n items.
        vectors: Text vectors, shape (n, dim).
        counts: Events of each item, shape (n,).
        config: All options set.
    """
    columns = _text_map(factors, vectors, counts, config)
    return low_rank(factors, vectors, config.reg or 0.0, config.text or 0.0), columns


def _text_map(
    factors: Factors, vectors: Vectors, counts: IntArray, config: KernelConfig
) -> Vectors:
    """T of `LowRank.text_map`, from a B without text rows."""
    trust = (counts / (counts + (config.doubt or 0.0))).astype(np.float32)
    plain = low_rank(factors, vectors, config.reg or 0.0, 0.0)
    return plain.text_map(vectors, config.cold_reg or 0.0, trust)


class _KernelTrial(Trial):
    """One split, on which options are scored."""

    def __init__(self, validation: Validation) -> None:
        super().__init__(validation)
        counts = self.rows(decay=False).getnnz(axis=0)
        self._warm = np.flatnonzero(counts >= WARM)
        popular = self._warm[np.argsort(-counts[self._warm], kind="stable")[:COLUMNS]]
        self.columns = np.sort(popular)
        self._vectors = validation.training.vectors
        self._factors: dict[tuple[object, ...], tuple[sp.csr_matrix, Factors]] = {}

    @property
    def ordered(self) -> bool:
        """Whether pieces say more than whole histories: events have times, and many are long."""
        counts = np.diff(self.rows(decay=False).indptr)
        long = counts[counts > PIECE].sum() > counts.sum() / 2
        return bool(long) and dated(self.training.data)

    @property
    def several(self) -> bool:
        """Whether users on trial did things in more than one scenario."""
        origins = self.training.data.scenario[np.isin(self.training.data.user, self.users)]
        return len(np.unique(origins[origins >= 0])) > 1

    def score(self, config: KernelConfig) -> float:
        """NDCG@10 among the more popular items."""
        if not len(self.columns):
            return 0.0
        rows, factors = self.factored(config, self.columns)
        vectors = self._vectors[self.columns]
        kernel = low_rank(factors, vectors, config.reg or 0.0, config.text or 0.0)
        return self.ndcg(self._scores(kernel, rows, self.columns, config), self.columns)

    def with_cold(self, config: KernelConfig, shares: Sequence[float]) -> list[float]:
        """NDCG@10 among all items, those without behaviour scored κ times, for each κ."""
        rows, factors = self.factored(config, self._warm)
        counts, vectors = rows.getnnz(axis=0), self._vectors
        kernel, columns = learned(factors, vectors[self._warm], counts, config)
        warm = self._scores(kernel, rows, self._warm, config)
        known: dict[str, tuple[Vectors, Vectors]] = {}

        def scores(scenario: str, places: IntArray, share: float) -> Vectors:
            if scenario not in known:
                asked = self.asked(rows, self._warm, config, scenario, places)
                text = np.asarray(asked @ columns) @ vectors.T
                known[scenario] = text, warm(scenario, places)
            text, own = known[scenario]
            every = np.float32(share) * text
            every[:, self._warm] = own
            return every

        return [self.ndcg(partial(scores, share=share)) for share in shares]

    def affords(self, rank: int) -> bool:
        """Whether there is room and time for a kernel of so many directions."""
        items, width = len(self._warm), rank + self._vectors.shape[1]
        room = items * width * self._vectors.itemsize * _COPIES
        quick = rank <= USUAL or items * width**2 <= _WORK
        return bool(quick and room <= psutil.virtual_memory().available)

    def by_rank(
        self, config: KernelConfig, ranks: Sequence[int]
    ) -> dict[int, npt.NDArray[np.float64]]:
        """NDCG@10 of each user among the items with behaviour, by the number of directions.

        Args:
            config: All options set.
            ranks: Ascending. What more directions do not change is not worked out again.
        """
        rows, most = self._factored(config, self._warm, ranks[-1])
        vectors = self._vectors[self._warm]
        found: dict[int, npt.NDArray[np.float64]] = {}
        for rank in ranks:
            if found and rank > len(most.values):
                found[rank] = found[max(found)]
                continue
            kernel = low_rank(most.leading(rank), vectors, config.reg or 0.0, config.text or 0.0)
            scores = self._scores(kernel, rows, self._warm, config)
            found[rank] = self.ndcgs(scores, self._warm)
        return found

    def _scores(
        self, kernel: LowRank, rows: sp.csr_matrix, columns: IntArray, config: KernelConfig
    ) -> Scores:
        return lambda scenario, places: kernel.scores(
            self.asked(rows, columns, config, scenario, places)
        )

    def factored(self, config: KernelConfig, columns: IntArray) -> tuple[sp.csr_matrix, Factors]:
        """The interactions over the popular or all warm items, often the same ones."""
        key = config.least, config.decay, config.near, columns.tobytes()
        if key not in self._factors:
            self._factors[key] = self._factored(config, columns, min(config.rank or _RANK, _RANK))
        return self._factors[key]

    def _factored(
        self, config: KernelConfig, columns: IntArray, rank: int
    ) -> tuple[sp.csr_matrix, Factors]:
        rows = weighted(sp.csr_matrix(self.rows(bool(config.decay))[:, columns]), config.least)
        return rows, factored(
            rows, lambda: sp.csr_matrix(self.all_places[:, columns]), config, rank
        )

    def asked(
        self,
        rows: sp.csr_matrix,
        columns: IntArray,
        config: KernelConfig,
        scenario: str | None = None,
        places: IntArray | slice = EVERYBODY,
    ) -> sp.csr_matrix:
        """The histories of users on trial, faded, over some columns, as a scenario reads them.

        If none is given, what was done elsewhere counts in full.
        """
        asked = sp.csr_matrix(rows[self.users[places]])
        asked.sort_indices()
        if config.recency:
            ranks = self.places[places][:, columns].sorted_indices()
            asked.data = asked.data * fading(ranks.data, config.recency)
        if scenario is not None and config.elsewhere != 1:
            away = self.elsewhere(scenario, columns, places)
            asked.data = np.where(away, np.float32(config.elsewhere), np.float32(1)) * asked.data
        return asked


class _NewTrial:
    """A fifth of the items of a split taken as new, to be found in what users on trial liked.

    Args:
        trial: The split.
        seed: Of the draw of the items.
    """

    def __init__(self, trial: _KernelTrial, seed: int) -> None:
        self._trial = trial
        new = np.random.default_rng(seed).permutation(trial.columns)[: len(trial.columns) // 5]
        self._new, self._old = np.sort(new), np.setdiff1d(trial.columns, new)
        liked = trial.rows(decay=False)[trial.users][:, self._new] > 0
        self._some = np.flatnonzero(liked.getnnz(axis=1))
        self._liked = sp.csr_matrix(liked[self._some], dtype=np.float32)

    @property
    def possible(self) -> bool:
        """Whether anybody liked any of them."""
        return len(self._some) > 0 and len(self._old) > 0

    def score(self, config: KernelConfig) -> float:
        """NDCG@10 among the items that are taken as new."""
        trial, vectors = self._trial, self._trial.training.vectors
        rows, factors = trial.factored(config, self._old)
        columns = _text_map(factors, vectors[self._old], rows.getnnz(axis=0), config)
        asked = trial.asked(rows, self._old, config)[self._some]
        scores = np.asarray(asked @ columns) @ vectors[self._new].T
        counts = self._liked.getnnz(axis=1)
        return float(np.mean(ndcg(top_hits(scores, self._liked, 10), counts, 10)))
