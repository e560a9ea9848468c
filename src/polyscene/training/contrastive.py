"""Contrastive training of a bi-encoder. This module needs torch.

The general work is that of transformers (steps, checkpoints, resuming, early stopping, mixed
precision, trackers), sentence-transformers (model, gradient cache, Matryoshka) and peft (LoRA).
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss
from torch import nn

from polyscene.component import Vectors
from polyscene.errors import EncoderError, SettingsError
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.training.adapter import Adapted
from polyscene.training.config import EncoderTraining, base_model
from polyscene.training.judge import Judge
from polyscene.training.loss import KnownPairsLoss
from polyscene.training.negatives import hard_negatives
from polyscene.training.pairs import Pairs
from polyscene.training.sampling import batches, log_q
from polyscene.training.texts import TOGETHER, Collator, PairBatches

__all__ = ["Trained", "load_model", "train"]

_hf: Any = transformers
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run gives."""

    model: Any
    """The sentence-transformers model, at its best evaluation."""
    before: dict[str, float]
    """NDCG@10 of the base on what is held out, by scenario and their "mean"."""
    after: dict[str, float]
    """The same of the trained model."""
    steps: int
    """Steps that were made, over all parts of a run that was resumed."""
    parameters: int
    """Weights that were trained."""
    total: int
    """All weights of the model."""
    history: list[dict[str, Any]]
    """What was logged, by step."""


def load_model(config: EncoderTraining) -> Any:
    """The model to train.

    Raises:
        EncoderError: When it cannot be found or loaded.
        SettingsError: When `dims` or `max_tokens` do not fit it.
    """
    named = base_model(config.base)
    try:
        model = SentenceTransformer(named, device=config.device, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise EncoderError(
            f"cannot load the model {named!r}: {error}; expected a folder with a "
            "sentence-transformers model, or the name of one that can be downloaded"
        ) from error
    longest = model.max_seq_length or config.max_tokens
    if config.max_tokens > longest:
        raise SettingsError(
            f"training.max_tokens: got {config.max_tokens}; the model {named} reads {longest} "
            "tokens at most"
        )
    model.max_seq_length = config.max_tokens
    dim = int(model.get_embedding_dimension() or 0)
    for wanted in config.dims:
        if not 0 < wanted <= dim:
            raise SettingsError(
                f"training.dims: got {wanted}; the model {named} gives {dim} components"
            )
    return model


def train(
    pairs: Pairs,
    texts: Any,
    judge: Judge,
    config: EncoderTraining,
    folder: Path,
    resume: bool,
    progress: Progress = NO_PROGRESS,
) -> Trained:
    """Train on pairs, judged every few steps; the best evaluation is kept.

    Args:
        pairs: What belongs together; at least two.
        texts: The texts of each node.
        judge: What measures the model.
        config: The options.
        folder: Where checkpoints and logs go.
        resume: Whether to go on from the last checkpoint in the folder, where there is one.
        progress: Told about the steps.

    Raises:
        EncoderError: When the model cannot be loaded, or memory does not suffice.
        SettingsError: When an option does not fit the model.
    """
    transformers.set_seed(config.seed)
    with _deterministic(), _quiet():
        model = load_model(config)
        total = sum(weight.numel() for weight in model.parameters())
        adapted = Adapted(model, config)
        trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        before = judge(_encoder(model))
        _log.info("before training: %s; %d of %d weights are trained", before, trained, total)
        nodes = len(texts)
        negatives = hard_negatives(pairs, texts, _encoder(model), config.negatives, config.seed)
        plan = batches(
            pairs, config.steps * config.accumulate, config.batch_size, config.weights, config.seed
        )
        data = PairBatches(pairs, texts, plan, negatives, config.seed, config.deletion)
        correction = log_q(pairs, nodes) if config.correction else np.zeros(nodes, np.float32)
        loss: nn.Module = KnownPairsLoss(
            model, pairs.known(nodes), correction, config.scale, config.mini_batch
        )
        if config.dims:
            dims = sorted({*config.dims, int(model.get_embedding_dimension())}, reverse=True)
            loss = MatryoshkaLoss(model, loss, dims)
        trainer = _Trainer(
            judge=judge,
            encode=_encoder(model),
            model=_Contrast(model, loss),
            args=_arguments(config, folder),
            train_dataset=data,
            data_collator=Collator(model, min(config.mini_batch, TOGETHER)),
            callbacks=[
                transformers.EarlyStoppingCallback(config.patience),
                _Reporting(progress, config.steps),
            ],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        last = _hf.trainer_utils.get_last_checkpoint(str(folder)) if resume else None
        with _memory(config):
            trainer.train(resume_from_checkpoint=last)
        after = judge(_encoder(model))
        adapted.finish()
    return Trained(
        model.eval(), before, after, trainer.state.global_step, trained, total,
        list(trainer.state.log_history),
    )  # fmt: skip


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


def _arguments(config: EncoderTraining, folder: Path) -> Any:
    cuda = torch.cuda.is_available() and config.device in (None, "cuda")
    bf16 = cuda and torch.cuda.is_bf16_supported()
    warmup = max(1, config.steps // 10)
    every = min(config.evaluate_every, config.steps)
    os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(folder / "logs"))
    return transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=config.steps,
        per_device_train_batch_size=1,  # an example of the dataset is a batch
        gradient_accumulation_steps=config.accumulate,
        learning_rate=config.rate,
        warmup_steps=warmup,
        lr_scheduler_type="cosine",
        bf16=bf16,
        fp16=cuda and not bf16,
        use_cpu=config.device == "cpu",
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_ndcg",
        greater_is_better=True,
        logging_steps=max(1, every // 5),
        report_to=_trackers(),
        run_name=config.name,
        remove_unused_columns=False,
        disable_tqdm=True,
        seed=config.seed,
        data_seed=config.seed,
        dataloader_pin_memory=cuda,
    )


def _trackers() -> list[str]:
    """TensorBoard where it is installed; others where they are installed and configured."""
    found = ["tensorboard"] if _hf.integrations.is_tensorboard_available() else []
    if os.environ.get("WANDB_API_KEY") and _hf.integrations.is_wandb_available():
        found.append("wandb")
    if os.environ.get("MLFLOW_TRACKING_URI") and _hf.integrations.is_mlflow_available():
        found.append("mlflow")
    return found


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


class _Trainer(transformers.Trainer):
    """Takes batches in the planned order, and evaluates by the judge."""

    def __init__(
        self, judge: Judge, encode: Callable[[list[str]], Vectors], **options: Any
    ) -> None:
        super().__init__(eval_dataset=[], **options)
        self._ordered: PairBatches = options["train_dataset"]
        self._judge = judge
        self._encode = encode

    def _get_train_sampler(self, *_: Any) -> Any:
        return torch.utils.data.SequentialSampler(self._ordered)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        found = self._judge(self._encode)
        metrics = {"eval_ndcg": found["mean"]}
        metrics |= {f"eval_ndcg_{name}": value for name, value in found.items() if name != "mean"}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


class _Reporting(transformers.TrainerCallback):
    """Tells the progress about each step, and the log about each evaluation."""

    def __init__(self, progress: Progress, steps: int) -> None:
        self._task = progress.task("train", steps, "steps")
        self._done = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._task.__enter__()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._task.advance(state.global_step - self._done)
        self._done = state.global_step

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any
    ) -> None:
        _log.info("step %d: %s", state.global_step, json.dumps(metrics))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._task.__exit__(None, None, None)


@contextmanager
def _deterministic() -> Iterator[None]:
    """The same seed gives the same weights on a CPU."""
    was = torch.are_deterministic_algorithms_enabled()
    deterministic: Any = torch.utils.deterministic
    filled = deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    deterministic.fill_uninitialized_memory = False  # slow, and changes nothing here
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was)
        deterministic.fill_uninitialized_memory = filled


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries from printing; problems come as errors."""
    bars = _hf.utils.logging
    shown, level = bars.is_progress_bar_enabled(), bars.get_verbosity()
    bars.disable_progress_bar()
    bars.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # among these libraries themselves
            yield
    finally:
        bars.set_verbosity(level)
        if shown:
            bars.enable_progress_bar()


@contextmanager
def _memory(config: EncoderTraining) -> Iterator[None]:
    """Name what to change where memory does not suffice."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        short = ("out of memory", "can't allocate memory", "not enough memory")
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not any(
            words in str(error).lower() for words in short
        ):
            raise
        raise EncoderError(
            f"out of memory with mini_batch {config.mini_batch} and max_tokens "
            f"{config.max_tokens}; halve mini_batch, which changes no result, or max_tokens. "
            "Checkpoints stay: the same command goes on from them"
        ) from error
