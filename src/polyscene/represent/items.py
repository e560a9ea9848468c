"""Item vectors: the mean over the vectors of an item's texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from polyscene.component import Vectors
from polyscene.encoders.base import Encoder
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.represent.whiten import normalise

__all__ = ["encode_groups", "mean_by_group"]


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
