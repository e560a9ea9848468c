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
from torch.nn import functional

from polyscene.training.contrast import contrast

__all__ = ["KnownPairsLoss"]


class KnownPairsLoss(CachedMultipleNegativesRankingLoss):
    """Contrasts the pairs of a batch, aware of pairs that are known from elsewhere.

    Inputs: the distinct texts of the batch in groups of like length, and as labels where they
    belong (`polyscene.training.texts.Collator`). A node is the mean of the vectors of its texts, as
    an item is in the engine. Texts pass through the model `mini_batch` at a time, and only the
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

    def forward(self, sentence_features: Any, labels: Any) -> Tensor:
        """The loss of one batch; the gradient cache is left out where the batch fits at once."""
        features = list(sentence_features)
        decorated = "calculate_loss" in vars(self)  # by MatryoshkaLoss, which wants the cache
        if decorated or len(labels["nodes"]) > self.mini_batch_size:
            return self.forward_cached(features, labels)  # of one group too, unlike `forward`
        vectors = [[self.model(dict(own))["sentence_embedding"]] for own in features]
        return self.calculate_loss(vectors, labels)

    def calculate_loss(
        self,
        reps: list[list[Tensor]],
        labels: Any = None,
        *,
        with_backward: bool = False,
    ) -> Tensor:
        """The loss of one batch.

        Args:
            reps: The vectors of the texts by group, each of shape (m, dim).
            labels: "nodes", shape (B, columns), anchors first; and of each text of each node, shape
                (t,), "owner", the place of the node, column by column, and "text", that of the text
                among all.
            with_backward: Whether gradients are computed at once.
        """
        if labels is None:
            raise ValueError("got no labels; they say which node each text belongs to")
        vectors = functional.normalize(torch.cat([own for group in reps for own in group]), dim=1)
        nodes, owner = labels["nodes"], labels["owner"]
        empty = vectors.new_zeros(nodes.numel(), vectors.shape[1])
        means = empty.index_add(0, owner, vectors[labels["text"]])
        anchors, others = means[: len(nodes)], means[len(nodes) :]
        loss = contrast(anchors, others, nodes, self._known, self._log_q, self.scale)
        if with_backward:
            torch.autograd.backward(loss)
            loss = loss.detach()
        return loss
