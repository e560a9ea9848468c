"""The contrastive loss, with what is known of the behaviour.

For anchors a_i and candidates c_j of a batch, of which c_i is the positive of a_i,

    z_ij = scale · cos(a_i, c_j) - log Q(c_j)
    y_ij = S(a_i, c_j) / Σ_j S(a_i, c_j)
    loss = - mean_i Σ_j y_ij · log softmax_j(z_ij)

S is the strength of the pair, so that a candidate which is known to belong to the anchor too is no
negative, but a target by its strength; with no such candidate y is 1 for the positive alone. The
same is done from the positives to the anchors, without log Q, and the two are averaged. A candidate
that is the anchor itself is left out.

References: van den Oord, Li and Vinyals (2018), InfoNCE; Yi et al. (2019), Sampling-Bias-Corrected
Neural Modeling, RecSys; Gao et al. (2021), GradCache. This module needs torch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["contrast"]


def contrast(
    anchors: Tensor,
    candidates: Tensor,
    labels: Tensor,
    known: sp.csr_matrix,
    log_q: Tensor,
    scale: float,
) -> Tensor:
    """The loss of one batch of B pairs with k hard negatives a pair.

    Args:
        anchors: Vectors, shape (B, dim).
        candidates: Vectors of the positives, then of the negatives, shape (B·(1 + k), dim).
        labels: The nodes of the texts, shape (B, 2 + k).
        known: Strengths by anchor (rows) and target (columns), shape (nodes, nodes).
        log_q: log Q of each node, shape (nodes,).
        scale: By what cosines are multiplied.
    """
    nodes = labels.cpu()
    first, others = nodes[:, 0], nodes[:, 1:].T.reshape(-1)
    count = len(first)
    cosines = functional.normalize(anchors, dim=1) @ functional.normalize(candidates, dim=1).T
    logits = scale * cosines.float()
    strengths = _strengths(known, first.numpy(), others.numpy()).to(logits.device)
    same = (first[:, None] == others[None]) & ~torch.eye(count, len(others), dtype=torch.bool)
    hidden = torch.where(same, -torch.inf, 0.0).to(logits.device)
    there = _soft(logits - log_q[others].to(logits.device) + hidden, strengths)
    back = _soft((logits + hidden)[:, :count].T, strengths[:, :count].T)
    return (there + back) / 2


def _strengths(
    known: sp.csr_matrix, anchors: npt.NDArray[np.int64], others: npt.NDArray[np.int64]
) -> Tensor:
    """S, shape (B, candidates); the own positive of an anchor counts at least as its best."""
    found = np.asarray(known[anchors][:, others].todense(), np.float32)
    found[anchors[:, None] == others[None]] = 0
    own = np.arange(len(anchors))
    found[own, own] = np.maximum(np.maximum(found[own, own], found.max(axis=1)), 1e-6)
    return torch.from_numpy(found)


def _soft(logits: Tensor, strengths: Tensor) -> Tensor:
    """Cross entropy between the strengths, scaled to sum to 1 in each row, and the softmax."""
    targets = strengths / strengths.sum(dim=1, keepdim=True)
    logs = functional.log_softmax(logits, dim=1)
    return -torch.where(targets > 0, targets * logs, 0.0).sum(dim=1).mean()
