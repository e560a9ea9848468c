"""A matrix behind vectors that stay as they are, trained by contrast. Needs torch.

A text becomes normalise(x·B) with x its whitened vector, and a node the mean of all of its texts,
as in the engine; the loss is that of `polyscene.training.contrast`. B starts as the identity, and
the start wins where no step was better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray
from polyscene.logs import Progress, get_logger
from polyscene.training.config import EncoderTraining
from polyscene.training.contrast import contrast
from polyscene.training.pairs import Pairs
from polyscene.training.sampling import batches, log_q

__all__ = ["Learned", "Told", "learn_matrix", "told"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """The texts of the nodes of some pairs."""

    texts: list[str]
    """Each once."""
    members: sp.csr_matrix
    """How often each is a text of a node, shape (nodes, texts)."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A matrix at its best evaluation."""

    matrix: Vectors
    """B, shape (m, m)."""
    best: dict[str, float]
    steps: int
    history: list[dict[str, Any]]
    """The evaluations, the start's first."""

    @property
    def gained(self) -> bool:
        """Whether any step was better than the start."""
        return bool(self.best["mean"] > self.history[0]["ndcg"])


def told(pairs: Pairs, texts: Sequence[tuple[str, ...]]) -> Told:
    """The texts of the nodes that pairs are of.

    Args:
        pairs: The pairs.
        texts: The texts of each node.
    """
    nodes = np.unique(np.concatenate([pairs.anchor, pairs.positive]))
    place: dict[str, int] = {}
    columns = [place.setdefault(text, len(place)) for node in nodes for text in texts[node]]
    rows = np.repeat(nodes, [len(texts[node]) for node in nodes])
    shape = (len(texts), len(place))
    members = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    return Told(list(place), members)


def learn_matrix(
    pairs: Pairs,
    said: Told,
    vectors: Vectors,
    score: Callable[[Vectors], dict[str, float]],
    config: EncoderTraining,
    negatives: IntArray,
    progress: Progress,
) -> Learned:
    """Train the matrix; deterministic on a CPU.

    Args:
        pairs: What belongs together; at least two.
        said: The texts of their nodes.
        vectors: x of each text, shape (texts, m).
        score: Measures a matrix.
        config: `steps`, `batch_size`, `learning_rate` and so on are taken from it.
        negatives: Nodes of hard negatives of each pair, shape (P, k).
        progress: Told about the steps.
    """
    nodes = said.members.shape[0]
    x = torch.from_numpy(np.ascontiguousarray(vectors))
    matrix = torch.nn.Parameter(torch.eye(x.shape[1]))
    optimiser = torch.optim.AdamW([matrix], lr=config.rate, weight_decay=0.0)
    plan = batches(
        pairs, config.steps * config.accumulate, config.batch_size, config.weights, config.seed
    )
    known, nothing = pairs.known(nodes), np.zeros(nodes, np.float32)
    chance = torch.from_numpy(log_q(pairs, nodes) if config.correction else nothing)
    dims = {x.shape[1], *(min(dim, x.shape[1]) for dim in config.dims)}

    def loss_of(means: torch.Tensor, labels: IntArray) -> torch.Tensor:
        anchors, others = means[: len(labels)], means[len(labels) :]
        return contrast(anchors, others, torch.from_numpy(labels), known, chance, config.scale)

    kept = matrix.detach().numpy().copy()
    best, waited, step = score(kept), 0, 0
    history: list[dict[str, Any]] = [{"step": 0, "ndcg": best["mean"]}]
    with progress.task("matrix", config.steps, "steps") as task:
        for step in range(1, config.steps + 1):
            optimiser.zero_grad()
            total = 0.0
            for rows in plan[(step - 1) * config.accumulate : step * config.accumulate]:
                labels = np.column_stack(
                    [pairs.anchor[rows], pairs.positive[rows], negatives[rows]]
                )
                parts = [
                    loss_of(_nodes(matrix[:, :dim], x, said.members, labels.T.reshape(-1)), labels)
                    for dim in sorted(dims)
                ]
                loss = torch.stack(parts).sum() / config.accumulate
                torch.autograd.backward(loss)
                total += float(loss.detach())
            optimiser.step()
            task.advance()
            if step % config.evaluate_every and step < config.steps:
                continue
            now = matrix.detach().numpy()
            found = score(now)
            history.append({"step": step, "loss": total, "ndcg": found["mean"]})
            _log.info("matrix, step %d: loss %.4f, NDCG@10 %.4f", step, total, found["mean"])
            waited += 1
            if found["mean"] > best["mean"]:
                best, kept, waited = found, now.copy(), 0
            if waited >= config.patience:
                break
    return Learned(kept, best, step, history)


def _nodes(
    matrix: torch.Tensor, x: torch.Tensor, members: sp.csr_matrix, nodes: IntArray
) -> torch.Tensor:
    """The sum of the mapped texts of each node, shape (nodes, m)."""
    distinct, place = np.unique(nodes, return_inverse=True)
    own = members[distinct]
    used = np.unique(own.indices)
    mapped = functional.normalize(x[torch.from_numpy(used)] @ matrix, dim=1)
    sums: torch.Tensor = _Sums.apply(mapped, own[:, used])  # type: ignore[no-untyped-call]
    return sums[torch.from_numpy(place)]


class _Sums(torch.autograd.Function):
    """A sparse matrix of scipy, shape (n, t), times a tensor of shape (t, m)."""

    @staticmethod
    def forward(ctx: Any, vectors: torch.Tensor, members: sp.csr_matrix) -> torch.Tensor:
        ctx.members = members
        return torch.from_numpy(members @ vectors.detach().numpy())

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        return torch.from_numpy(ctx.members.T @ grads[0].numpy()), None
