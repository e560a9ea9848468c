"""Pairs of a user and an item with what happened: what a classifier learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import Dataset, IntArray, Mask
from polyscene.data.split import random_pairs
from polyscene.errors import DataError
from polyscene.fitting.holdout import in_scenario
from polyscene.fitting.outcomes import knows_shown
from polyscene.ranking.activity import happened
from polyscene.settings import Settings, Task

__all__ = ["FOLDS", "HELD", "Examples", "examples", "task_scenarios"]

FOLDS = 10
"""What is known of a user when a pair is learned from is all but the pairs of its fold."""
HELD = -1
"""The fold of the pairs that are held out; all others are known then."""


@dataclass(frozen=True, slots=True)
class Examples:
    """n pairs. All arrays of shape (n,) but `labels`."""

    user: IntArray
    item: IntArray
    scenario: IntArray
    """Place of the scenario in `scenarios`."""
    fold: IntArray
    """0 to `FOLDS` - 1, or `HELD`."""
    labels: npt.NDArray[np.float32]
    """0 or 1, or a value; NaN where unknown or no task of the scenario. Shape (tasks, n)."""
    tasks: tuple[Task, ...]
    scenarios: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.user)

    def joined(self, more: Examples) -> Examples:
        """These pairs and others of the same tasks and scenarios."""
        return Examples(
            np.append(self.user, more.user), np.append(self.item, more.item),
            np.append(self.scenario, more.scenario), np.append(self.fold, more.fold),
            np.concatenate([self.labels, more.labels], axis=1), self.tasks, self.scenarios,
        )  # fmt: skip

    def take(self, rows: IntArray | Mask) -> Examples:
        """Some of the pairs."""
        return Examples(
            self.user[rows], self.item[rows], self.scenario[rows], self.fold[rows],
            self.labels[:, rows], self.tasks, self.scenarios,
        )  # fmt: skip


def task_scenarios(settings: Settings, named: Sequence[str] = ()) -> list[str]:
    """The scenarios of items that have tasks.

    Raises:
        DataError: When there is none, or a named one has none.
        SettingsError: When a named one is not declared.
    """
    for name in named:
        spec = settings.scenario(name)
        if not spec.tasks or spec.target in ("person", "tag"):
            raise DataError(
                f"scenario {name!r} has no tasks on items; declare them, such as "
                'tasks = ["click", "purchase"] or tasks = { like = "rate>=4" }'
            )
    found = list(named) or [
        name
        for name, spec in settings.scenarios.items()
        if spec.tasks and spec.target not in ("person", "tag")
    ]
    if not found:
        raise DataError(
            "no scenario of items has tasks; declare them in polyscene.toml, such as "
            'tasks = ["click", "purchase"] or tasks = { like = "rate>=4" }'
        )
    return found


def examples(
    data: Dataset,
    settings: Settings,
    scenarios: Sequence[str],
    *,
    share: float,
    negatives: int,
    most: int,
    seed: int,
) -> tuple[Examples, Mask]:
    """The pairs of some scenarios, and which events are held out with theirs.

    A pair is held out whole, in every scenario. Where a log knows what was shown
    (`fitting.outcomes.knows_shown`), its pairs are all there is; else items are drawn for every
    pair, by the square root of their events, which the user has not come to.

    Args:
        data: All events.
        settings: The workspace's settings.
        scenarios: The scenarios; see `task_scenarios`.
        share: The share of each user's pairs that is held out.
        negatives: Items drawn for a pair.
        most: Pairs, at most.
        seed: Of what is drawn.

    Raises:
        DataError: When no task ever happened and not happened.
    """
    rng = np.random.default_rng(seed)
    here = np.zeros(len(data), np.bool_)
    for name in scenarios:
        here |= in_scenario(data, name) & data.aimed(settings.scenario(name).target)
    here &= data.target >= 0
    held = random_pairs(data, ~data.on_person & (data.target >= 0), share, seed)
    tasks = {task.name: task for name in scenarios for task in settings.scenario(name).to_predict}
    parts = []
    for code, name in enumerate(scenarios):
        own = here & in_scenario(data, name) & data.aimed(settings.scenario(name).target)
        shown = knows_shown(data, settings, name)
        wanted = settings.scenario(name).to_predict
        parts.append(
            _pairs(data, np.flatnonzero(own), held, code, wanted, list(tasks.values()),
                   0 if shown else negatives, rng)
        )  # fmt: skip
    user, item, scenario, fold, labels = (
        np.concatenate(part, -1) for part in zip(*parts, strict=True)
    )
    found = Examples(user, item, scenario, fold, labels, tuple(tasks.values()), tuple(scenarios))
    if len(found) > most:
        found = found.take(np.sort(rng.choice(len(found), most, replace=False)))
    known = [np.unique(own[np.isfinite(own)]) for own in found.labels[:, found.fold != HELD]]
    if not any(len(values) > 1 for values in known):
        raise DataError(
            f"nothing to tell apart in {', '.join(scenarios)}: no task has both outcomes among "
            f"{len(found)} pairs"
        )
    return found, held


def _pairs(
    data: Dataset,
    events: IntArray,
    held: Mask,
    code: int,
    wanted: Sequence[Task],
    tasks: Sequence[Task],
    negatives: int,
    rng: np.random.Generator,
) -> tuple[IntArray, IntArray, IntArray, IntArray, npt.NDArray[np.float32]]:
    """The columns of `Examples` for one scenario."""
    width = len(data.items)
    part = data.take(events)
    pairs, place = np.unique(part.user * width + part.target, return_inverse=True)
    size = len(pairs)
    labels = np.full((len(tasks), size), np.nan, np.float32)
    names = [task.name for task in wanted]
    for row, task in enumerate(tasks):
        if task.name not in names:
            continue
        on = happened(part, task)
        count = np.bincount(place[on], minlength=size)
        total = np.bincount(place[on], weights=part.value[on], minlength=size)
        if task.of_value:
            labels[row] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        else:
            labels[row] = count > 0
    is_held = np.bincount(place, weights=held[events], minlength=size) > 0
    fold = np.where(is_held, HELD, rng.integers(0, FOLDS, size))
    user, item = np.divmod(pairs, width)
    if negatives and size:
        owner = np.repeat(np.arange(size), negatives)
        chance = np.sqrt(np.bincount(part.target, minlength=width).astype(np.float64))
        drawn = rng.choice(width, len(owner), p=chance / chance.sum())
        free = ~np.isin(user[owner] * width + drawn, pairs)
        owner, drawn = owner[free], drawn[free]
        none = np.full((len(tasks), len(owner)), np.nan, np.float32)
        for row, task in enumerate(tasks):
            if task.name in names and not task.of_value:
                none[row] = 0
        user, item = np.append(user, user[owner]), np.append(item, drawn)
        fold, labels = np.append(fold, fold[owner]), np.concatenate([labels, none], axis=1)
    return user, item, np.full(len(user), code), fold, labels
