"""Vectors of tokens, summed: what is left of a transformer after it was distilled."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.encoders.folder import TOKENIZER_FILE, FolderConfig, FolderEncoder
from polyscene.errors import EncoderError

__all__ = ["VECTORS_FILE", "StaticConfig", "StaticEncoder"]

VECTORS_FILE = "vectors.npy"
"""One row a token, shape (vocabulary, dim); the length of a row is the weight of its token."""


class StaticConfig(FolderConfig):
    """Options of `static`."""

    folder: str = "."
    """A folder with vectors.npy, one row a token, and tokenizer.json."""


class StaticEncoder(FolderEncoder):
    """The sum of the vectors of a text's tokens, as `train encoder --objective distil` makes them.

    No model is run: a text costs its tokenisation and one addition a token, and all of it is
    read. The order of words is lost. Needs the package `tokenizers`, of the extra `train`, and no
    torch. Safe to share between threads.

    Reference: Tulkens and van Dongen (2024), Model2Vec, https://github.com/MinishLab/model2vec.
    """

    name = "static"
    config_type = StaticConfig
    config: StaticConfig

    @property
    def dim(self) -> int:
        """Columns of the vectors."""
        return int(self._rows.shape[1])

    @property
    def batch(self) -> int:
        """4,096 texts."""
        return 4096

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of non-blank texts; unknown words have the vector of the unknown token."""
        tokens = [
            one.ids for one in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ]
        starts = np.cumsum([0, *map(len, tokens)])
        columns = np.fromiter((token for own in tokens for token in own), np.int64, starts[-1])
        if columns.max(initial=0) >= len(self._rows):
            raise EncoderError(
                f"{self.config.folder}: {TOKENIZER_FILE} has tokens without a row in {VECTORS_FILE}"
            )
        ones = np.ones(len(columns), np.float32)
        counts = sp.csr_matrix((ones, columns, starts), shape=(len(texts), len(self._rows)))
        return cast("Vectors", counts @ self._rows)

    @cached_property
    def _rows(self) -> Vectors:
        path = Path(self.config.folder) / VECTORS_FILE
        try:
            rows = np.asarray(np.load(path, allow_pickle=False), np.float32)
        except (OSError, ValueError, EOFError) as error:
            raise EncoderError(f"cannot read {path}: {error}") from error
        if rows.ndim != 2:
            raise EncoderError(f"{path}: got an array of shape {rows.shape}; expected two axes")
        return rows
