"""An encoder without a model, for tests: fast, deterministic, and able to fail on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from polyscene.component import Vectors
from polyscene.encoders.base import Encoder, EncoderConfig
from polyscene.errors import EncoderError

__all__ = ["FakeEncoder", "hashed_vectors"]


def hashed_vectors(texts: Sequence[str], dim: int) -> Vectors:
    """Pseudo-random vectors that depend on nothing but the text. Shape (n, dim)."""
    rows = []
    for text in texts:
        seed = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])
        rows.append(np.random.default_rng(seed).standard_normal(dim))
    return np.array(rows, dtype=np.float32).reshape(len(texts), dim)


class FakeEncoder(Encoder):
    """Hashes texts to vectors, and keeps what it was asked. It has no name in settings.

    Args:
        dim: Number of components.
        id: What it calls itself.
        fail_after: How many texts it encodes before it raises; None for never.
        weight: Its share in a joint encoder.
    """

    def __init__(
        self, dim: int = 8, id: str = "fake", fail_after: int | None = None, weight: float = 1.0
    ) -> None:
        super().__init__(EncoderConfig(weight=weight))
        self._dim = dim
        self._id = id
        self.fail_after = fail_after
        self.encoded: list[str] = []
        """Every text that was encoded, in order."""

    @property
    def id(self) -> str:
        """As given."""
        return self._id

    @property
    def dim(self) -> int:
        """As given."""
        return self._dim

    @property
    def batch(self) -> int:
        """16 texts, so that small tests see several batches."""
        return 16

    def embed(self, texts: list[str]) -> Vectors:
        """Pseudo-random vectors.

        Raises:
            EncoderError: When `fail_after` is reached.
        """
        if self.fail_after is not None and len(self.encoded) + len(texts) > self.fail_after:
            raise EncoderError("the fake encoder was told to fail")
        self.encoded.extend(texts)
        return hashed_vectors(texts, self._dim)
