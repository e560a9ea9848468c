"""The features of a question and some targets, as columns.

    fused            Σ_s w_s · x_s / Σ_s w_s, the fused score in [0, 1]
    NAME             x_s of each source, the score as fusion scales it; times w_s its contribution
    NAME raw         the score of the source itself
    user cosine, stated cosine
                     the target's text with the user vector, and with what the user states
    nearest cosine, near cosine
                     with the nearest history item that was liked, and the mean of the three nearest
    recent cosine    mean with the latest five entries of the history
    disliked cosine  with the nearest history item that was disliked
    tags, attributes, stated tags
                     cosines of what is shared; see `polyscene.ranking.overlap`
    age              log(1 + days since the target appeared)
    events 7d, events 30d, events, events here
    rate of TASK     see `polyscene.ranking.activity`
    history, mean strength, dislikes
                     log(1 + entries) of the history, their mean strength, and the share below 0

x_s is 1 for the best allowed target of a question and 0 for the 300th; below, it falls to -1 at
most, and counts a hundredth in `fused`, so that this orders as the fused list does and still tells
apart what no list reaches. A feature that is not defined is NaN: a source that the scenario does
not name, a date that is not known, a history that is empty.

    position        log of the place at which it was shown, less the median log of its scenario

The last is there only where the log knows places. It is known while models learn, so that what is
acted on because it stands in front is not taken for what fits; in what they predict it is 0, the
median place, for every target (Zhao et al. 2019, Recommending What Video to Watch Next, RecSys).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from polyscene.component import History, Query, Vectors
from polyscene.data.dataset import IntArray
from polyscene.data.schema import User
from polyscene.ranking.activity import WINDOWS, Activity
from polyscene.ranking.examples import FUSED, POSITION
from polyscene.ranking.overlap import Overlap
from polyscene.represent.strength import SECONDS_A_DAY

__all__ = ["FeatureBuilder", "fused_column"]

_DEPTH = 300
"""The place at which a scaled score is 0: as many candidates as are fused."""
_BELOW = np.float32(0.01)
"""What a scaled score below 0 counts."""
_LATEST = 200
"""History entries that texts are compared with, at most: the latest."""
_TEXTS = (
    "user cosine", "stated cosine", "nearest cosine", "near cosine", "recent cosine",
    "disliked cosine",
)  # fmt: skip
_SHARED = ("tags", "attributes", "stated tags")
_HISTORY = ("history", "mean strength", "dislikes")

Table = npt.NDArray[np.float32]


class FeatureBuilder:
    """Builds the features of one question at a time.

    Args:
        sources: The names of all sources, whatever scenario names them.
        tasks: The names of all tasks.
        activity: The counts of the events.
        positioned: Whether places are known, so that `position` is a feature.
    """

    def __init__(
        self,
        sources: Sequence[str],
        tasks: Sequence[str],
        activity: Activity,
        positioned: bool = False,
    ) -> None:
        self._sources = tuple(sources)
        self._activity = activity
        self.names: tuple[str, ...] = (
            FUSED,
            *self._sources,
            *(f"{name} raw" for name in self._sources),
            *_TEXTS,
            *_SHARED,
            "age",
            *(f"events {days}d" for days in WINDOWS),
            "events",
            "events here",
            *(f"rate of {task}" for task in tasks),
            *_HISTORY,
            *([POSITION] if positioned else []),
        )
        self._positioned = positioned

    def __call__(
        self,
        query: Query,
        user: User,
        rows: IntArray,
        said: Mapping[str, Vectors],
        weights: Mapping[str, float],
        overlap: Overlap,
        positions: npt.NDArray[np.float64] | None = None,
    ) -> Table:
        """The features of some targets, shape (m, f). O(targets + m · dim · history).

        Args:
            query: The question.
            user: Who asks.
            rows: Rows of the targets, shape (m,).
            said: The score of every target by source, each of shape (targets,).
            weights: The weight of each source.
            overlap: The tags and attributes of the space.
            positions: The place of each where it was shown, from 1, NaN where it is not known; then
                `position` is its log, not centred. None for 0.
        """
        table = np.full((len(rows), len(self.names)), np.nan, np.float32)
        for place, name in enumerate(self._sources, start=1):
            if name in said:
                scaled, raw = _scaled(said[name], query.allowed, rows)
                table[:, place] = scaled
                table[:, place + len(self._sources)] = raw
        start = 1 + 2 * len(self._sources)
        table[:, 0] = fused_column(table[:, 1 : 1 + len(self._sources)], self._sources, weights)
        columns = [*_texts(query, rows), *overlap(query.history, user.tags, rows)]
        days = (query.now - query.space.published_at[rows]) / SECONDS_A_DAY
        columns.append(np.log1p(np.maximum(days, 0)))
        table[:, start : start + len(columns)] = np.stack(columns, axis=1)
        rest, counts = _of_history(query.history), self._activity(query.scenario, rows)
        start, end = start + len(columns), len(self.names) - self._positioned
        table[:, start : end - len(rest)] = counts
        table[:, end - len(rest) : end] = rest
        if self._positioned:
            table[:, end] = 0.0 if positions is None else np.log(positions)
        return table


def fused_column(scaled: Table, sources: Sequence[str], weights: Mapping[str, float]) -> Table:
    """The fused score by scaled scores of shape (m, sources); shape (m,)."""
    weight = np.array([weights.get(name, 0.0) for name in sources], np.float32)
    told = np.nan_to_num(scaled, nan=0.0)
    parts = np.where(told < 0, _BELOW * told, told)
    return np.asarray(parts @ weight / np.float32(weight.sum() or 1.0), np.float32)


def _scaled(scores: Vectors, allowed: npt.NDArray[np.bool_], rows: IntArray) -> tuple[Table, Table]:
    """The scaled and the raw scores of some targets, each of shape (m,)."""
    told = scores[allowed & np.isfinite(scores)]
    raw = scores[rows]
    if not len(told):
        return np.zeros(len(rows), np.float32), np.full(len(rows), np.nan, np.float32)
    most = told.max()
    edge = max(len(told) - _DEPTH, 0)
    least = np.partition(told, edge)[edge]
    silent = ~np.isfinite(raw)
    if most <= least:
        scaled = (raw >= least).astype(np.float32)
    else:
        scaled = np.clip((np.where(silent, least, raw) - least) / (most - least), -1, 1)
    return np.where(silent, np.float32(-1), scaled), np.where(silent, np.float32(np.nan), raw)


def _texts(query: Query, rows: IntArray) -> list[Table]:
    vectors, history = query.space.vectors[rows], query.history
    columns: list[Table] = [vectors @ query.vector, vectors @ query.interests]
    near = vectors @ history.items[history.rows[:_LATEST]].T
    strengths = history.strengths[:_LATEST]
    liked, disliked = near[:, strengths > 0], near[:, strengths < 0]
    columns.append(_top(liked, 1))
    columns.append(_top(liked, 3))
    columns.append(near[:, :5].mean(axis=1) if near.shape[1] else _top(near, 1))
    columns.append(_top(disliked, 1))
    return columns


def _top(near: Table, count: int) -> Table:
    """The mean of the largest of each row, NaN without any; shape (m,)."""
    width = near.shape[1]
    if not width:
        return np.full(len(near), np.nan, np.float32)
    if width > count:
        near = np.partition(near, width - count, axis=1)[:, width - count :]
    return np.asarray(near.mean(axis=1), np.float32)


def _of_history(history: History) -> tuple[float, float, float]:
    strengths = history.undecayed
    if not len(strengths):
        return 0.0, np.nan, np.nan
    return np.log1p(len(strengths)), float(strengths.mean()), float((strengths < 0).mean())
