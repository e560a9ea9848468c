"""Training of a bi-encoder, by contrast or by texts to write again. This module needs torch.

The general work is that of transformers (steps, checkpoints, resuming, early stopping, mixed
precision, trackers), sentence-transformers (model, gradient cache, Matryoshka) and peft (LoRA).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss
from torch import nn

from polyscene.component import Vectors
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.training.adapter import Adapted
from polyscene.training.config import EncoderTraining
from polyscene.training.judge import Judge, Judged
from polyscene.training.loading import load_model
from polyscene.training.loss import KnownPairsLoss
from polyscene.training.memory import enough_memory
from polyscene.training.negatives import hard_negatives
from polyscene.training.pairs import Pairs
from polyscene.training.rebuild import Rebuilding, rebuilding
from polyscene.training.runs import Run
from polyscene.training.sampling import batches, log_q
from polyscene.training.texts import TOGETHER, Collator, PairBatches
from polyscene.training.tracking import tracked
from polyscene.training.trainer import Reporting, Trainer, arguments, deterministic, quiet
from polyscene.training.whitened import start

__all__ = ["train"]

_hf: Any = transformers
_log = get_logger(__name__)


def train(
    pairs: Pairs,
    texts: Any,
    catalogue: Sequence[str],
    judge: Judge,
    config: EncoderTraining,
    run: Run,
    progress: Progress = NO_PROGRESS,
) -> Judged:
    """Train on pairs, judged every few steps; the best evaluation is kept, the start's included.

    Args:
        pairs: What belongs together; at least two.
        texts: The texts of each node.
        catalogue: The texts of all items: the whitening is fitted to them.
        judge: What measures the model.
        config: The options.
        run: Where the model, checkpoints and logs go, and whether it goes on from a checkpoint.
        progress: Told about the steps.

    Raises:
        EncoderError: When the model cannot be loaded, or memory does not suffice.
        SettingsError: When an option does not fit the model.
    """
    transformers.set_seed(config.seed)
    needed = {"mini_batch": config.mini_batch, "max_tokens": config.max_tokens}
    with deterministic(), quiet(), tracked(run.folder), enough_memory(**needed):
        model = load_model(config)
        total = sum(weight.numel() for weight in model.parameters())
        rebuilt = rebuilding(model, config)
        beside = 0 if rebuilt is None else rebuilt.beside(model)
        adapted = Adapted(model, config)
        encode = _encoder(model)
        first = start(model, encode, catalogue, pairs, texts, judge, config, progress)
        learned = [weight for weight in model.parameters() if weight.requires_grad]
        trained = sum(weight.numel() for weight in learned)
        untrained = [weight.detach().clone() for weight in learned]
        _log.info("at the start: %s; %d of %d weights are trained", first.more or first.before,
                  trained, total)  # fmt: skip
        if rebuilt is None:
            lesson = _contrasting(model, encode, pairs, texts, config)
        else:
            lesson = _rebuilding(rebuilt, pairs, texts, config)
        trainer = Trainer(
            judge=judge,
            encode=encode,
            model=lesson.module,
            args=arguments(config, run.folder, lesson.accumulate),
            train_dataset=lesson.data,
            data_collator=lesson.collate,
            callbacks=[
                transformers.EarlyStoppingCallback(config.patience),
                Reporting(progress, config.steps),
            ],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        last = None
        if run.resumed:
            last = _hf.trainer_utils.get_last_checkpoint(str(run.folder))
        trainer.train(resume_from_checkpoint=last)
        after = judge(encode)
        if after["mean"] < first.found["mean"]:
            after = first.found
            with torch.no_grad():
                for weight, was in zip(learned, untrained, strict=True):
                    weight.copy_(was)
        adapted.finish()
        model.eval().save_pretrained(str(run.model), create_model_card=False)
    more = {
        "steps": trainer.state.global_step,
        "trained_parameters": trained,
        "parameters": total,
        **({"thrown_away": beside} if beside else {}),
        **first.more,
        "history": list(trainer.state.log_history),
    }
    return Judged(first.before, after, more, gained=after is not first.before)


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What a model learns by."""

    module: nn.Module
    """Gives the loss of a batch."""
    data: PairBatches
    collate: Callable[[Sequence[dict[str, Any]]], dict[str, Any]]
    accumulate: int
    """Batches of one step."""


def _contrasting(
    model: Any,
    encode: Callable[[list[str]], Vectors],
    pairs: Pairs,
    texts: Sequence[tuple[str, ...]],
    config: EncoderTraining,
) -> _Lesson:
    """Each anchor is to find its own target in the batch."""
    nodes = len(texts)
    negatives = hard_negatives(pairs, texts, encode, config.negatives, config.seed)
    plan = batches(
        pairs, config.steps * config.accumulate, config.batch_size, config.weights, config.seed
    )
    data = PairBatches(pairs, texts, plan, negatives, config.seed, config.deletion)
    correction = log_q(pairs, nodes) if config.correction else np.zeros(nodes, np.float32)
    loss: nn.Module = KnownPairsLoss(
        model, pairs.known(nodes), correction, config.scale, config.mini_batch
    )
    if config.dims:
        dim = int(model.get_embedding_dimension())
        dims = sorted({dim, *(min(one, dim) for one in config.dims)}, reverse=True)
        loss = MatryoshkaLoss(model, loss, dims)
    collate = Collator(model, min(config.mini_batch, TOGETHER))
    return _Lesson(_Contrast(model, loss), data, collate, config.accumulate)


def _rebuilding(
    rebuilt: Rebuilding, pairs: Pairs, texts: Sequence[tuple[str, ...]], config: EncoderTraining
) -> _Lesson:
    """Each text is to be written again; no text needs the others of a batch."""
    size = min(config.batch_size, config.mini_batch)
    accumulate = config.accumulate * -(-config.batch_size // size)
    plan = batches(pairs, config.steps * accumulate, size, config.weights, config.seed)
    nothing = np.zeros((len(pairs), 0), np.int64)
    data = PairBatches(pairs, texts, plan, nothing, config.seed, config.deletion)
    return _Lesson(rebuilt, data, rebuilt.collate, accumulate)


def _encoder(model: Any) -> Callable[[list[str]], Vectors]:
    def encode(texts: list[str]) -> Vectors:
        was = model.training
        model.eval()
        found = model.encode(
            texts, batch_size=64, show_progress_bar=False, normalize_embeddings=True
        )
        model.train(was)
        return np.asarray(found, np.float32)

    return encode


class _Contrast(nn.Module):
    """The model with its loss, as the trainer wants them."""

    def __init__(self, encoder: Any, loss: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.loss = [loss]  # not a module of this one: its weights are those of the encoder

    def forward(
        self, features: list[dict[str, Any]], slots: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        return {"loss": self.loss[0](features, slots)}
