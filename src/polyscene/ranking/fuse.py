"""Fusion: the candidates of several sources as one scored list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from polyscene.component import Candidates
from polyscene.data.dataset import IntArray

__all__ = ["fuse", "joined", "min_max"]


def fuse(
    found: Mapping[str, Sequence[Candidates]], weights: Mapping[str, float]
) -> list[Candidates]:
    """The union of all candidates of each query, in the order of their rows.

    One source keeps its own scores. Several are scaled to [0, 1] for each query (min-max over
    what the source returned) and added with their weights; a source gives 0 to what it did not
    return:

        score(i) = Σ_s w_s · (x_s(i) - min x_s) / (max x_s - min x_s)

    O(queries · targets).

    Args:
        found: The candidates of each query by source, at least one.
        weights: The weight of each source.
    """
    lists = {name: _Lists.of(own) for name, own in found.items()}
    width = 1 + max(int(one.rows.max(initial=-1)) for one in lists.values())
    count = len(next(iter(found.values())))
    cells = {name: one.owners * width + one.rows for name, one in lists.items()}
    place = np.zeros(count * width, np.int32)
    for own in cells.values():
        place[own] = 1
    union = np.flatnonzero(place)
    place[union] = np.arange(len(union))
    scores, parts = np.zeros(len(union), np.float32), {}
    for name, own in cells.items():
        part = np.zeros(len(union), np.float32)
        part[place[own]] = np.float32(weights[name]) * lists[name].scaled()
        parts[name] = part
        scores += part
    rows, starts = union % width, np.searchsorted(union, np.arange(count + 1) * width).tolist()
    fused = []
    for query, (start, end) in enumerate(pairwise(starts)):
        used = [name for name, own in found.items() if len(own[query])]
        if len(used) == 1:
            fused.append(found[used[0]][query])
            continue
        own_parts = {name: parts[name][start:end] for name in used}
        fused.append(Candidates(rows[start:end], scores[start:end], own_parts))
    return fused


@dataclass(frozen=True, slots=True)
class _Lists:
    """The candidates of a source for several queries, one after the other."""

    rows: IntArray
    scores: npt.NDArray[np.float32]
    counts: IntArray
    """How many candidates each query has."""

    @classmethod
    def of(cls, lists: Sequence[Candidates]) -> Self:
        return cls(
            np.concatenate([candidates.rows for candidates in lists]),
            np.concatenate([candidates.scores for candidates in lists]),
            np.array([len(candidates) for candidates in lists], np.int64),
        )

    @property
    def owners(self) -> IntArray:
        """The number of the query of each candidate."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def scaled(self) -> npt.NDArray[np.float32]:
        """`min_max` of the scores of each query."""
        told = self.counts[self.counts > 0]
        if not len(told):
            return self.scores
        starts = np.cumsum(told) - told
        lowest = np.minimum.reduceat(self.scores, starts)
        spread = np.maximum.reduceat(self.scores, starts) - lowest
        level = np.repeat(spread <= 0, told)
        divisor = np.repeat(np.where(spread > 0, spread, np.float32(1)), told)
        return np.where(level, np.float32(1), (self.scores - np.repeat(lowest, told)) / divisor)


def joined(first: Candidates, then: Candidates) -> Candidates:
    """One list after the other; a source that one of them lacks contributed 0 there."""
    length, names = len(first) + len(then), {**first.parts, **then.parts}
    parts = {name: np.zeros(length, np.float32) for name in names}
    for name, part in first.parts.items():
        parts[name][: len(first)] = part
    for name, part in then.parts.items():
        parts[name][len(first) :] = part
    return Candidates(
        rows=np.concatenate([first.rows, then.rows]),
        scores=np.concatenate([first.scores, then.scores]),
        parts=parts,
        marks={**first.marks, **then.marks},
    )


def min_max(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scores scaled to [0, 1]; all 1 where they are equal. Same shape."""
    spread = scores.max() - scores.min()
    if spread <= 0:
        return np.ones_like(scores)
    scaled: npt.NDArray[np.float32] = (scores - scores.min()) / spread
    return scaled
