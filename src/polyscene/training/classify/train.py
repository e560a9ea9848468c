"""Training a classifier on a workspace, and judging it on what was held out."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import Dataset
from polyscene.extras import require
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.metrics.probability import auc, log_loss
from polyscene.training.classify.classifier import Classifier, Ground, folder_of
from polyscene.training.classify.config import ClassifierTraining
from polyscene.training.classify.examples import HELD, Examples, examples, task_scenarios
from polyscene.training.classify.known import known_of, texts_of, unlabelled, words_of
from polyscene.training.classify.labels import labelled
from polyscene.training.classify.words import Words
from polyscene.workspace import Workspace

if TYPE_CHECKING:
    from polyscene.training.classify.train_heads import Member

__all__ = ["Trained", "better", "measured", "train_classifier"]

Floats = npt.NDArray[np.float64]
Metrics = dict[str, dict[str, dict[str, float]]]
"""By scenario and task: pairs, and rate, accuracy, auc, log_loss, base_loss; or rmse, base_rmse. No
auc where all pairs that were held out are alike."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run gave."""

    classifier: Classifier
    held: Examples
    """The pairs that were held out."""
    predicted: Floats
    """Chances and values of these, shape (tasks, pairs)."""
    metrics: Metrics
    passed: bool
    """Whether it says more than the rates of the tasks, and is saved."""
    seconds: float
    labelled: int
    """Answers of people that were learned from; see `polyscene.training.label`."""
    pseudo: tuple[tuple[int, float, float], ...] = ()
    """By network, how many pseudo-labels it learned from, and its validation loss without them and
    as it is."""


def train_classifier(
    workspace: Workspace,
    config: ClassifierTraining,
    *,
    data: Dataset | None = None,
    resume: bool = True,
    progress: Progress = NO_PROGRESS,
) -> Trained:
    """Train on pairs, judge on held-out ones, and save it if it is better than the rates.

    What is known of a user when a pair is learned from is their behaviour but a tenth, the pair's
    own among it; when held-out pairs are judged it is all that was not held out.

    Args:
        workspace: The workspace; the classifier is kept in its folder `classifiers`.
        config: The options.
        data: The events; all of the store when omitted.
        resume: Whether an unfinished run of the same options and data is gone on with.
        progress: Told about the epochs.

    Raises:
        DataError: When no scenario of items has tasks, or there is nothing to tell apart.
        EncoderError: When a base model cannot be loaded, or memory does not suffice.
        MissingExtraError: When torch is not installed.
    """
    require("torch", "train", "training a classifier")
    from polyscene.training.checkpoints import Checkpoints

    started = time.monotonic()
    settings = workspace.settings
    scenarios = task_scenarios(settings, config.scenarios)
    ground = Ground(workspace, data)
    pairs, held = examples(
        ground.data, settings, scenarios, share=config.share, negatives=config.negatives,
        most=config.most, seed=config.seed,
    )  # fmt: skip
    tested, learned = pairs.take(pairs.fold == HELD), pairs.take(pairs.fold != HELD)
    answers = labelled(workspace, ground.data, pairs, config.seed)
    apart = tested.user * len(ground.data.items) + tested.item
    answers = answers.take(~np.isin(answers.user * len(ground.data.items) + answers.item, apart))
    learned = learned.joined(answers)
    values = _values(learned)
    labels = ((learned.labels - values[:, :1]) / values[:, 1:]).astype(np.float32)
    of_value = np.array([task.of_value for task in pairs.tasks])
    _log.info("%d pairs to learn from, %d held out", len(learned), len(tested))
    fingerprint = _fingerprint(config, learned, labels, workspace.encoder.id)
    folder = folder_of(workspace, config.name)
    checkpoints = Checkpoints(folder.with_name(f".{folder.name}.run"), fingerprint, resume)
    words: Words | None = None
    members: list[Member] = []
    total = config.epochs * (config.members if config.form == "heads" else 1)
    total *= 1 if config.pseudo is None else 2
    with progress.task("train", total, "epochs") as task:
        if config.form == "heads":
            from polyscene.training.classify.train_heads import train_heads

            inputs = known_of(ground, learned, ~held, labels)
            more = None
            if config.pseudo is not None:
                more = unlabelled(ground, learned, tested, ~held, config)
            model: Any
            model, members = train_heads(
                inputs, learned.fold, of_value, config, checkpoints, task, more
            )
            if config.words:
                words = words_of(ground, learned, ~held, of_value, model, inputs)
        else:
            from polyscene.training.classify.transformer import train_pairs

            texts = texts_of(ground, learned, ~held)
            model = train_pairs(texts, labels, learned.fold, of_value, config, checkpoints, task)
    heads = config.form == "heads"
    classifier = Classifier(
        config.form, pairs.tasks, pairs.scenarios, values, model,
        ground.transform if heads else None, workspace.encoder.id if heads else "", {}, words,
    )  # fmt: skip
    predicted = np.full(tested.labels.shape, np.nan)
    for code, name in enumerate(pairs.scenarios):
        own = tested.scenario == code
        known = ground.signals(name, ~held)
        predicted[:, own] = classifier.judge(
            ground, known, tested.user[own], tested.item[own], name
        )
    metrics = measured(tested, predicted, learned)
    passed = better(metrics)
    classifier.metrics = metrics
    if passed:
        _put(classifier, folder)
    checkpoints.remove()
    seconds = round(time.monotonic() - started, 1)
    kept = tuple((one.pseudo, one.plain_loss, one.loss) for one in members)
    return Trained(classifier, tested, predicted, metrics, passed, seconds, len(answers), kept)


def measured(tested: Examples, predicted: Floats, learned: Examples) -> Metrics:
    """Accuracy at a chance of one half, AUC and log loss of chances; error of values.

    Beside them the log loss of the rate among what was learned from, or the error of the mean.

    Args:
        tested: The pairs that were held out.
        predicted: Chances and values, shape (tasks, pairs).
        learned: What was learned from.
    """
    found: Metrics = {}
    for code, name in enumerate(tested.scenarios):
        found[name] = {}
        for row, task in enumerate(tested.tasks):
            own = (tested.scenario == code) & np.isfinite(tested.labels[row])
            known = learned.labels[row, learned.scenario == code]
            known = known[np.isfinite(known)]
            if not own.any() or not len(known):
                continue
            right, said = tested.labels[row, own].astype(np.float64), predicted[row, own]
            usual = float(known.mean())
            if task.of_value:
                found[name][task.name] = {
                    "pairs": len(right),
                    "rmse": float(np.sqrt(np.mean((said - right) ** 2))),
                    "base_rmse": float(np.sqrt(np.mean((usual - right) ** 2))),
                }
                continue
            base = np.full(len(right), np.clip(usual, 1e-6, 1 - 1e-6))
            found[name][task.name] = {
                "pairs": len(right),
                "rate": float(right.mean()),
                "accuracy": float(np.mean((said >= 0.5) == (right > 0.5))),
                **({"auc": auc(said, right)} if 0 < right.mean() < 1 else {}),
                "log_loss": log_loss(said, right),
                "base_loss": log_loss(base, right),
            }
    return found


def better(metrics: Metrics) -> bool:
    """Whether a classifier says more than the rates, on average over what can be told apart.

    What always or never happened has a rate with next to no loss, of which any share is huge.

    Args:
        metrics: As `measured` gives them.
    """
    gains = [
        (one["base_loss"] - one["log_loss"]) / one["base_loss"]
        if "log_loss" in one
        else (one["base_rmse"] - one["rmse"]) / max(one["base_rmse"], 1e-9)
        for tasks in metrics.values()
        for one in tasks.values()
        if "auc" in one or "rmse" in one
    ]
    return bool(gains) and float(np.mean(gains)) > 0


def _values(learned: Examples) -> Floats:
    """Mean and spread of each task of values, (0, 1) of others."""
    found = np.tile([0.0, 1.0], (len(learned.tasks), 1))
    for row, task in enumerate(learned.tasks):
        own = learned.labels[row][np.isfinite(learned.labels[row])]
        if task.of_value and len(own):
            found[row] = own.mean(), max(float(own.std()), 1e-6)
    return found


def _fingerprint(
    config: ClassifierTraining, learned: Examples, labels: npt.NDArray[np.float32], encoder: str
) -> str:
    """SHA-256 over the options, the pairs and what reads them."""
    total = hashlib.sha256(f"{config.model_dump_json()} {encoder}".encode())
    for column in (learned.user, learned.item, learned.scenario, learned.fold, labels):
        total.update(np.ascontiguousarray(column).tobytes())
    return total.hexdigest()


def _put(classifier: Classifier, folder: Path) -> None:
    """Save it beside, then take the place of one of that name, which is kept as NAME.before."""
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    beside.mkdir(parents=True)
    classifier.save(beside)
    before = folder.with_name(f"{folder.name}.before")
    if folder.exists():
        shutil.rmtree(before, ignore_errors=True)
        folder.rename(before)
    beside.rename(folder)
