"""A matrix behind a frozen encoder, trained by contrast on cached vectors. Needs torch.

A text becomes normalise(v·A·B), with A the whitening of the catalogue and B what is learned, see
`polyscene.training.matrix`. The encoder is asked for each text once, so that a run takes about a
minute past that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polyscene.component import Vectors
from polyscene.encoders import Encoder
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.represent.whiten import Transform, normalise
from polyscene.settings import Whitening
from polyscene.training.config import EncoderTraining
from polyscene.training.judge import Judge, Judged
from polyscene.training.matrix import learn_matrix, told
from polyscene.training.negatives import hard_negatives
from polyscene.training.pairs import Pairs

__all__ = ["train_head"]


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
        A·B at its best evaluation, shape (dim of the encoder, m), and what it is worth.
    """
    said = told(pairs, texts)
    encoded = encoder.encode(said.texts, progress)
    start = Transform.fit(encoded, Whitening()).matrix[:, : config.components]
    start = np.ascontiguousarray(start / start.std())
    negatives = hard_negatives(pairs, texts, encoder.encode, config.negatives, config.seed)

    def score(matrix: Vectors) -> dict[str, float]:
        now = start @ matrix
        return judge(lambda words: normalise(encoder.encode(words) @ now))

    before = judge(encoder.encode)
    made = learn_matrix(pairs, said, encoded @ start, score, config, negatives, progress)
    whole = np.asarray(start @ made.matrix, np.float32)
    more = {"steps": made.steps, "trained_parameters": int(whole.size), "history": made.history}
    return whole, Judged(before, made.best, more)
