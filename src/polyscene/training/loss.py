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

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
from torch import Tensor
from torch.nn import functional

__all__ = ["KnownPairsLoss"]


class KnownPairsLoss(CachedMultipleNegativesRankingLoss):
    """Contrasts the pairs of a batch, aware of pairs that are known from elsewhere.

    Inputs: columns of texts anchor, positive, and any number of negatives; labels are the nodes of
    the texts, shape (B, columns). Texts pass through the model `mini_batch` at a time, and only the
    vectors of the whole batch are kept (GradCache), so that the batch is not bound by memory.

    Args:
        model: A sentence-transformers model.
        known: Strengths by anchor (rows) and target (columns), shape (nodes, nodes).
        log_q: log Q of each node, shape (nodes,); zeros for no correction.
        scale: By what cosines are multiplied.
        mini_batch: Texts that pass through the model together.
    """

    def __init__(
        self,
        model: Any,
        known: sp.csr_matrix,
        log_q: npt.NDArray[np.float32],
        scale: float,
        mini_batch: int,
    ) -> None:
        super().__init__(model, scale=scale, mini_batch_size=mini_batch)
        self._known = known
        self._log_q = torch.from_numpy(log_q)

    def forward(self, sentence_features: Any, labels: Tensor) -> Tensor:
        """The loss of one batch; the gradient cache is left out where the batch fits at once."""
        features = list(sentence_features)
        decorated = "calculate_loss" in vars(self)  # by MatryoshkaLoss, which wants the cache
        if decorated or len(labels) > self.mini_batch_size:
            return super().forward(features, labels)
        vectors = [[self.model(dict(own))["sentence_embedding"]] for own in features]
        return self.calculate_loss(vectors, labels)

    def calculate_loss(
        self,
        reps: list[list[Tensor]],
        labels: Tensor | None = None,
        *,
        with_backward: bool = False,
    ) -> Tensor:
        """The loss of one batch.

        Args:
            reps: By column the vectors of the mini-batches, each of shape (m, dim).
            labels: The nodes of the texts, shape (B, columns).
            with_backward: Whether gradients are computed at once.
        """
        if labels is None:
            raise ValueError("got no labels; they are the nodes of the texts")
        nodes = labels.cpu()
        anchors = functional.normalize(torch.cat(reps[0]), dim=1)
        candidates = functional.normalize(
            torch.cat([vectors for column in reps[1:] for vectors in column]), dim=1
        )
        first, others = nodes[:, 0], nodes[:, 1:].T.reshape(-1)
        count = len(first)
        strengths = self._strengths(first.numpy(), others.numpy())
        same = (first[:, None] == others[None]) & ~torch.eye(count, len(others), dtype=torch.bool)
        cosines = (self.scale * anchors @ candidates.T).float()
        hidden = torch.where(same, -torch.inf, 0.0).to(cosines.device)
        log_q = self._log_q[others].to(cosines.device)
        there = _soft(cosines - log_q + hidden, strengths.to(cosines.device))
        back = _soft((cosines + hidden)[:, :count].T, strengths[:, :count].T.to(cosines.device))
        loss = (there + back) / 2
        if with_backward:
            torch.autograd.backward(loss)
            loss = loss.detach()
        return loss

    def _strengths(self, anchors: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> Tensor:
        """S, shape (B, candidates); the own positive of each anchor counts at least as its best."""
        found = np.asarray(self._known[anchors][:, others].todense(), np.float32)
        found[anchors[:, None] == others[None]] = 0
        own = np.arange(len(anchors))
        found[own, own] = np.maximum(np.maximum(found[own, own], found.max(axis=1)), 1e-6)
        return torch.from_numpy(found)


def _soft(logits: Tensor, strengths: Tensor) -> Tensor:
    """Cross entropy between the strengths, scaled to sum to 1 in each row, and the softmax."""
    targets = strengths / strengths.sum(dim=1, keepdim=True)
    logs = functional.log_softmax(logits, dim=1)
    return -torch.where(targets > 0, targets * logs, 0.0).sum(dim=1).mean()
