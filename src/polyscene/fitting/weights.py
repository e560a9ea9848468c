"""Choosing how much each source counts in a scenario, on what was held out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import Query, Vectors
from polyscene.data.dataset import IntArray
from polyscene.fitting.model import Fusion
from polyscene.metrics.ranking import ndcg
from polyscene.ranking.fuse import min_max
from polyscene.settings import Scenario
from polyscene.sources import Source
from polyscene.sources.trial import top_places

__all__ = [
    "DEPTH",
    "Found",
    "Scored",
    "choose_weights",
    "declared_weights",
    "found_by",
    "scored",
]

DEPTH = 300
"""Candidates of a source that are fused, at least."""
_AT = 10
_VALUES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)
_ROUNDS = 3
_CERTAINTY = 1.0
"""By how many standard errors a change of weight must be better to be taken."""
_LEAST = np.float32(1e-30)
"""The scaled score of the lowest candidate: nothing, but not the 0 of what was not returned."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What each source gave to each candidate of some users, in a table.

    The candidates of a user stand in a row, with what no source returned at its end.
    """

    users: IntArray
    """Rows of the users, shape (users,)."""
    parts: dict[str, Vectors]
    """Min-max scores by source, above 0 for what it returned, else 0. Shape (users, width)."""
    right: npt.NDArray[np.bool_]
    """Whether a candidate is relevant, shape (users, width)."""
    counts: npt.NDArray[np.int64]
    """How many targets are relevant for each user, among the candidates or not."""

    def ndcg(self, weights: Mapping[str, float]) -> npt.NDArray[np.float64]:
        """NDCG@10 of each user with these weights.

        As the engine lists them: all that the sources of weight returned, the lowest as well, then
        what those of weight 0 returned, one after the other. Only what fills lists up beyond the
        sources named here, and rewards, are left out.
        """
        total: Vectors = np.zeros(self.right.shape, np.float32)
        for name, weight in weights.items():
            if weight:
                total += np.float32(weight) * self.parts[name]
        total[total <= 0] = -np.inf
        self._fill_up(total, [name for name, weight in weights.items() if not weight])
        top = top_places(total, _AT)
        hits = np.take_along_axis(self.right, top, axis=1)
        hits &= np.isfinite(np.take_along_axis(total, top, axis=1))
        return ndcg(hits, self.counts, _AT)

    def _fill_up(self, total: Vectors, reserve: Sequence[str]) -> None:
        """Put what the sources in reserve returned behind lists of less than ten, in place."""
        short = np.flatnonzero(np.isfinite(total).sum(axis=1) < _AT)
        lists = total[short]
        for behind, name in enumerate(reserve, start=1):
            part = self.parts[name][short]
            rest = np.isneginf(lists) & (part > 0)
            lists[rest] = part[rest] - 2 * behind
        total[short] = lists


def declared_weights(
    spec: Scenario, sources: Mapping[str, Source], chosen: Mapping[str, float] | None = None
) -> dict[str, float]:
    """The weights of a scenario: as declared, else as a fit chose them, else the usual ones."""
    known = chosen or {}
    return {
        name: known.get(name, sources[name].usual) if weight == "auto" else weight
        for name, weight in spec.sources.items()
    }


@dataclass(frozen=True, slots=True)
class Found:
    """The best candidates of one source for some questions, a list each."""

    rows: list[IntArray]
    """Rows of the targets, best first."""
    values: list[npt.NDArray[np.float32]]
    """Their min-max scores, above 0."""


def found_by(sources: Mapping[str, Source], asked: Iterable[Sequence[Query]]) -> dict[str, Found]:
    """What each source returns.

    Args:
        sources: The sources, fitted.
        asked: The questions in one scenario, some at a time; no more are in memory.
    """
    found = {name: Found([], []) for name in sources}
    for queries in asked:
        for name, source in sources.items():
            for one in source.candidates(queries, source.scores(queries)):
                found[name].rows.append(one.rows)
                given = min_max(one.scores) if len(one) else one.scores
                found[name].values.append(np.maximum(given, _LEAST))
    return found


def scored(found: Mapping[str, Found], users: IntArray, relevant: sp.csr_matrix) -> Scored:
    """The best candidates of every source, laid out in a table.

    Args:
        found: What each source returned; at least one.
        users: Rows of the users who ask, shape (queries,).
        relevant: What is right, shape (queries, targets).
    """
    lists = [own.rows for own in found.values()]
    unions = [np.unique(np.concatenate(own)) for own in zip(*lists, strict=True)]
    shape = (len(users), max((len(union) for union in unions), default=0) or 1)
    parts = {name: np.zeros(shape, np.float32) for name in found}
    right = np.zeros(shape, np.bool_)
    for place, union in enumerate(unions):
        for name, own in found.items():
            parts[name][place, np.searchsorted(union, own.rows[place])] = own.values[place]
        wanted = relevant.indices[relevant.indptr[place] : relevant.indptr[place + 1]]
        right[place, : len(union)] = np.isin(union, wanted)
    return Scored(users, parts, right, np.asarray(relevant.getnnz(axis=1), np.int64))


def choose_weights(tables: Sequence[Scored], fixed: Mapping[str, float | str]) -> Fusion:
    """The weights with the best NDCG@10, one varied at a time from the best single source.

    Of the sources that are not worse than the best by a standard error it is the first declared. A
    weight is changed where another is better by a standard error of the difference, to the nearest
    that is as good as the best but for a standard error: on few users most differences are chance.
    What a user has in several splits is averaged first: the same user again is no further evidence.

    Args:
        tables: One for each split, with the same sources.
        fixed: The weight of each source, or "auto".
    """
    everyone = np.concatenate([table.users for table in tables])
    users, place, splits = np.unique(everyone, return_inverse=True, return_counts=True)

    def values(weights: Mapping[str, float]) -> npt.NDArray[np.float64]:
        found = np.concatenate([table.ndcg(weights) for table in tables])
        return np.bincount(place, weights=found) / splits

    names = list(fixed)
    single = {name: values({name: 1.0}) for name in names}
    free = [name for name in names if fixed[name] == "auto"]
    weights = {name: 0.0 if fixed[name] == "auto" else float(fixed[name]) for name in names}
    if free and not any(weights.values()):
        strongest = max(free, key=lambda name: float(single[name].mean()))
        leader = next(name for name in free if not _better(single[strongest] - single[name]))
        weights[leader] = 1.0
        free.remove(leader)
    best = values(weights)
    for _ in range(_ROUNDS):
        before = dict(weights)
        for name in free:
            tried = {value: values(weights | {name: value}) for value in _VALUES}
            top = max(tried.values(), key=lambda own: float(own.mean()))
            if not _better(top - best):
                continue
            near = [value for value, own in tried.items() if not _better(top - own)]
            value = min(near, key=lambda value: abs(value - weights[name]))
            weights, best = weights | {name: value}, tried[value]
        if weights == before:
            break
    return Fusion(
        weights=weights,
        alone={name: float(np.mean(own)) for name, own in single.items()},
        ndcg=float(best.mean()) if len(users) else None,
        users=len(users),
    )


def _better(gain: npt.NDArray[np.float64]) -> bool:
    """Whether a gain over users is above 0 by more than its standard error."""
    mean, error = float(gain.mean()), float(gain.std()) / np.sqrt(len(gain))
    return mean > 0 and mean > _CERTAINTY * error
