"""A small network with a head for each task, on the vectors of user and item.

    x = [u, i, u·i, |u - i|]      each block scaled to mean size 1
    h = relu(A x + a)
    z_t = c_t·levels + d_t·h + e_t      of task t; scenario as one of the levels
    chance = 1 / (1 + exp(-z_t)), or value = mean_t + spread_t·z_t

Here in numpy, for use; `train_heads` trains it with torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray

__all__ = ["Heads", "blocks", "chances", "with_scenario"]

_BLOCK = 4096


def blocks(users: Vectors, items: Vectors) -> Vectors:
    """[u, i, u·i, |u - i|] of pairs, shape (n, 4, dim)."""
    return np.stack([users, items, users * items, np.abs(users - items)], axis=1)


def with_scenario(levels: Vectors, scenario: IntArray, scenarios: int) -> Vectors:
    """The levels with a column of ones and zeros for each scenario."""
    return np.concatenate([levels, np.eye(scenarios, dtype=np.float32)[scenario]], axis=1)


def chances(z: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """1 / (1 + exp(-z))."""
    found: npt.NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(z, -40, 40)))
    return found


@dataclass(frozen=True, slots=True)
class Heads:
    """One or more networks whose outputs z are averaged."""

    weights: list[dict[str, Vectors]]
    """Of each network: A, a, c, d and e as above, by the names "A", "a", "c", "d", "e"."""
    scale: Vectors
    """What each block is multiplied by, shape (4,)."""
    shift: Vectors
    """Means of the levels, shape (levels,)."""
    spread: Vectors
    """Their standard deviations."""

    def __call__(self, users: Vectors, items: Vectors, levels: Vectors) -> npt.NDArray[np.float64]:
        """Z of every task, shape (tasks, n).

        Args:
            users: Vectors of the users of n pairs, shape (n, dim).
            items: Vectors of the items, shape (n, dim).
            levels: With the scenario, shape (n, levels).
        """
        parts = []
        for start in range(0, max(len(users), 1), _BLOCK):
            own = slice(start, start + _BLOCK)
            x = (blocks(users[own], items[own]) * self.scale[:, None]).reshape(len(users[own]), -1)
            known = (levels[own] - self.shift) / self.spread
            z = [
                known @ w["c"].T + np.maximum(x @ w["A"].T + w["a"], 0) @ w["d"].T + w["e"]
                for w in self.weights
            ]
            parts.append(np.mean(z, axis=0, dtype=np.float64).T)
        return np.concatenate(parts, axis=1)

    def save(self, path: Path) -> None:
        """Write the weights into the existing directory `path`."""
        for number, own in enumerate(self.weights):
            for name, matrix in own.items():
                np.save(path / f"{number}-{name}.npy", matrix)
        for name in ("scale", "shift", "spread"):
            np.save(path / f"{name}.npy", getattr(self, name))
        (path / "heads.json").write_text(json.dumps({"members": len(self.weights)}), "utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        members = json.loads((path / "heads.json").read_text("utf-8"))["members"]
        weights = [
            {name: np.load(path / f"{number}-{name}.npy") for name in "Aacde"}
            for number in range(members)
        ]
        scale, shift, spread = (
            np.load(path / f"{name}.npy") for name in ("scale", "shift", "spread")
        )
        return cls(weights, scale, shift, spread)
