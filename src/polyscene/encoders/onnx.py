"""A transformer as an ONNX graph, run by onnxruntime without torch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.component import Vectors
from polyscene.encoders.folder import FolderConfig, FolderEncoder
from polyscene.errors import EncoderError
from polyscene.extras import require
from polyscene.threads import THREADS

__all__ = ["GRAPH_FILE", "INPUTS", "OnnxConfig", "OnnxEncoder"]

GRAPH_FILE = "model.onnx"
INPUTS = ("input_ids", "attention_mask")
"""What the graph takes: int64 of shape (texts, tokens). It gives one vector a text."""


class OnnxConfig(FolderConfig):
    """Options of `onnx`."""

    folder: str = "."
    """A folder with model.onnx and tokenizer.json, which says how many tokens are read."""


class OnnxEncoder(FolderEncoder):
    """Runs a graph as `train encoder --objective onnx` exports it; needs the extra `onnx`.

    Each text passes through the graph alone, several at once on as many threads. So nothing is
    padded, and a vector never depends on its neighbours: with int8 the numbers within the graph are
    scaled by all that passes through together. Safe to share between threads.
    """

    name = "onnx"
    config_type = OnnxConfig
    config: OnnxConfig
    extra = "onnx"

    @cached_property
    def dim(self) -> int:
        """Components of the graph's output."""
        return int(self._one(self._tokenizer.encode("a").ids).shape[0])

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of non-blank texts."""
        tokens = [one.ids for one in self._tokenizer.encode_batch_fast(texts)]
        if len(tokens) == 1:
            return self._one(tokens[0])[None]
        _ = self._session  # loaded once, before the threads
        with ThreadPoolExecutor(min(THREADS, len(tokens))) as pool:
            return np.stack(list(pool.map(self._one, tokens)))

    def _one(self, tokens: Sequence[int]) -> Vectors:
        ids = np.array([tokens], np.int64)
        try:
            found = self._session.run(
                None, dict(zip(INPUTS, (ids, np.ones_like(ids)), strict=True))
            )
        except Exception as error:  # the library has no class of its errors
            raise EncoderError(f"cannot run {self._path}: {error}") from error
        vectors: Vectors = found[0]
        if vectors.ndim != 2:
            raise EncoderError(
                f"{self._path}: got an output of shape {vectors.shape}; expected one vector a text"
            )
        row: Vectors = vectors[0]
        return row

    @property
    def _path(self) -> Path:
        return Path(self.config.folder) / GRAPH_FILE

    @cached_property
    def _session(self) -> Any:
        library = require("onnxruntime", self.extra, "the encoder 'onnx'")
        options = library.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = library.InferenceSession(
                str(self._path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the library has no class of its errors
            raise EncoderError(f"cannot read {self._path}: {error}") from error
        names = sorted(one.name for one in session.get_inputs())
        if names != sorted(INPUTS):
            raise EncoderError(
                f"{self._path}: its inputs are {', '.join(names)}; expected {' and '.join(INPUTS)}"
            )
        return session
