"""How much a distribution has moved."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["popularity_shift"]

Counts = npt.NDArray[np.int64]

_SMOOTHING = 0.5
"""What is added to the count of each group, so that an empty one has a logarithm."""


def popularity_shift(before: Counts, after: Counts, groups: int = 10) -> float:
    """Population stability index of what is popular, at least 0; NaN where one side has no counts.

        Σ over groups of (q − p) · ln(q / p)

    Targets are ordered by how often they came before, and cut into groups of about equal counts;
    those that never came before are one more. p and q are the shares of the groups before and
    after, each count raised by 0.5. By custom, below 0.1 little has moved, above 0.25 much. Where
    nothing has moved, chance leaves some (groups − 1) · (1/before + 1/after): few counts tell
    nothing. O(n log n).

    Args:
        before: How often each target came before, shape (number of targets,).
        after: How often each came since.
        groups: Into how many groups those that came before are cut, at most.
    """
    if not before.sum() or not after.sum():
        return float("nan")
    order = np.argsort(-before, kind="stable")
    middle = np.cumsum(before[order]) - before[order] / 2
    group = np.minimum(groups * middle / before.sum(), groups - 1).astype(np.int64)
    group[before[order] == 0] = groups
    _, group = np.unique(group, return_inverse=True)
    shares = []
    for counts in (before, after):
        sums = np.bincount(group, counts[order]) + _SMOOTHING
        shares.append(sums / sums.sum())
    p, q = shares
    return float(((q - p) * np.log(q / p)).sum())
