"""A transformer distilled into one vector a token. Needs torch.

Each token of the vocabulary passes through the transformer alone, between its marks of beginning
and end. The vectors are centred and turned to their principal components, and weighted by

    a / (a + p)        a = 0.001

with p the share of the token among those of the catalogue, so that what stands in every text says
little. A text is the sum over its tokens, see `polyscene.encoders.static`. No pairs are needed.

References: Tulkens and van Dongen (2024), Model2Vec, https://github.com/MinishLab/model2vec; Arora,
Liang and Ma (2017), A Simple but Tough-to-Beat Baseline for Sentence Embeddings, ICLR.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyscene.component import Vectors
from polyscene.encoders.folder import TOKENIZER_FILE
from polyscene.encoders.static import VECTORS_FILE, StaticConfig, StaticEncoder
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.training.config import EncoderTraining
from polyscene.training.judge import Judge, Judged
from polyscene.training.loading import base_encoder, fast_tokenizer, load_model
from polyscene.training.rate import rate

__all__ = ["distil"]

_SIF = 1e-3
"""The share of a token at which its weight is half."""
_BATCH = 256
"""Tokens that pass through the model together."""


def distil(
    texts: Sequence[str],
    judge: Judge,
    config: EncoderTraining,
    folder: Path,
    progress: Progress = NO_PROGRESS,
) -> Judged:
    """Write the files of a `StaticEncoder`; deterministic on a CPU.

    Args:
        texts: Those of the catalogue: tokens are weighted, and rates measured, by them.
        judge: What measures the result.
        config: The options.
        folder: Where the files go.
        progress: Told about the tokens.

    Raises:
        EncoderError: When the model cannot be loaded, or has no fast tokenizer.
    """
    teacher = load_model(config)
    tokenizer = fast_tokenizer(teacher)
    unknown = teacher.tokenizer.unk_token_id
    marks = [token for token in teacher.tokenizer.all_special_ids if token != unknown]
    special = np.array(marks, np.int64)
    vectors = _components(_tokens(teacher, special, progress), special, config.components)
    encoded = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    counts = np.bincount([token for one in encoded for token in one.ids], minlength=len(vectors))
    share = counts / max(counts.sum(), 1)
    vectors *= (_SIF / (_SIF + share)).astype(np.float32)[:, None]
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    np.save(folder / VECTORS_FILE, vectors)
    base = base_encoder(config)
    student = StaticEncoder(StaticConfig(folder=str(folder)))
    before, after = judge(base.encode), judge(student.encode)
    more = {
        "tokens": len(vectors),
        "parameters": int(vectors.size),
        "bytes": {"base": _bytes(teacher), "distilled": (folder / VECTORS_FILE).stat().st_size},
        "texts_per_second": {"base": rate(base, texts), "distilled": rate(student, texts)},
    }
    return Judged(before, after, more)


def _bytes(model: Any) -> int:
    """How much the weights of a model take."""
    return sum(one.numel() * one.element_size() for one in model.parameters())


def _tokens(teacher: Any, special: Any, progress: Progress) -> Vectors:
    """The vector of each token alone, shape (vocabulary, dim of the model); zero for marks."""
    size = len(teacher.tokenizer)
    dim = int(teacher.get_embedding_dimension())
    vectors = np.zeros((size, dim), np.float32)
    tokens = np.setdiff1d(np.arange(size), special)
    one = teacher.tokenizer.backend_tokenizer.encode("a")
    inner = np.flatnonzero(np.array(one.special_tokens_mask) == 0)
    before, after = one.ids[: inner[0]], one.ids[inner[-1] + 1 :]
    teacher.eval()
    with progress.task("tokens", len(tokens), "tokens") as task, torch.inference_mode():
        for start in range(0, len(tokens), _BATCH):
            rows = tokens[start : start + _BATCH]
            ids = torch.tensor([[*before, int(row), *after] for row in rows], device=teacher.device)
            features = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            vectors[rows] = teacher(features)["sentence_embedding"].float().cpu().numpy()
            task.advance(len(rows))
    return vectors


def _components(vectors: Vectors, special: Any, most: int) -> Vectors:
    """The principal components of the tokens; the marks stay zero. Float32."""
    used = np.setdiff1d(np.arange(len(vectors)), special)
    centred = vectors[used] - vectors[used].mean(axis=0)
    _, axes = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    axes = axes[:, ::-1][:, :most].astype(np.float32)
    found = np.zeros((len(vectors), axes.shape[1]), np.float32)
    found[used] = centred @ axes
    return found
