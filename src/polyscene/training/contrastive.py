"""Contrastive training of a bi-encoder. This module needs torch.

The general work is that of transformers (steps, checkpoints, resuming, early stopping, mixed
precision, trackers), sentence-transformers (model, gradient cache, Matryoshka) and peft (LoRA).
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
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
from polyscene.training.runs import Run
from polyscene.training.sampling import batches, log_q
from polyscene.training.texts import TOGETHER, Collator, PairBatches
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
    with _deterministic(), _quiet(), _tracked(run.folder), enough_memory(**needed):
        model = load_model(config)
        total = sum(weight.numel() for weight in model.parameters())
        adapted = Adapted(model, config)
        encode = _encoder(model)
        first = start(model, encode, catalogue, pairs, texts, judge, config, progress)
        learned = [weight for weight in model.parameters() if weight.requires_grad]
        trained = sum(weight.numel() for weight in learned)
        untrained = [weight.detach().clone() for weight in learned]
        _log.info("at the start: %s; %d of %d weights are trained", first.more or first.before,
                  trained, total)  # fmt: skip
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
        trainer = _Trainer(
            judge=judge,
            encode=encode,
            model=_Contrast(model, loss),
            args=_arguments(config, run.folder),
            train_dataset=data,
            data_collator=Collator(model, min(config.mini_batch, TOGETHER)),
            callbacks=[
                transformers.EarlyStoppingCallback(config.patience),
                _Reporting(progress, config.steps),
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
        **first.more,
        "history": list(trainer.state.log_history),
    }
    return Judged(first.before, after, more, gained=after is not first.before)


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
    for name, variable in (("wandb", "WANDB_API_KEY"), ("mlflow", "MLFLOW_TRACKING_URI")):
        if not os.environ.get(variable):
            continue
        if getattr(_hf.integrations, f"is_{name}_available")():
            found.append(name)
        else:
            _log.warning("%s is set, but %s is not installed: the run is not told to it; "
                         "pip install %s", variable, name, name)  # fmt: skip
    return found


@contextmanager
def _tracked(folder: Path) -> Iterator[None]:
    """Where trackers write, as far as the environment does not say it."""
    own = {
        "TENSORBOARD_LOGGING_DIR": str(folder / "logs"),
        "WANDB_PROJECT": "polyscene",
        "MLFLOW_EXPERIMENT_NAME": "polyscene",
    }
    added = {name: value for name, value in own.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


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
