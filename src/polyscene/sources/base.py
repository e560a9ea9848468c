"""The source contract: a query in, candidates with scores out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import Candidates, Component, Path, Precedent, Query, Vectors
from polyscene.data.dataset import Dataset, IntArray
from polyscene.settings import Settings

__all__ = [
    "SILENT",
    "Live",
    "Source",
    "away",
    "barred",
    "best",
    "history_rows",
    "leading",
    "nothing",
    "put",
    "spread",
]

SILENT = np.float32(-np.inf)
"""The score of a target of which a source says nothing."""
_LOWEST = np.finfo(np.float32).min
"""The lowest score of one of which it says something."""
_GROUP = 8
"""Columns whose highest score stands for them when the best are looked for."""


class Source(Component):
    """Produces candidates for a query."""

    family: ClassVar[str] = "source"
    usual: ClassVar[float] = 0.3
    """The weight in a fused score where it is "auto" and there is nothing to choose it by."""
    stated: ClassVar[bool] = False
    """Whether the stated interests of the user have a part in its scores."""

    @abstractmethod
    def scores(self, queries: Sequence[Query]) -> Vectors:
        """The score of every target for each query, whether or not it is allowed.

        Args:
            queries: Questions in one scenario over one space.

        Returns:
            Shape (number of queries, number of targets), float32; `SILENT` where the source has
            nothing to go on, such as everywhere for a user without history.
        """

    def some(self, queries: Sequence[Query], rows: IntArray) -> Vectors:
        """`scores` of some targets: faster where a source need not look at the others.

        Args:
            queries: Questions in one scenario over one space.
            rows: The targets, ascending, each once, shape (m,).

        Returns:
            Shape (number of queries, m), float32.
        """
        return self.scores(queries)[:, rows]

    def close_to(self, row: int, n: int) -> IntArray:
        """About the n targets that an event on an item speaks for most, where a source can tell.

        Args:
            row: The item.
            n: How many, at most.
        """
        return np.zeros(0, np.int64)

    def support(self, query: Query, rows: IntArray) -> IntArray | None:
        """The rows of the history items that produced the score of each target.

        Args:
            query: The question.
            rows: The targets, shape (m,).

        Returns:
            Shape (m, k), -1 past the last; None when the source has none.
        """
        return None

    def paths(self, query: Query, rows: IntArray) -> Sequence[Path | None] | None:
        """What connects each target with the history; None when the source has none."""
        return None

    def precedents(self, query: Query, rows: IntArray) -> Sequence[Sequence[Precedent]] | None:
        """What was done about contexts that speaks for each target, what gave most first.

        None when the source does not look at contexts.
        """
        return None

    def friends(self, query: Query, rows: IntArray) -> IntArray | None:
        """How many of the user's friends acted on each target, of those its score rests on.

        Shape (m,); -1 where it rests on friends who cannot be counted, 0 where on none. None when
        the source knows no friends, or may not tell of them.
        """
        return None

    def __call__(self, query: Query) -> Candidates:
        """Up to `query.n` allowed targets, best first, each once.

        Empty when the source has nothing to go on.
        """
        (found,) = self.candidates([query], self.scores([query]))
        return found.take(np.argsort(-found.scores, kind="stable"))

    def candidates(
        self, queries: Sequence[Query], scores: Vectors, out: IntArray | None = None
    ) -> list[Candidates]:
        """The best allowed targets of each query, up to `query.n`, in the order of their rows.

        Of equal scores the lower rows are taken. O(queries · targets).

        Args:
            queries: The questions; all want as many.
            scores: What `scores` gives for them, in one piece; changed in place.
            out: What `barred` says of the questions, where it was asked before.
        """
        if not queries:
            return []
        scores.reshape(-1)[barred(queries) if out is None else out] = SILENT
        places, starts = leading(scores, queries[0].n), np.arange(len(queries) + 1)
        starts *= scores.shape[1]
        found, cuts = scores.ravel()[places], np.searchsorted(places, starts)
        rows = places - np.repeat(starts[:-1], np.diff(cuts))
        lists = []
        for start, end in pairwise(cuts.tolist()):
            own = found[start:end]
            lists.append(Candidates(rows[start:end], own, {self.name: own}))
        return lists


@runtime_checkable
class Live(Protocol):
    """A source that takes in events between two fits."""

    last: int
    """The number of the last event that it knows; 0 for none."""

    def follow(self, data: Dataset, settings: Settings, now: float) -> None:
        """Take in events; other threads may ask it meanwhile.

        Args:
            data: The events after `last`, over the rows of the model, which may have become more.
            settings: The workspace's settings.
            now: The time to count ages from, seconds since 1970-01-01 UTC.
        """


def barred(queries: Sequence[Query]) -> IntArray:
    """Places, in the flattened scores of queries, of targets that are not allowed; ascending."""
    return np.flatnonzero(~np.stack([query.allowed for query in queries]))


def nothing(queries: Sequence[Query]) -> Vectors:
    """`SILENT` for every target of each query. Shape (number of queries, number of targets)."""
    targets = len(queries[0].allowed) if queries else 0
    return np.full((len(queries), targets), SILENT, np.float32)


def spread(queries: Sequence[Query], told: Sequence[int] | IntArray, found: Vectors) -> Vectors:
    """The scores of all queries, `SILENT` for those that nothing is said for.

    Args:
        queries: All questions.
        told: The places of some or all, each once, ascending.
        found: Their scores, shape (told, targets); returned as they are where all are told.
    """
    if len(told) == len(queries):
        return found
    scores = nothing(queries)
    scores[told] = found
    return scores


def put(scores: Vectors, queries: IntArray, targets: IntArray, values: Vectors) -> None:
    """Set the scores of some targets for some queries, in place.

    Args:
        scores: Shape (all queries, all targets).
        queries: Which queries, each once.
        targets: Which targets.
        values: Shape (queries, targets).
    """
    if len(queries) == len(scores):  # half the time of an index for both
        scores[:, targets] = values
    else:
        scores[np.ix_(queries, targets)] = values


def history_rows(
    queries: Sequence[Query], columns: IntArray, *, decay: bool
) -> tuple[sp.csr_matrix, npt.NDArray[np.float32]]:
    """The histories as a matrix of strengths, as `represent.interactions` has them.

    Args:
        queries: The questions.
        columns: Rows of the items to keep, ascending.
        decay: Whether older events count less.

    Returns:
        Shape (queries, columns), float32; neutral actions are explicit zeros. And for each
        entry its place in the history, 1 for the latest.
    """
    histories, width = [query.history for query in queries], len(columns)
    rows, ends = _entries(queries)
    values = [history.strengths if decay else history.undecayed for history in histories]
    data = np.concatenate([np.zeros(0, np.float32), *values])
    ranks = np.arange(1, len(rows) + 1) - np.repeat(ends[:-1], np.diff(ends))
    places, known = _known(rows, columns)
    starts = np.append(0, np.cumsum(known))[ends]
    matrix = sp.csr_matrix((data[known], places[known], starts), shape=(len(queries), width))
    return matrix, ranks[known].astype(np.float32)


def away(queries: Sequence[Query], columns: IntArray) -> npt.NDArray[np.bool_]:
    """Which entries of `history_rows` are of other scenarios than is asked. Shape (entries,)."""
    rows, _ = _entries(queries)
    there = [query.history.elsewhere(query.scenario) for query in queries]
    return np.concatenate([np.zeros(0, np.bool_), *there])[_known(rows, columns)[1]]


def _entries(queries: Sequence[Query]) -> tuple[IntArray, IntArray]:
    """The rows of all histories one after the other, and where each begins and the last ends."""
    histories = [query.history for query in queries]
    rows = np.concatenate([np.zeros(0, np.int64), *(history.rows for history in histories)])
    return rows, np.cumsum([0, *map(len, histories)])


def _known(rows: IntArray, columns: IntArray) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """The place of each row among ascending columns, and which have one."""
    places = np.minimum(np.searchsorted(columns, rows), max(len(columns) - 1, 0))
    known = columns[places] == rows if len(columns) else np.zeros(len(rows), np.bool_)
    return places, known


def leading(scores: Vectors, n: int) -> IntArray:
    """Places in the flattened scores of the n highest of each row but for `SILENT`, ascending.

    Of equal scores the first are taken. The n-th highest of the maxima of groups of columns is a
    lower bound of the n-th highest score, so that few scores have to be put in order. O(scores).

    Args:
        scores: Shape (queries, targets).
        n: How many of each row.
    """
    count, width = scores.shape
    groups, bound = width // _GROUP, np.full((count, 1), _LOWEST)
    if n < groups:
        heads = scores[:, :groups].copy()
        for start in range(groups, groups * _GROUP, groups):
            np.maximum(heads, scores[:, start : start + groups], out=heads)
        edges = np.partition(heads, groups - n, axis=1)[:, groups - n, None]
        bound = np.maximum(edges, bound)
    places = np.flatnonzero(scores >= bound)
    counts = np.diff(np.searchsorted(places, np.arange(count + 1) * width))
    most = int(counts.max(initial=0))
    if most <= n:
        return places
    table = np.full((count, most), SILENT, np.float32)
    filled = np.arange(most) < counts[:, None]
    table[filled] = scores.ravel()[places]
    edge = np.maximum(np.partition(table, most - n, axis=1)[:, most - n, None], _LOWEST)
    kept = table >= edge
    over = np.flatnonzero(np.count_nonzero(kept, axis=1) > n)
    if len(over):  # of those that equal the edge the first are kept
        equal = table[over] == edge[over]
        room = n + np.count_nonzero(equal, axis=1) - np.count_nonzero(kept[over], axis=1)
        kept[over] &= ~equal | (np.cumsum(equal, axis=1) <= room[:, None])
    return np.asarray(places[kept[filled]])


def best(
    scores: npt.NDArray[np.float32], rows: IntArray, n: int
) -> tuple[IntArray, npt.NDArray[np.float32]]:
    """The n highest scores and their rows, best first; ties by row. O(m + n log n).

    Args:
        scores: Shape (m,).
        rows: The row of each score, ascending, shape (m,).
        n: How many to keep.
    """
    if n < len(scores):
        edge = np.partition(scores, len(scores) - n)[len(scores) - n]
        kept = np.flatnonzero(scores >= edge)
    else:
        kept = np.arange(len(scores))
    order = kept[np.argsort(-scores[kept], kind="stable")][:n]
    return rows[order], scores[order]
