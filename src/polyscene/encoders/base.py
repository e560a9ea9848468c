"""What every encoder is: texts in, unit vectors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from polyscene.component import Component, Config, Vectors
from polyscene.errors import EncoderError
from polyscene.logs import NO_PROGRESS, Progress

__all__ = ["Encoder", "EncoderConfig", "unit_rows"]


class EncoderConfig(Config):
    """Options that every encoder has."""

    weight: float = Field(default=1.0, gt=0)
    """Share of this encoder's cosine when several are used together."""
    max_chars: int = Field(default=8000, ge=1)
    """Characters of a text that are read; the rest is ignored. It bounds the time and memory
    that one text can take."""


class Encoder(Component, ABC):
    """Turns texts into unit vectors.

    A subclass implements `id`, `dim` and `embed`; `encode` takes care of blank and overlong
    texts, batches, progress, normalisation and the check of the result. `EncoderContract` in
    `polyscene.testing` tests all of it.

    Args:
        config: The options; the defaults when omitted.
    """

    family = "encoder"
    config_type = EncoderConfig
    config: EncoderConfig

    @property
    @abstractmethod
    def id(self) -> str:
        """What the vectors depend on: weights, options, version. Equal ids, equal vectors."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Number of components of a vector."""

    @property
    def weight(self) -> float:
        """Share of this encoder when several are used together."""
        return self.config.weight

    @property
    def batch(self) -> int:
        """How many texts are passed to `embed` at once."""
        return 256

    @abstractmethod
    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of texts that are neither empty nor blank, of any length.

        Args:
            texts: At least one and at most `batch` texts.

        Returns:
            Shape (number of texts, dim). `encode` normalises the rows.
        """

    def encode(self, texts: Sequence[str], progress: Progress = NO_PROGRESS) -> Vectors:
        """One unit vector a text; the cost is linear in the number of texts.

        Args:
            texts: Any texts in any language.
            progress: Told about the texts that are done.

        Returns:
            Shape (n, dim), float32, C-contiguous. A blank text has a zero row.

        Raises:
            EncoderError: When the model gives something other than n finite rows of `dim`.
        """
        rows = [row for row, text in enumerate(texts) if text.strip()]
        if not rows:
            return np.zeros((len(texts), self.dim), dtype=np.float32)
        parts: list[Vectors] = []
        with progress.task("encode", len(rows), "texts") as task:
            for start in range(0, len(rows), self.batch):
                batch = [self._readable(texts[row]) for row in rows[start : start + self.batch]]
                parts.append(self._checked(self.embed(batch), len(batch)))
                task.advance(len(batch))
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        vectors[rows] = unit_rows(np.concatenate(parts))
        return vectors

    def forget(self, texts: Sequence[str]) -> int:
        """Remove what is kept of texts; returns how many vectors that were."""
        return 0

    def close(self) -> None:
        """Release files and connections; the next use opens them again."""
        return

    def _readable(self, text: str) -> str:
        """The text as the model can take it: not overlong, and valid Unicode."""
        return text[: self.config.max_chars].encode("utf-8", "replace").decode("utf-8")

    def _checked(self, vectors: Vectors, n: int) -> Vectors:
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.shape != (n, self.dim):
            raise EncoderError(
                f"encoder {self.id}: got an array of shape {vectors.shape} for {n} texts; "
                f"expected {(n, self.dim)}"
            )
        if not np.isfinite(vectors).all():
            raise EncoderError(f"encoder {self.id}: the model returned NaN or infinite values")
        return vectors


def unit_rows(vectors: Vectors) -> Vectors:
    """The rows divided by their norms; rows whose norm is zero stay zero. Float32."""
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0.0)
    # Dividing by the largest component first keeps the squares of extreme rows in range.
    scaled = vectors / np.where(largest > 0, largest, 1.0)
    norms = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))[:, None]
    return np.ascontiguousarray(scaled / np.where(norms > 0, norms, 1.0), dtype=np.float32)
