"""Item vectors: the mean over the vectors of an item's texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from polyscene.component import Vectors
from polyscene.data.dataset import Mask
from polyscene.encoders.base import Encoder
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.represent.whiten import Transform, normalise

__all__ = ["encode_groups", "item_vectors", "mean_by_group"]


def encode_groups(
    groups: Iterable[Sequence[str]], encoder: Encoder, progress: Progress = NO_PROGRESS
) -> Vectors:
    """One unit vector a group of texts: normalise( Σ e(text) ). Shape (number of groups, dim).

    A group without text gives a zero row.

    Args:
        groups: The texts of each record.
        encoder: What embeds a text.
        progress: Where the encoder reports.
    """
    texts: list[str] = []
    owners: list[int] = []
    count = 0
    for group in groups:
        texts.extend(group)
        owners.extend([count] * len(group))
        count += 1
    return mean_by_group(encoder.encode(texts, progress), owners, count)


def item_vectors(raw: Vectors, is_tag: Mask, transform: Transform) -> Vectors:
    """Encoder vectors of items in the space of the targets; tags are centred as tags are.

    Args:
        raw: Shape (items, dim of the encoder).
        is_tag: Which are tags, shape (items,).
        transform: The map.
    """
    vectors = transform(raw)
    vectors[is_tag] = transform(raw[is_tag], "tag")
    return vectors


def mean_by_group(vectors: Vectors, owners: Sequence[int], count: int) -> Vectors:
    """The normalised mean of the rows of each owner, zero for owners without rows.

    Args:
        vectors: Shape (n, dim).
        owners: The owner of each row, from 0 to count - 1, in non-decreasing order.
        count: How many owners there are.

    Returns:
        Shape (count, dim).
    """
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    if len(owners):
        owner = np.asarray(owners)
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        sums[owner[starts]] = np.add.reduceat(vectors, starts, axis=0)
    return normalise(sums)
