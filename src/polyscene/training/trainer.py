"""How transformers' trainer is run here: in the planned order, judged by the judge. Needs torch."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from polyscene.component import Vectors
from polyscene.logs import Progress, get_logger
from polyscene.training.config import EncoderTraining
from polyscene.training.judge import Judge
from polyscene.training.tracking import trackers

__all__ = ["Reporting", "Trainer", "arguments", "deterministic", "quiet"]

_hf: Any = transformers
_log = get_logger(__name__)


def arguments(config: EncoderTraining, folder: Path, accumulate: int) -> Any:
    """How the trainer works.

    Args:
        config: The options.
        folder: Where checkpoints go.
        accumulate: Batches whose gradients are added up before a step.
    """
    cuda = torch.cuda.is_available() and config.device in (None, "cuda")
    bf16 = cuda and torch.cuda.is_bf16_supported()
    warmup = max(1, config.steps // 10)
    every = min(config.evaluate_every, config.steps)
    return transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=config.steps,
        per_device_train_batch_size=1,  # an example of the dataset is a batch
        gradient_accumulation_steps=accumulate,
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
        report_to=trackers(),
        run_name=config.name,
        remove_unused_columns=False,
        disable_tqdm=True,
        seed=config.seed,
        data_seed=config.seed,
        dataloader_pin_memory=cuda,
    )


class Trainer(transformers.Trainer):
    """Takes batches in the planned order, and evaluates by the judge.

    Args:
        judge: What measures.
        encode: Texts to unit vectors, by the model as it is.
        options: Those of transformers' trainer.
    """

    def __init__(
        self, judge: Judge, encode: Callable[[list[str]], Vectors], **options: Any
    ) -> None:
        super().__init__(eval_dataset=[], **options)
        self._ordered: Any = options["train_dataset"]
        self._judge = judge
        self._encode = encode

    def _get_train_sampler(self, *_: Any) -> Any:
        return torch.utils.data.SequentialSampler(self._ordered)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """NDCG@10 by the judge, as transformers names it, logged."""
        found = self._judge(self._encode)
        metrics = {"eval_ndcg": found["mean"]}
        metrics |= {f"eval_ndcg_{name}": value for name, value in found.items() if name != "mean"}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics


class Reporting(transformers.TrainerCallback):
    """Tells the progress about each step, and the log about each evaluation.

    Args:
        progress: Told about the steps.
        steps: How many there are at most.
    """

    def __init__(self, progress: Progress, steps: int) -> None:
        self._task = progress.task("train", steps, "steps")
        self._done = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin the task."""
        self._task.__enter__()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Advance it."""
        self._task.advance(state.global_step - self._done)
        self._done = state.global_step

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any
    ) -> None:
        """Log what was measured."""
        _log.info("step %d: %s", state.global_step, json.dumps(metrics))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """End it."""
        self._task.__exit__(None, None, None)


@contextmanager
def deterministic() -> Iterator[None]:
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
def quiet() -> Iterator[None]:
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
