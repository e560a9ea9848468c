"""The approximate part of the index: an inverted file on faiss with 8-bit components."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray
from polyscene.errors import ModelError
from polyscene.logs import Progress
from polyscene.vectors.exact import Mask

__all__ = ["InvertedFile"]

TRAINING_ROWS_A_LIST = 48
ITERATIONS = 8
ADDED_AT_ONCE = 50_000


class InvertedFile:
    """Rows grouped around L ≈ 2·√N centroids; a search looks into the nearest lists only.

    Components are kept as 8 bits: a quarter of the vectors' memory. The small error that this
    makes is removed by ranking the hits again with exact dot products.

    Reference: Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", PAMI
    2011; Douze et al., "The Faiss library", 2024.
    """

    def __init__(self, index: Any) -> None:
        self._faiss = import_module("faiss")  # slow to import, and not needed for exact search
        self._index = index

    @classmethod
    def build(cls, vectors: Vectors, seed: int, progress: Progress) -> Self:
        """Train on a sample of the rows, then add all of them. Equal seeds, equal indexes.

        Args:
            vectors: Shape (N, dim), N at least 1.
            seed: Chooses the sample and the first centroids.
            progress: Told about the rows that are added.
        """
        faiss = import_module("faiss")
        count, dim = vectors.shape
        lists = max(1, min(count, round(2 * count**0.5)))
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dim),
            dim,
            lists,
            faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT,
        )
        # Differences to the centroids would be finer, but rows that are added later may lie
        # outside of the range that was trained for them.
        index.by_residual = False
        index.cp.seed = seed
        index.cp.niter = ITERATIONS
        index.cp.min_points_per_centroid = 1  # faiss prints a warning below its own minimum
        index.cp.max_points_per_centroid = TRAINING_ROWS_A_LIST
        rng = np.random.default_rng(seed)
        size = min(count, TRAINING_ROWS_A_LIST * lists)
        sample = np.sort(rng.choice(count, size, replace=False))
        index.train(np.ascontiguousarray(vectors[sample]))
        built = cls(index)
        with progress.task("index", count, "vectors") as task:
            for start in range(0, count, ADDED_AT_ONCE):
                some = vectors[start : start + ADDED_AT_ONCE]
                built.add(some, np.arange(start, start + len(some)))
                task.advance(len(some))
        return built

    @property
    def lists(self) -> int:
        """Number of lists."""
        return int(self._index.nlist)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def candidates(self, queries: Vectors, n: int, probes: int, allowed: Mask | None) -> IntArray:
        """About the n best rows of each query, in no exact order; -1 where fewer were found.

        Args:
            queries: Shape (q, dim).
            n: How many.
            probes: How many lists to look into.
            allowed: Which rows may be found, shape (N,); None for all.

        Returns:
            Shape (q, n).
        """
        options: dict[str, Any] = {"nprobe": min(probes, self.lists)}
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            options["sel"] = self._faiss.IDSelectorBitmap(bits)
        parameters = self._faiss.SearchParametersIVF(**options)
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        _, rows = self._index.search(queries, n, params=parameters)
        return np.asarray(rows, dtype=np.int64)

    def add(self, vectors: Vectors, rows: IntArray) -> None:
        """Add vectors under their rows."""
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._index.add_with_ids(vectors, np.ascontiguousarray(rows, dtype=np.int64))

    def remove(self, rows: IntArray) -> None:
        """Take rows out. Cost: a pass over all ids."""
        self._index.remove_ids(np.ascontiguousarray(rows, dtype=np.int64))

    def save(self, path: Path) -> None:
        """Write to a file."""
        self._faiss.write_index(self._index, str(path))

    @classmethod
    def load(cls, path: Path, shape: tuple[int, ...]) -> Self:
        """Read what `save` wrote.

        Args:
            path: The file.
            shape: Shape of the vectors that it must belong to.

        Raises:
            ModelError: When the file cannot be read, or belongs to other vectors.
        """
        try:
            index = import_module("faiss").read_index(str(path))
        except (RuntimeError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"cannot read the index {path}: {reason}; fit again") from error
        if (index.ntotal, index.d) != shape:
            raise ModelError(
                f"{path}: holds {index.ntotal} vectors of {index.d} components; the model has "
                f"{shape[0]} of {shape[1]}; fit again"
            )
        return cls(index)
