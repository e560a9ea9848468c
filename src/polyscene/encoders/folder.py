"""What encoders have in common whose model is a folder, with a tokenizer that needs no torch."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from polyscene.encoders.base import Encoder, EncoderConfig
from polyscene.encoders.transformer import folder_hash
from polyscene.errors import EncoderError
from polyscene.extras import require

__all__ = ["TOKENIZER_FILE", "FolderConfig", "FolderEncoder"]

TOKENIZER_FILE = "tokenizer.json"
"""As the package `tokenizers` writes it."""


class FolderConfig(EncoderConfig):
    """Options of an encoder in a folder."""

    folder: str = "."
    """A folder with the model and tokenizer.json."""


class FolderEncoder(Encoder):
    """An encoder whose id is the content of its folder."""

    config_type = FolderConfig
    config: FolderConfig
    extra = "train"
    """The extra that brings what it needs."""

    @cached_property
    def id(self) -> str:
        """Hash of the folder's content, and the options.

        Raises:
            EncoderError: When the folder does not exist.
        """
        folder = Path(self.config.folder)
        if not folder.is_dir():
            raise EncoderError(f"cannot read the encoder {self.name!r}: no folder {folder}")
        return f"{self.name} sha256:{folder_hash(folder)[:32]} chars={self.config.max_chars}"

    @cached_property
    def _tokenizer(self) -> Any:
        library = require("tokenizers", self.extra, f"the encoder {self.name!r}")
        path = Path(self.config.folder) / TOKENIZER_FILE
        try:
            tokenizer = library.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            raise EncoderError(f"cannot read {path}: {error}") from error
        tokenizer.no_padding()
        return tokenizer
