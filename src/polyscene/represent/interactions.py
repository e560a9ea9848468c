"""What all users did, as a matrix: the rows that kernels are fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.data.dataset import Dataset, IntArray
from polyscene.represent.strength import Strengths
from polyscene.represent.strength import decay as aged
from polyscene.settings import Scenario, Settings

__all__ = [
    "FLOOR",
    "PIECE",
    "fading",
    "graded",
    "interactions",
    "origins",
    "pieces",
    "places",
    "weighted",
]

FLOOR = 0.2
"""What the strongest dislike still counts as an interaction, in `graded`."""
PIECE = 20
"""How many items of a history, one after the other, are a piece of it."""


def interactions(
    data: Dataset, settings: Settings, now: float, *, decay: bool = True
) -> sp.csr_matrix:
    """Strengths of users (rows) on items (columns), as `gather_history` gives them for each user.

    Events on one item are added up after time decay, and each row is scaled so that its largest
    entry has size 1. An event of no declared scenario counts as in the first scenario that
    recommends items, or else tags, or else in the first. Tags are left out: what users do with
    them is not what they do with items.

    Args:
        data: All events, their items numbered as the targets are.
        settings: The workspace's settings.
        now: The time to count ages from, seconds since 1970-01-01 UTC.
        decay: Whether older events count less, by the half-life of their scenario.

    Returns:
        Shape (users, items), float32. Neutral actions, such as a middling rating, stand in it as
        explicit zeros: they are interactions.
    """
    names = sorted(settings.scenarios, key=lambda n: _rank(settings.scenarios[n]))
    used = np.flatnonzero(data.aimed("item") & (data.target >= 0))
    shape = (len(data.users), len(data.items))
    if not names or not len(used):
        return sp.csr_matrix(shape, dtype=np.float32)
    name = names[0]
    values = Strengths(settings, name)(data)
    if decay:
        half_lives = np.array(
            [
                settings.scenarios.get(scenario, settings.scenarios[name]).half_life_days
                for scenario in (*data.scenarios, name)  # code -1 is the last
            ]
        )
        values *= aged((now - data.timestamp) / half_lives[data.scenario], 1.0)
    values = values[used]
    matrix = sp.csr_matrix((values, (data.user[used], data.target[used])), shape=shape)
    largest = np.zeros(shape[0])
    counts = np.diff(matrix.indptr)
    np.maximum.at(largest, np.repeat(np.arange(shape[0]), counts), np.abs(matrix.data))
    matrix.data /= np.repeat(np.maximum(largest, np.finfo(np.float64).tiny), counts)
    return matrix.astype(np.float32)


def _rank(spec: Scenario) -> int:
    """Where a scenario stands among those whose meaning of an action is taken."""
    return 0 if spec.of_items else 1 if spec.target == "tag" else 2


def places(data: Dataset) -> sp.csr_matrix:
    """How many distinct items ago each user acted on each: 1 for the latest, 2 for the one before.

    By time, and by order of arrival among events without one, as in `gather_history`.

    Args:
        data: All events, their items numbered as the targets are.

    Returns:
        Shape (users, items), float32, with the entries of `interactions`.
    """
    used = _latest(data)
    user = data.user[used]
    rank = np.arange(1, len(used) + 1) - np.searchsorted(user, user)
    return _at(data, used, rank)


def origins(data: Dataset) -> sp.csr_matrix:
    """The code of the scenario of what each user did last with each item, -1 where unknown.

    Args:
        data: All events, their items numbered as the targets are.

    Returns:
        Shape (users, items), float32, with the entries of `interactions`.
    """
    used = _latest(data)
    return _at(data, used, data.scenario[used])


def _latest(data: Dataset) -> IntArray:
    """The last event of each user on each item, those of a user together, latest first."""
    used = np.flatnonzero(data.aimed("item") & (data.target >= 0))[::-1]
    times = np.nan_to_num(data.timestamp[used], nan=-np.inf)
    used = used[np.lexsort((np.arange(len(used)), -times, data.user[used]))]
    pairs = data.user[used] * np.int64(len(data.items)) + data.target[used]
    _, first = np.unique(pairs, return_index=True)
    return np.asarray(used[np.sort(first)])


def _at(data: Dataset, used: IntArray, values: npt.NDArray[np.integer[Any]]) -> sp.csr_matrix:
    """Values of events at their user and item, shape (users, items), float32."""
    places, shape = (data.user[used], data.target[used]), (len(data.users), len(data.items))
    return sp.csr_matrix((values.astype(np.float32), places), shape=shape)


def fading(ranks: npt.NDArray[np.float32], half_life: float) -> npt.NDArray[np.float32]:
    """0.5^((rank - 1) / half-life) for the ranks of `places`; 1 where the half-life is 0."""
    if not half_life:
        return np.ones_like(ranks)
    return np.asarray(np.exp2((1 - ranks) / half_life), np.float32)


def pieces(rows: sp.csr_matrix, ranks: sp.csr_matrix) -> sp.csr_matrix:
    """Each history cut into pieces of 20 items, and once more in the middle of these pieces.

    Items that somebody came to soon after one another stand in both, one or none together. With C
    the result, (CᵀC)_ij is about Σ_users x_i · x_j · max(0, 1 - |rank_i - rank_j| / 20).

    Args:
        rows: What users did, shape (users, items).
        ranks: How many items ago, with the same entries; see `places`.

    Returns:
        Shape (pieces, items).
    """
    rows, ranks = rows.sorted_indices(), ranks.sorted_indices()
    user = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    cut = []
    for start in (0, PIECE // 2):
        number = (ranks.data.astype(np.int64) - 1 + start) // PIECE
        _, piece = np.unique(np.stack([user, number]), axis=1, return_inverse=True)
        shape = (int(piece.max(initial=-1)) + 1, rows.shape[1])
        cut.append(sp.csr_matrix((rows.data, (piece.ravel(), rows.indices)), shape=shape))
    return sp.csr_matrix(sp.vstack(cut) * np.float32(np.sqrt(0.5)))


def graded(strengths: npt.NDArray[np.float32], floor: float = FLOOR) -> npt.NDArray[np.float32]:
    """Strengths from -1 to 1 as weights from the floor to 1: that something was tried says most.

    Args:
        strengths: Any shape.
        floor: The weight of the strongest dislike.
    """
    return np.asarray(floor + (1 - floor) * (strengths + 1) / 2, np.float32)


def weighted(rows: sp.csr_matrix, floor: float | None) -> sp.csr_matrix:
    """The same rows with strengths as `graded` weights, or with None as they are. Same shape."""
    if floor is None:
        return rows
    return sp.csr_matrix((graded(rows.data, floor), rows.indices, rows.indptr), shape=rows.shape)
