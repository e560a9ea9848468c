"""An encoder for tests in which texts that share words are close: no model, no file, no wait."""

from __future__ import annotations

import re
from zlib import crc32

import numpy as np
from pydantic import Field

from polyscene.component import Vectors
from polyscene.encoders.base import Encoder, EncoderConfig

__all__ = ["WordEncoder", "WordEncoderConfig"]

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u3040-\u9fff]+")


class WordEncoderConfig(EncoderConfig):
    """Options of the word encoder."""

    dims: int = Field(default=64, ge=2)
    """Components of a vector; the more, the rarer two words fall together."""


class WordEncoder(Encoder):
    """Hashed counts of words, of Chinese characters, and of the trigrams of longer words.

    The cosine of two texts grows with the words they share, so that tests of everything behind
    the encoder are meaningful, fast and the same on every machine. It has no name in settings: pass
    it to `Workspace`.

    Args:
        config: The options; the defaults when omitted.
    """

    config_type = WordEncoderConfig
    config: WordEncoderConfig

    def __init__(self, config: WordEncoderConfig | None = None) -> None:
        super().__init__(config)

    @property
    def id(self) -> str:
        """Name and number of components."""
        return f"words {self.config.dims}"

    @property
    def dim(self) -> int:
        """As configured."""
        return self.config.dims

    def embed(self, texts: list[str]) -> Vectors:
        """Counts with hashed places and signs; O(characters)."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            for feature, weight in _features(text.casefold()):
                code = crc32(feature.encode("utf-8", "surrogatepass"))
                vectors[row, (code >> 1) % self.dim] += weight if code & 1 else -weight
            if not vectors[row].any():  # no word at all, or words that cancel out
                vectors[row, crc32(text.encode("utf-8", "surrogatepass")) % self.dim] = 1.0
        return vectors


def _features(text: str) -> list[tuple[str, float]]:
    found = []
    for word in _WORD.findall(text):
        found.append((word, 1.0))
        found += [(f"#{word[start : start + 3]}", 0.2) for start in range(len(word) - 2)]
    return found
