"""Hard negatives: targets that look right to the model as it is, and are not known to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray
from polyscene.represent.items import mean_by_group
from polyscene.settings import IndexSettings
from polyscene.training.pairs import Pairs
from polyscene.vectors.index import VectorIndex

__all__ = ["hard_negatives"]

_SEARCHED = 50
_MARGIN = 0.95
"""A candidate nearer to the anchor than this share of the positive's cosine is taken for a positive
that nobody has met yet, and left out."""


def hard_negatives(
    pairs: Pairs,
    texts: Sequence[tuple[str, ...]],
    encode: Callable[[list[str]], Vectors],
    k: int,
    seed: int,
) -> IntArray:
    """Nodes near to each anchor that do not belong to it.

    They are searched among the targets of the same scenario and kind with an index of the vectors
    of the model as it is; what belongs to the anchor by any pair is left out, and so is what is
    nearer than 0.95 times the positive. Where too few are left, targets at random fill up.

    Args:
        pairs: The pairs.
        texts: The texts of each node.
        encode: Texts to unit vectors.
        k: How many a pair.
        seed: Of the draws.

    Returns:
        Shape (P, k).
    """
    found = np.zeros((len(pairs), k), np.int64)
    if not k or not len(pairs):
        return found
    nodes = np.unique(np.concatenate([pairs.anchor, pairs.positive]))
    flat = [text for node in nodes for text in texts[node]]
    owners = np.repeat(np.arange(len(nodes)), [len(texts[node]) for node in nodes])
    vectors = mean_by_group(encode(flat), owners.tolist(), len(nodes))
    known = pairs.known(len(texts))
    rng = np.random.default_rng(seed)
    keys = np.unique(np.stack([pairs.scenario, pairs.kind]), axis=1, return_inverse=True)[1]
    for key in np.unique(keys):
        rows = np.flatnonzero(keys == key)
        targets = np.unique(pairs.positive[rows])
        index = VectorIndex.build(vectors[np.searchsorted(nodes, targets)], IndexSettings())
        anchors, inverse = np.unique(pairs.anchor[rows], return_inverse=True)
        own = vectors[np.searchsorted(nodes, anchors)]
        near, cosines = index.search(own, min(_SEARCHED, len(targets)))
        for row, place in zip(rows, inverse, strict=True):
            anchor, positive = pairs.anchor[row], pairs.positive[row]
            best = float(own[place] @ vectors[np.searchsorted(nodes, positive)])
            good = (near[place] >= 0) & (cosines[place] < _MARGIN * best)
            some = targets[near[place][good]]
            right = known.indices[known.indptr[anchor] : known.indptr[anchor + 1]]
            some = some[~np.isin(some, right) & (some != anchor)][: 4 * k]
            if len(some) < k:
                some = np.concatenate([some, rng.choice(targets, k)])
            found[row] = rng.permutation(some)[:k]
    return found
