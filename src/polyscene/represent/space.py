"""A space: a set of targets, their vectors, and the index that searches them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray
from polyscene.data.schema import Item, User
from polyscene.errors import ModelError
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.represent.targets import Targets
from polyscene.settings import IndexSettings
from polyscene.vectors.index import VectorIndex
from polyscene.vectors.store import load_vectors, save_vectors

__all__ = ["TargetSpace"]


class TargetSpace:
    """Targets by row with unit vectors; satisfies `polyscene.component.Space`.

    Args:
        targets: The targets.
        index: The index over their vectors, row for row.
    """

    def __init__(self, targets: Targets, index: VectorIndex) -> None:
        self.targets = targets
        self.index = index

    @classmethod
    def build(
        cls,
        targets: Targets,
        vectors: Vectors,
        settings: IndexSettings,
        progress: Progress = NO_PROGRESS,
    ) -> Self:
        """A space over vectors of shape (number of targets, dim)."""
        return cls(targets, VectorIndex.build(vectors, settings, progress=progress))

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def vectors(self) -> Vectors:
        """Unit rows, shape (number of targets, dim); zero for targets without text."""
        return self.index.vectors

    @property
    def edition(self) -> int:
        """A number that grows with every change of the vectors."""
        return self.index.edition

    @property
    def published_at(self) -> npt.NDArray[np.float64]:
        """When each target appeared, seconds since 1970-01-01 UTC; NaN where unknown."""
        return self.targets.published_at

    def search(
        self, queries: Vectors, n: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[IntArray, Vectors]:
        """The most similar allowed targets of each query; see `polyscene.component.Space`."""
        return self.index.search(queries, n, allowed)

    def put(self, records: Sequence[Item] | Sequence[User], vectors: Vectors) -> IntArray:
        """Add or replace targets with their vectors; returns their rows.

        Args:
            records: The records.
            vectors: Their unit vectors, shape (number of records, dim).
        """
        before = len(self.targets)
        rows = self.targets.put(records)
        last = {int(row): position for position, row in enumerate(rows)}
        new = [last[row] for row in range(before, len(self.targets))]
        old = [row for row in last if row < before]
        if old:
            self.index.replace(np.array(old), vectors[[last[row] for row in old]])
        if new:
            self.index.add(vectors[new])
        return rows

    def save(self, path: Path) -> None:
        """Write targets, vectors and index into the existing directory `path`."""
        self.targets.save(path)
        save_vectors(path / "vectors.npy", self.vectors)
        self.index.save(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        targets, vectors = Targets.load(path), load_vectors(path / "vectors.npy")
        if len(targets) != len(vectors):
            raise ModelError(f"{path} has {len(targets)} targets but {len(vectors)} vectors")
        return cls(targets, VectorIndex.load(path, vectors))
