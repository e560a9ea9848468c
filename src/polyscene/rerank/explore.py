"""Exploration: some places of a list are drawn, with the probability of what was drawn known.

What is always shown in the same order teaches little of what is not shown. A logged probability
lets later judgements weigh what was drawn by its inverse (inverse propensity scoring).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import IntArray, Mask
from polyscene.settings import Explore

__all__ = ["EXPLORED", "drawn", "more", "seed_of", "slots"]

EXPLORED = "explored"
"""What is said of a target that was drawn in place of the one that would have stood there."""

Values = npt.NDArray[np.float64]


def slots(declared: Explore, n: int) -> list[int]:
    """The places from 0 that are drawn in a list of n, ascending.

    With a share s, place k (from 1) is one where ⌊s·k⌋ > ⌊s·(k-1)⌋.
    """
    if declared.slots:
        return sorted({place - 1 for place in declared.slots if place <= n})
    if not declared.share:
        return []
    steps = np.floor(declared.share * np.arange(n + 1) + 1e-9)
    found: list[int] = np.flatnonzero(np.diff(steps) > 0).tolist()
    return found


def more(declared: Explore, n: int) -> int:
    """How many targets past a list of n its drawn places are drawn among, together."""
    return len(slots(declared, n)) * (declared.among - 1)


def seed_of(words: str) -> int:
    """A seed for draws, the same for the same words."""
    return int.from_bytes(blake2b(words.encode(), digest_size=16).digest(), "big")


def drawn(
    declared: Explore,
    values: Values,
    n: int,
    seed: int,
    *,
    fixed: Collection[int] = (),
    floors: Sequence[Mask] = (),
) -> tuple[IntArray, Values]:
    """What stands in the first n places of a longer list, and the probability that it does.

    The targets past the first n are dealt to the drawn places in turn, so that each can be drawn at
    one place only. The draws are then independent: the probability at a place is p whatever was
    drawn at the others, and that of a whole list is the product. With r the values of a place's
    targets, scaled to [0, 1]:

        softmax  p_i = exp(r_i / t) / Σ_j exp(r_j / t)  ≥ 1 / (among · e^(1/t))
        uniform  p_i = 1 / m, m ≤ among the number of targets

    A target is drawn at a place only if it counts for every floor for which the one counts that
    stands there, so that every floor which holds in the list holds after the draw.
    O(drawn places · (among + floors)).

    Args:
        declared: What is declared.
        values: The values of the longer list, in its order, shape (m,).
        n: Length of the list.
        seed: Of the draws; the same seed draws the same.
        fixed: Places that are not drawn, from 0.
        floors: For each quota and floor which of the longer list count, shape (m,) each.

    Returns:
        Positions in the longer list and probabilities, 1 where nothing is drawn, each of shape
        (min(n, m),).
    """
    length = min(n, len(values))
    order, chances = np.arange(length), np.ones(length)
    open_ = [place for place in slots(declared, n) if place < length and place not in fixed]
    rng = np.random.default_rng(seed)
    for turn, place in enumerate(open_):
        dealt = np.arange(n + turn, len(values), len(open_))[: declared.among - 1]
        for floor in floors:
            if floor[place]:
                dealt = dealt[floor[dealt]]
        group = np.concatenate([[place], dealt])
        chance = _chances(declared, values[group])
        choice = rng.choice(len(group), p=chance)
        order[place], chances[place] = group[choice], chance[choice]
    return order, chances


def _chances(declared: Explore, values: Values) -> Values:
    spread = values.max() - values.min()
    if declared.draw == "uniform" or not spread > 0:
        return np.full(len(values), 1 / len(values))
    weights = np.exp((values - values.max()) / spread / declared.temperature)
    return np.asarray(weights / weights.sum(), np.float64)
