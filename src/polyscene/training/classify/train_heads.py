"""Training of `Heads`. This module needs torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray
from polyscene.logs import Task as Progressing
from polyscene.logs import get_logger
from polyscene.training.classify.config import ClassifierTraining
from polyscene.training.classify.heads import Heads, blocks

__all__ = ["Inputs", "evaluate", "masked_loss", "train_epoch", "train_heads"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Inputs:
    """n pairs as a network sees them."""

    users: Vectors
    """Shape (n, dim)."""
    items: Vectors
    """Shape (n, dim)."""
    levels: Vectors
    """With the scenario, shape (n, levels)."""
    labels: npt.NDArray[np.float32]
    """0 or 1, or values with mean 0 and spread 1; NaN where unknown. Shape (tasks, n)."""


class _Net(nn.Module):
    def __init__(self, inputs: int, levels: int, tasks: int, config: ClassifierTraining) -> None:
        super().__init__()
        self.skip = nn.Linear(levels, tasks, bias=False)
        self.inner = nn.Linear(inputs, config.hidden)
        self.outer = nn.Linear(config.hidden, tasks)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.inner(self.drop(x)))
        z: torch.Tensor = self.skip(levels) + self.outer(self.drop(hidden))
        return z


def masked_loss(z: torch.Tensor, labels: torch.Tensor, of_value: torch.Tensor) -> torch.Tensor:
    """Log loss of chances and half the squared error of values, averaged over the tasks.

    Args:
        z: Shape (batch, tasks).
        labels: NaN where unknown, shape (batch, tasks).
        of_value: Which tasks are values, shape (tasks,).
    """
    known = torch.isfinite(labels)
    target = torch.nan_to_num(labels)
    chance = nn.functional.binary_cross_entropy_with_logits(z, target.clamp(0, 1), reduction="none")
    each = torch.where(of_value, (z - target) ** 2 / 2, chance) * known
    counts = known.sum(0)
    some = counts > 0
    return (each.sum(0)[some] / counts[some]).mean()


def train_epoch(
    net: nn.Module,
    data: Inputs,
    scale: Vectors,
    of_value: torch.Tensor,
    optimiser: torch.optim.Optimizer,
    batch_size: int,
    generator: torch.Generator,
) -> float:
    """One pass over the pairs in a random order; returns the mean loss."""
    net.train()
    losses = []
    order = torch.randperm(len(data.users), generator=generator).numpy()
    for x, levels, labels in _batches(data, scale, order, batch_size):
        loss = masked_loss(net(x, levels), labels, of_value)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def evaluate(net: nn.Module, data: Inputs, scale: Vectors, of_value: torch.Tensor) -> float:
    """The loss on some pairs."""
    net.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for x, levels, labels in _batches(data, scale, np.arange(len(data.users)), 4096):
            total += float(masked_loss(net(x, levels), labels, of_value)) * len(x)
            count += len(x)
    return total / max(count, 1)


def train_heads(
    data: Inputs,
    fold: IntArray,
    of_value: npt.NDArray[np.bool_],
    config: ClassifierTraining,
    task: Progressing,
) -> Heads:
    """Train the networks; each is kept as it was at its smallest loss on its validation fold.

    Args:
        data: The pairs.
        fold: The fold of each pair, shape (n,).
        of_value: Which tasks are values, shape (tasks,).
        config: The options.
        task: Told about each epoch.
    """
    sample = blocks(data.users[:20_000], data.items[:20_000])
    size = np.sqrt(np.mean(sample**2, axis=(0, 2)))
    scale = (1 / np.maximum(size, 1e-6)).astype(np.float32)
    shift = data.levels.mean(axis=0)
    spread = np.maximum(data.levels.std(axis=0), 1e-3)
    data = Inputs(data.users, data.items, (data.levels - shift) / spread, data.labels)
    folds = np.unique(fold)
    weights = [
        _member(data, fold == folds[number % len(folds)], scale, torch.tensor(of_value), config,
                number, task)
        for number in range(config.members)
    ]  # fmt: skip
    return Heads(weights, scale, shift, spread)


def _member(
    data: Inputs,
    validation: npt.NDArray[np.bool_],
    scale: Vectors,
    of_value: torch.Tensor,
    config: ClassifierTraining,
    number: int,
    task: Progressing,
) -> dict[str, Vectors]:
    generator = torch.Generator().manual_seed(config.seed + number)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed + number)
        net = _Net(4 * data.users.shape[1], data.levels.shape[1], len(data.labels), config)
        groups: list[dict[str, Any]] = [
            {"params": net.skip.parameters(), "lr": 10 * config.learning_rate, "weight_decay": 0.0},
            {"params": [*net.inner.parameters(), *net.outer.parameters()]},
        ]
        optimiser = torch.optim.AdamW(
            groups, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        learned, judged = _some(data, ~validation), _some(data, validation)
        best, kept, waited = np.inf, _weights(net), 0
        for epoch in range(config.epochs):
            loss = train_epoch(
                net, learned, scale, of_value, optimiser, config.batch_size, generator
            )
            found = evaluate(net, judged, scale, of_value)
            _log.info("member %d, epoch %d: loss %.4f, validation %.4f", number, epoch, loss, found)
            task.advance()
            if found < best:
                best, kept, waited = found, _weights(net), 0
            elif (waited := waited + 1) >= config.patience:
                task.advance(config.epochs - epoch - 1)
                break
    return kept


def _weights(net: _Net) -> dict[str, Vectors]:
    found = {"A": net.inner.weight, "a": net.inner.bias, "c": net.skip.weight,
             "d": net.outer.weight, "e": net.outer.bias}  # fmt: skip
    return {name: own.detach().numpy().copy() for name, own in found.items()}


def _some(data: Inputs, rows: npt.NDArray[np.bool_]) -> Inputs:
    return Inputs(data.users[rows], data.items[rows], data.levels[rows], data.labels[:, rows])


def _batches(
    data: Inputs, scale: Vectors, order: npt.NDArray[np.int64], size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        x = blocks(data.users[rows], data.items[rows]) * scale[:, None]
        yield (
            torch.from_numpy(np.ascontiguousarray(x.reshape(len(rows), -1))),
            torch.from_numpy(data.levels[rows]),
            torch.from_numpy(np.ascontiguousarray(data.labels[:, rows].T)),
        )
