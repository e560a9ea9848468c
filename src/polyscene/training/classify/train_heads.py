"""Training of `Heads`. This module needs torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray
from polyscene.logs import Task as Progressing
from polyscene.logs import get_logger
from polyscene.training.checkpoints import Checkpoints
from polyscene.training.classify.config import ClassifierTraining
from polyscene.training.classify.heads import Heads, blocks, chances
from polyscene.training.classify.known import Inputs

__all__ = [
    "Member",
    "confident",
    "evaluate",
    "masked_loss",
    "train_epoch",
    "train_heads",
]

_log = get_logger(__name__)


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


@dataclass(frozen=True, slots=True)
class Member:
    """One network as it was at its smallest loss on its validation fold."""

    weights: dict[str, Vectors]
    loss: float
    """On that fold."""
    plain_loss: float
    """The same without pseudo-labels."""
    pseudo: int
    """How many pseudo-labels it has learned from; 0 where they did not help, and were left out."""


def train_heads(
    data: Inputs,
    fold: IntArray,
    of_value: npt.NDArray[np.bool_],
    config: ClassifierTraining,
    checkpoints: Checkpoints,
    task: Progressing,
    unlabelled: Inputs | None = None,
) -> tuple[Heads, list[Member]]:
    """Train the networks; each is kept as it was at its smallest loss on its validation fold.

    Args:
        data: The pairs.
        fold: The fold of each pair, shape (n,).
        of_value: Which tasks are values, shape (tasks,).
        config: The options.
        checkpoints: Where each network is kept as soon as it is done.
        task: Told about each epoch.
        unlabelled: Pairs of which nothing is known: each network, once trained, labels those that
            it is sure of (`config.pseudo`) and is trained again with them; what comes of that is
            kept only where the loss on its validation fold is smaller, which it never learned from.
    """
    sample = blocks(data.users[:20_000], data.items[:20_000])
    size = np.sqrt(np.mean(sample**2, axis=(0, 2)))
    scale = (1 / np.maximum(size, 1e-6)).astype(np.float32)
    shift = data.levels.mean(axis=0)
    spread = np.maximum(data.levels.std(axis=0), 1e-3)
    data = _levelled(data, shift, spread)
    more = None if unlabelled is None else _levelled(unlabelled, shift, spread)
    folds, members = np.unique(fold), []
    for number in range(config.members):
        member = _kept(checkpoints, number)
        if member is None:
            validation = fold == folds[number % len(folds)]
            parts = _some(data, ~validation), _some(data, validation)
            seed = config.seed + number
            weights, loss = _fit(*parts, scale, of_value, config, seed, task)
            member = Member(weights, loss, loss, 0)
            if more is not None:
                added = _sure(member, more, scale, of_value, config.pseudo)
                joined = _joined(parts[0], added)
                again, found = _fit(joined, parts[1], scale, of_value, config, seed, task)
                count = int(np.isfinite(added.labels).sum())
                _log.info("member %d: %d pseudo-labels, validation %.4f", number, count, found)
                if found < loss:
                    member = Member(again, found, loss, count)
            _keep(checkpoints, number, member)
        members.append(member)
    return Heads([member.weights for member in members], scale, shift, spread), members


def _sure(
    member: Member,
    unlabelled: Inputs,
    scale: Vectors,
    of_value: npt.NDArray[np.bool_],
    threshold: float | None,
) -> Inputs:
    """The pairs that a network is sure of, with its answers as labels."""
    levels = unlabelled.levels.shape[1]
    nothing, ones = np.zeros(levels, np.float32), np.ones(levels, np.float32)
    alone = Heads([member.weights], scale, nothing, ones)
    z = alone(unlabelled.users, unlabelled.items, unlabelled.levels)
    labels = confident(z, of_value, threshold)
    own = np.flatnonzero(np.isfinite(labels).any(axis=0))
    return _some(Inputs(unlabelled.users, unlabelled.items, unlabelled.levels, labels), own)


def _kept(checkpoints: Checkpoints, number: int) -> Member | None:
    state = checkpoints.get(f"member-{number}")
    if state is None:
        return None
    weights = {name: own.numpy() for name, own in state.pop("weights").items()}
    return Member(weights, **state)


def _keep(checkpoints: Checkpoints, number: int, member: Member) -> None:
    state = {
        **asdict(member),
        "weights": {k: torch.from_numpy(v) for k, v in member.weights.items()},
    }
    checkpoints.put(f"member-{number}", state)


def confident(
    z: npt.NDArray[np.float64], of_value: npt.NDArray[np.bool_], threshold: float | None
) -> npt.NDArray[np.float32]:
    """Labels of what a network is sure of, NaN elsewhere; same shape.

    Args:
        z: Outputs, shape (tasks, n).
        of_value: Which tasks are values; of these nothing is sure.
        threshold: The chance from which a pair is taken for a success; below 1 less it, for none.
    """
    chance = chances(z)
    least = 1.0 if threshold is None else threshold
    found = np.where(chance >= least, 1.0, np.where(chance <= 1 - least, 0.0, np.nan))
    found[of_value] = np.nan
    return found.astype(np.float32)


def _fit(
    learned: Inputs,
    judged: Inputs,
    scale: Vectors,
    of_value: npt.NDArray[np.bool_],
    config: ClassifierTraining,
    seed: int,
    task: Progressing,
) -> tuple[dict[str, Vectors], float]:
    """The weights of one network at its smallest loss on what it is judged by, and that loss."""
    generator, values = torch.Generator().manual_seed(seed), torch.tensor(of_value)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Net(4 * learned.users.shape[1], learned.levels.shape[1], len(of_value), config)
        groups: list[dict[str, Any]] = [
            {"params": net.skip.parameters(), "lr": 10 * config.learning_rate, "weight_decay": 0.0},
            {"params": [*net.inner.parameters(), *net.outer.parameters()]},
        ]
        optimiser = torch.optim.AdamW(
            groups, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        best, kept, waited = np.inf, _weights(net), 0
        for epoch in range(config.epochs):
            loss = train_epoch(net, learned, scale, values, optimiser, config.batch_size, generator)
            found = evaluate(net, judged, scale, values)
            _log.info("seed %d, epoch %d: loss %.4f, validation %.4f", seed, epoch, loss, found)
            task.advance()
            if found < best:
                best, kept, waited = found, _weights(net), 0
            elif (waited := waited + 1) >= config.patience:
                task.advance(config.epochs - epoch - 1)
                break
    return kept, float(best)


def _levelled(data: Inputs, shift: Vectors, spread: Vectors) -> Inputs:
    return Inputs(data.users, data.items, (data.levels - shift) / spread, data.labels)


def _joined(first: Inputs, second: Inputs) -> Inputs:
    return Inputs(
        np.concatenate([first.users, second.users]),
        np.concatenate([first.items, second.items]),
        np.concatenate([first.levels, second.levels]),
        np.concatenate([first.labels, second.labels], axis=1),
    )


def _weights(net: _Net) -> dict[str, Vectors]:
    found = {"A": net.inner.weight, "a": net.inner.bias, "c": net.skip.weight,
             "d": net.outer.weight, "e": net.outer.bias}  # fmt: skip
    return {name: own.detach().numpy().copy() for name, own in found.items()}


def _some(data: Inputs, rows: IntArray | npt.NDArray[np.bool_]) -> Inputs:
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
