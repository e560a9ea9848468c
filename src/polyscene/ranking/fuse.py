"""Fusion: the candidates of several sources as one scored list."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from polyscene.component import Candidates

__all__ = ["fuse", "joined", "min_max"]

Column = npt.NDArray[np.float64]


def fuse(found: Mapping[str, Candidates], weights: Mapping[str, float]) -> Candidates:
    """The union of all candidates, best first.

    One source keeps its own scores. Several are scaled to [0, 1] for each query (min-max over
    what the source returned) and added with their weights; a source gives 0 to what it did not
    return:

        score(i) = Σ_s w_s · (x_s(i) - min x_s) / (max x_s - min x_s)

    Args:
        found: Candidates by source.
        weights: The weight of each source.
    """
    used = {name: candidates for name, candidates in found.items() if len(candidates)}
    if len(used) == 1:
        return next(iter(used.values()))
    if not used:
        none = np.zeros(0, np.float32)
        return next(iter(found.values()), Candidates(np.zeros(0, np.int64), none))
    rows = np.unique(np.concatenate([candidates.rows for candidates in used.values()]))
    scores = np.zeros(len(rows), np.float32)
    parts = {}
    for name, candidates in used.items():
        places = np.searchsorted(rows, candidates.rows)
        part = np.zeros(len(rows), np.float32)
        part[places] = weights[name] * min_max(candidates.scores)
        parts[name] = part
        scores += part
    order = np.lexsort((rows, -scores))
    return Candidates(rows, scores, parts).take(order)


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
        tasks=_joined_columns(first.tasks, then.tasks, first, then),
        steps=_joined_columns(first.steps, then.steps, first, then),
    )


def _joined_columns(
    own: Mapping[str, Column], others: Mapping[str, Column], first: Candidates, then: Candidates
) -> dict[str, Column]:
    """The columns of two lists, NaN where one of them has none."""
    nothing = np.full(len(first), np.nan), np.full(len(then), np.nan)
    return {
        name: np.concatenate([own.get(name, nothing[0]), others.get(name, nothing[1])])
        for name in {**own, **others}
    }


def min_max(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scores scaled to [0, 1]; all 1 where they are equal. Same shape."""
    spread = scores.max() - scores.min()
    if spread <= 0:
        return np.ones_like(scores)
    scaled: npt.NDArray[np.float32] = (scores - scores.min()) / spread
    return scaled
