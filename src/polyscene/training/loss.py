"""The contrastive loss as sentence-transformers has losses; see `polyscene.training.contrast`.

This module needs torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
from torch import Tensor

from polyscene.training.contrast import contrast

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
        anchors, *others = (torch.cat(column) for column in reps)
        loss = contrast(anchors, torch.cat(others), labels, self._known, self._log_q, self.scale)
        if with_backward:
            torch.autograd.backward(loss)
            loss = loss.detach()
        return loss
