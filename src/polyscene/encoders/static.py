"""Vectors of tokens, summed: what is left of a transformer after it was distilled."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.encoders.base import Encoder, EncoderConfig
from polyscene.encoders.transformer import folder_hash
from polyscene.errors import EncoderError
from polyscene.extras import require

__all__ = ["TOKENIZER_FILE", "VECTORS_FILE", "StaticConfig", "StaticEncoder"]

VECTORS_FILE = "vectors.npy"
"""One row a token, shape (vocabulary, dim); the length of a row is the weight of its token."""
TOKENIZER_FILE = "tokenizer.json"


class StaticConfig(EncoderConfig):
    """Options of `static`."""

    folder: str = "."
    """A folder with vectors.npy, one row a token, and tokenizer.json."""


class StaticEncoder(Encoder):
    """The sum of the vectors of a text's tokens, as `train encoder --objective distil` makes them.

    No model is run: a text costs its tokenisation and one addition a token, and all of it is
    read. The order of words is lost. Needs the package `tokenizers`, of the extra `train`, and no
    torch. Safe to share between threads.

    Reference: Tulkens and van Dongen (2024), Model2Vec, https://github.com/MinishLab/model2vec.
    """

    name = "static"
    config_type = StaticConfig
    config: StaticConfig

    @cached_property
    def id(self) -> str:
        """Hash of the folder's content, and the options.

        Raises:
            EncoderError: When the folder does not exist.
        """
        folder = Path(self.config.folder)
        if not folder.is_dir():
            raise EncoderError(f"cannot read static vectors: no folder {folder}")
        return f"static sha256:{folder_hash(folder)[:32]} chars={self.config.max_chars}"

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

    @cached_property
    def _tokenizer(self) -> Any:
        library = require("tokenizers", "train", "the encoder 'static'")
        path = Path(self.config.folder) / TOKENIZER_FILE
        try:
            tokenizer = library.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise EncoderError(f"cannot read {path}: {error}") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer
