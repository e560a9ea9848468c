"""A matrix behind a frozen encoder, trained by contrast on cached vectors. Needs torch.

A text becomes normalise(v·W) and a node the mean of its texts, as in the engine; the loss is that
of `polyscene.training.contrast`. W starts as the whitening of the catalogue. The encoder is asked
for each text once, so that a run takes about a minute past that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from polyscene.component import Vectors
from polyscene.encoders import Encoder
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.represent.whiten import Transform, normalise
from polyscene.settings import Whitening
from polyscene.training.config import EncoderTraining
from polyscene.training.contrast import contrast
from polyscene.training.judge import Judge, Judged
from polyscene.training.negatives import hard_negatives
from polyscene.training.pairs import Pairs
from polyscene.training.sampling import batches, log_q

__all__ = ["train_head"]

_log = get_logger(__name__)


def train_head(
    pairs: Pairs,
    texts: Sequence[tuple[str, ...]],
    encoder: Encoder,
    judge: Judge,
    config: EncoderTraining,
    progress: Progress = NO_PROGRESS,
) -> tuple[Vectors, Judged]:
    """Train the matrix; deterministic on a CPU.

    Args:
        pairs: What belongs together; at least two.
        texts: The texts of each node.
        encoder: What gives the vectors.
        judge: What measures the result.
        config: The options.
        progress: Told about the texts that are encoded, and the steps.

    Returns:
        W at its best evaluation, shape (dim of the encoder, m), and what it is worth.
    """
    used = np.zeros(len(texts), np.bool_)
    used[pairs.anchor] = used[pairs.positive] = True
    told = [own if use else () for own, use in zip(texts, used, strict=True)]
    flat = [text for own in told for text in own]
    starts = np.concatenate([[0], np.cumsum([len(own) for own in told])])
    encoded = encoder.encode(flat, progress)
    vectors = torch.from_numpy(encoded)
    start = Transform.fit(encoded, Whitening()).matrix[:, : config.components]
    matrix = torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(start / start.std())))
    plan = batches(
        pairs, config.steps * config.accumulate, config.batch_size, config.weights, config.seed
    )
    known, nothing = pairs.known(len(texts)), np.zeros(len(texts), np.float32)
    chance = torch.from_numpy(log_q(pairs, len(texts)) if config.correction else nothing)
    negatives = hard_negatives(pairs, texts, encoder.encode, config.negatives, config.seed)
    optimiser = torch.optim.AdamW([matrix], lr=config.rate, weight_decay=0.0)

    def score() -> dict[str, float]:
        now = matrix.detach().numpy()
        return judge(lambda words: normalise(encoder.encode(words) @ now))

    before = judge(encoder.encode)
    best, kept, waited = score(), matrix.detach().numpy().copy(), 0
    history: list[dict[str, Any]] = [{"step": 0, "ndcg": best["mean"]}]
    step = 0
    with progress.task("train", config.steps, "steps") as task:
        for step in range(1, config.steps + 1):
            optimiser.zero_grad()
            total = 0.0
            for rows in plan[(step - 1) * config.accumulate : step * config.accumulate]:
                nodes = np.column_stack([pairs.anchor[rows], pairs.positive[rows], negatives[rows]])
                mapped = _nodes(matrix, vectors, starts, nodes.T.reshape(-1))
                labels = torch.from_numpy(nodes)
                anchors, others = mapped[: len(rows)], mapped[len(rows) :]
                loss = contrast(anchors, others, labels, known, chance, config.scale)
                torch.autograd.backward(loss / config.accumulate)
                total += float(loss.detach()) / config.accumulate
            optimiser.step()
            task.advance()
            if step % config.evaluate_every and step < config.steps:
                continue
            found = score()
            history.append({"step": step, "loss": total, "ndcg": found["mean"]})
            _log.info("step %d: loss %.4f, NDCG@10 %.4f", step, total, found["mean"])
            waited += 1
            if found["mean"] > best["mean"]:
                best, kept, waited = found, matrix.detach().numpy().copy(), 0
            if waited >= config.patience:
                break
    more = {"steps": step, "trained_parameters": int(kept.size), "history": history}
    return kept, Judged(before, best, more)


def _nodes(matrix: torch.Tensor, vectors: torch.Tensor, starts: Any, nodes: Any) -> torch.Tensor:
    """The mean of the mapped texts of each node, shape (nodes, m)."""
    counts = starts[nodes + 1] - starts[nodes]
    owners = np.repeat(np.arange(len(nodes)), counts)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = torch.from_numpy(np.repeat(starts[nodes], counts) + places)
    mapped = functional.normalize(vectors[rows] @ matrix, dim=1)
    empty = torch.zeros(len(nodes), matrix.shape[1])
    return empty.index_add(0, torch.from_numpy(owners), mapped)
