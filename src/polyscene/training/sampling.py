"""Which pairs make which batch, and how likely a target is to be in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import IntArray
from polyscene.training.pairs import Pairs

__all__ = ["batches", "chances", "log_q"]

_DAMPING = 0.5
"""The power of an anchor's number of pairs by which it is drawn: 1 follows popularity, 0 ignores
it."""


def chances(pairs: Pairs) -> npt.NDArray[np.float64]:
    """The probability that a draw from the batch's scenario and kind gives each pair, shape (P,).

    An anchor is drawn in proportion to the square root of how often others lead to it, and its
    positive in proportion to the strength of the pair.
    """
    found = np.zeros(len(pairs))
    for rows in _groups(pairs).values():
        anchors, strength = pairs.anchor[rows], pairs.strength[rows].astype(np.float64)
        size = int(max(anchors.max(), pairs.positive[rows].max())) + 1
        total = np.bincount(anchors, strength, size)
        popular = (1 + np.bincount(pairs.positive[rows], minlength=size)) ** _DAMPING
        chance = popular[anchors] * strength / total[anchors]
        found[rows] = chance / chance.sum()
    return found


def batches(
    pairs: Pairs,
    count: int,
    size: int,
    weights: Mapping[str, float],
    seed: int,
) -> list[IntArray]:
    """The pairs of each batch: of one scenario and kind, no target twice.

    Targets of another kind would be told apart too easily to teach anything. A scenario comes in
    proportion to how many pairs it has, times its weight.

    Args:
        pairs: The pairs.
        count: How many batches.
        size: Pairs of a batch, at most; fewer where a group has fewer targets.
        weights: By scenario; 1 where it is left out.
        seed: Of the draws.

    Returns:
        `count` arrays of numbers of pairs.
    """
    rng = np.random.default_rng(seed)
    groups, chance = _groups(pairs), chances(pairs)
    shares = np.array(
        [weights.get(pairs.scenarios[code], 1.0) * len(rows) for (code, _), rows in groups.items()]
    )
    drawn = rng.choice(len(shares), count, p=shares / shares.sum())
    rows = list(groups.values())
    return [_batch(pairs, rows[group], chance[rows[group]], size, rng) for group in drawn]


def _batch(
    pairs: Pairs,
    rows: IntArray,
    chance: npt.NDArray[np.float64],
    size: int,
    rng: np.random.Generator,
) -> IntArray:
    """Some of the rows with distinct anchors and distinct positives."""
    drawn = rows[rng.choice(len(rows), 4 * size, p=chance)]
    for column in (pairs.positive, pairs.anchor):
        _, first = np.unique(column[drawn], return_index=True)
        drawn = drawn[np.sort(first)]
    return drawn[:size]


def log_q(pairs: Pairs, nodes: int) -> npt.NDArray[np.float32]:
    """Log Q of each node as a positive: how likely a draw of its group gives it.

    Nodes that are no positive have the mean. Shape (nodes,).
    """
    total = np.bincount(pairs.positive, chances(pairs), nodes)
    known = total > 0
    found = np.zeros(nodes)
    found[known] = np.log(total[known])
    if known.any():
        found[~known] = found[known].mean()
    return found.astype(np.float32)


def _groups(pairs: Pairs) -> dict[tuple[int, int], IntArray]:
    """The pairs of each scenario and kind."""
    keys: Sequence[tuple[int, int]] = list(
        zip(pairs.scenario.tolist(), pairs.kind.tolist(), strict=True)
    )
    return {
        key: np.flatnonzero((pairs.scenario == key[0]) & (pairs.kind == key[1]))
        for key in sorted(set(keys))
    }
