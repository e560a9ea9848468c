"""Whitening: sentence vectors crowd in one cone; centring and scaling opens it.

    w(v) = normalise( diag(λ + ε·mean(λ))^(-1/2) · Uᵀ (v - μ) )

U and λ are the leading eigenvectors and eigenvalues of the covariance of the catalogue's vectors,
μ their mean, and

    ε = shrinkage + 8 · dim / n

Small catalogues of n vectors say little about small directions, which whitening would blow up, so
their ε is large; past some 10,000 vectors the shrinkage alone counts. Short texts (tags) and
self-descriptions lie elsewhere in the cone than texts of targets, so they get a μ of their own.

Reference: Su et al., "Whitening Sentence Representations for Better Semantics and Faster
Retrieval" (2021). The effect of each choice is measured in docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np

from polyscene.component import Vectors
from polyscene.errors import ModelError
from polyscene.settings import Whitening

__all__ = ["Transform", "normalise"]

_SAMPLE = 200_000
"""Rows that the covariance is estimated from, at most."""
_ENOUGH = 30
"""Vectors that a mean worth using needs, at least."""
_SAMPLING = 8.0
"""How much of the shrinkage is due to a small catalogue, for each dimension a vector."""


def normalise(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1; zero rows stay zero. Shape (n, dim) in and out."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1), np.float32)


class Transform:
    """A fitted map from encoder vectors to the space in which everything is compared.

    Args:
        means: The mean of each kind of text, shape (dim,); those of targets are "item".
        matrix: Shape (dim, kept).
    """

    def __init__(self, means: Mapping[str, Vectors], matrix: Vectors) -> None:
        self.means = dict(means)
        self.matrix = matrix

    @property
    def dim(self) -> int:
        """Length of the vectors it returns."""
        return int(self.matrix.shape[1])

    @classmethod
    def fit(
        cls,
        vectors: Vectors,
        settings: Whitening,
        others: Mapping[str, Vectors] | None = None,
        seed: int = 0,
    ) -> Self:
        """Fit to the vectors of a catalogue.

        The map is the identity where whitening is disabled, or there are fewer than 30 vectors.

        Args:
            vectors: Unit rows, shape (n, dim); zero rows (targets without text) are ignored.
            settings: How many directions to keep, and the shrinkage.
            others: Vectors of other kinds of text, such as "tag"; a kind with fewer than 30 is
                centred as the catalogue is.
            seed: Of the sample, when there are more than 200,000 rows.
        """
        dim = vectors.shape[1]
        known = np.flatnonzero(np.any(vectors, axis=1))
        if not settings.enabled or len(known) < _ENOUGH:
            return cls({"item": np.zeros(dim, np.float32)}, np.eye(dim, dtype=np.float32))
        epsilon = settings.shrinkage + _SAMPLING * dim / len(known)
        if len(known) > _SAMPLE:
            rng = np.random.default_rng(seed)
            known = np.sort(rng.choice(known, _SAMPLE, replace=False))
        sample = vectors[known]
        values, directions = np.linalg.eigh(np.cov(sample, rowvar=False, dtype=np.float64))
        values, directions = np.maximum(values[::-1], 0), directions[:, ::-1]
        keep = min(settings.dims, dim, len(known) - 1)
        scale = 1.0 / np.sqrt(values[:keep] + epsilon * values.mean() + 1e-12)
        means = {"item": sample.mean(axis=0, dtype=np.float64).astype(np.float32)}
        for kind, texts in (others or {}).items():
            if len(texts) >= _ENOUGH:
                means[kind] = texts.mean(axis=0, dtype=np.float64).astype(np.float32)
        return cls(means, (directions[:, :keep] * scale).astype(np.float32))

    def __call__(self, vectors: Vectors, kind: str = "item") -> Vectors:
        """Unit rows in the new space, shape (n, dim); zero rows stay zero.

        Args:
            vectors: Encoder vectors, shape (n, dim of the encoder).
            kind: What kind of text they are of.
        """
        mean = self.means.get(kind, self.means["item"])
        moved = np.asarray((vectors - mean) @ self.matrix, np.float32)
        moved[~np.any(vectors, axis=1)] = 0
        return normalise(moved)

    def save(self, path: Path) -> None:
        """Write `matrix.npy`, and `mean-<kind>.npy` for each kind, into the directory `path`."""
        np.save(path / "matrix.npy", self.matrix)
        for kind, mean in self.means.items():
            np.save(path / f"mean-{kind}.npy", mean)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        try:
            files = sorted(path.glob("mean-*.npy"))
            means = {file.stem.removeprefix("mean-"): np.load(file) for file in files}
            loaded = cls(means, np.load(path / "matrix.npy"))
        except (OSError, ValueError, EOFError) as error:
            raise ModelError(f"cannot read the transform in {path}: {error}") from error
        if "item" not in means:
            raise ModelError(f"cannot read the transform in {path}: mean-item.npy is missing")
        return loaded
