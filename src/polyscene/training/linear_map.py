"""A linear map from text vectors to the space of the behaviour, in closed form.

    W = (VᵀCV + ρI)⁻¹ VᵀC F        C_ii = n_i / (n_i + 10)

V are the centred text vectors of the items that users came to and n_i their users. F_i·F_j is the
kernel of the behaviour between two items, made symmetric, so that the dot product of two mapped
texts estimates what the behaviour says of them. It takes seconds and no torch. Encoders give unit
vectors, so the size of the estimate, which says how popular a target will be, is lost; the kernel's
own map for items without behaviour keeps it.

Reference: ridge regression to collaborative factors, as in Gantner et al. (2010), Learning
Attribute-to-Feature Mappings for Cold-Start Recommendations, ICDM.
"""

from __future__ import annotations

import numpy as np

from polyscene.component import Vectors
from polyscene.errors import DataError
from polyscene.training.pairs import Behaviour

__all__ = ["linear_map"]

_DOUBT = 10.0
"""At how many users an item counts half."""


def linear_map(vectors: Vectors, said: Behaviour, reg: float, components: int) -> Vectors:
    """W, to be multiplied with text vectors from the right. O(n·dim² + dim³).

    Args:
        vectors: Text vectors of all items, shape (items, dim); zero for items without text.
        said: The kernel of the behaviour.
        reg: ρ, as a multiple of the mean eigenvalue of VᵀCV.
        components: Length of the mapped vectors, at most.

    Returns:
        Shape (dim, m), m = min(components, rank of the behaviour, dim).

    Raises:
        DataError: When no two items have both text and behaviour.
    """
    told = np.any(vectors[said.warm], axis=1)
    known, target = vectors[said.warm[told]].astype(np.float64), said.vectors[told]
    if told.sum() < 2:
        raise DataError(
            f"{told.sum()} items have both text and users enough; a map needs two, and better a "
            "thousand"
        )
    counts = said.counts[told]
    trust = (counts / (counts + _DOUBT))[:, None]
    inner = known.T @ (trust * known)
    inner += reg * np.trace(inner) / len(inner) * np.eye(len(inner))
    full = np.linalg.solve(inner, known.T @ (trust * target))
    # The dot products of the mapped vectors are V·WWᵀ·Vᵀ: its leading directions are kept.
    values, directions = np.linalg.eigh(full @ full.T)
    kept = np.argsort(-values)[: min(components, np.linalg.matrix_rank(full))]
    return np.asarray(directions[:, kept] * np.sqrt(np.maximum(values[kept], 0)), np.float32)
