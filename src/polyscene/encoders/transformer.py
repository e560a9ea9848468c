"""Any sentence-transformers model, by name or folder."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from pydantic import Field

from polyscene.component import Vectors
from polyscene.encoders.base import Encoder, EncoderConfig
from polyscene.errors import EncoderError
from polyscene.extras import require

__all__ = [
    "TransformerConfig",
    "TransformerEncoder",
    "can_be_had",
    "folder_hash",
    "no_bars",
    "not_loaded",
]

_PATIENCE_S = 10.0
"""How long a server of models has to answer."""


class TransformerConfig(EncoderConfig):
    """Options of `transformer`."""

    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    """A folder with a sentence-transformers model, or a model's public name."""
    revision: str | None = None
    """Version of a model given by name: a tag or commit. Unset means the latest."""
    device: str | None = None
    """Where it runs: cpu, cuda, mps; unset picks the best there is."""
    batch_size: int = Field(default=32, ge=1)
    """Texts that pass through the model together; affects speed and memory only."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Tokens of a text that are read; unset means as many as the model was made for."""
    prompt: str = ""
    """Put before every text, for models trained with an instruction such as "passage: "."""


class TransformerEncoder(Encoder):
    """Encodes with a sentence-transformers model; needs the extra `train`.

    The model is loaded on the first text. No code that comes with a model is executed. Safe to
    share between threads, which take turns.

    Reference: Reimers and Gurevych, "Sentence-BERT", EMNLP 2019.
    """

    name = "transformer"
    config_type = TransformerConfig
    config: TransformerConfig

    def __init__(self, config: TransformerConfig | None = None) -> None:
        super().__init__(config)
        # Tokenizers keep the truncation length as state and fail under concurrent use.
        self._using = threading.Lock()

    @cached_property
    def id(self) -> str:
        """Hash of the folder's content, or name and commit; and the options.

        Raises:
            EncoderError: When the model cannot be found or loaded.
        """
        folder = Path(self.config.model)
        if folder.is_dir():
            identity = f"sha256:{folder_hash(folder)[:32]}"
        else:
            identity = f"{self.config.model}@{self._commit()}"
        tokens = self.config.max_tokens or "all"
        prompt = f" prompt={self.config.prompt!r}" if self.config.prompt else ""
        return f"transformer {identity} tokens={tokens} chars={self.config.max_chars}{prompt}"

    @cached_property
    def dim(self) -> int:
        """Number of components, asked from the model."""
        dim = self._model.get_embedding_dimension()
        if dim is None:
            with self._using:
                dim = self._model.encode(["dimension"]).shape[1]
        return int(dim)

    @property
    def batch(self) -> int:
        """Eight batches of the model, so that it can pack texts of like length together."""
        return 8 * self.config.batch_size

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of non-blank texts."""
        model = self._model
        with self._using:
            vectors = model.encode(
                texts,
                prompt=self.config.prompt or None,
                batch_size=self.config.batch_size,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        return cast("Vectors", vectors)

    @cached_property
    def _model(self) -> Any:
        library = require("sentence_transformers", "train", "the encoder 'transformer'")
        can_be_had(self.config.model, self.config.revision)
        try:
            with no_bars():
                model = library.SentenceTransformer(
                    self.config.model,
                    revision=self.config.revision,
                    device=self.config.device,
                    trust_remote_code=False,
                )
        except (OSError, ValueError, RuntimeError) as error:
            raise not_loaded(self.config.model, error) from error
        if self.config.max_tokens is not None:
            longest = model.max_seq_length or self.config.max_tokens
            model.max_seq_length = min(longest, self.config.max_tokens)
        return model

    def _commit(self) -> str:
        """The commit of a model given by name; looks in the local download first."""
        hub = require("huggingface_hub", "train", "the encoder 'transformer'")
        for is_loaded in (False, True):
            if is_loaded:
                _ = self._model  # downloads it
            try:
                snapshot = hub.snapshot_download(
                    self.config.model, revision=self.config.revision, local_files_only=True
                )
            except (OSError, ValueError):
                continue
            return Path(snapshot).name
        return self.config.revision or "latest"


def can_be_had(model: str, revision: str | None = None) -> None:
    """Ask once whether a model is here or can be downloaded; the library asks for a minute.

    Args:
        model: A folder or public name.
        revision: Version of a model given by name.

    Raises:
        EncoderError: When it is not here, and no server can be reached.
    """
    if Path(model).is_dir():
        return
    hub = require("huggingface_hub", "train", "the encoder 'transformer'")
    errors = require("huggingface_hub.errors", "train", "the encoder 'transformer'")
    for name in (model, f"sentence-transformers/{model}"):
        try:
            hub.snapshot_download(name, revision=revision, local_files_only=True)
        except (OSError, ValueError):
            continue
        return
    try:
        hub.HfApi().model_info(model, revision=revision, timeout=_PATIENCE_S)
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, ValueError):
        return  # the library says what is wrong, without asking again
    except Exception as error:  # of the network, and of another type with each version
        raise not_loaded(model, error) from error


def not_loaded(model: str, error: Exception) -> EncoderError:
    """The error for a model that cannot be loaded; of what the library says, its first line."""
    said = str(error).partition("\n")[0].removesuffix(".")
    return EncoderError(
        f"cannot load the model {model!r}: {said}; expected a folder with a sentence-transformers "
        "model, or the name of one that can be downloaded"
    )


@contextmanager
def no_bars() -> Iterator[None]:
    """Keep the library from drawing progress bars while it loads a model."""
    bars = require("transformers.utils.logging", "train", "the encoder 'transformer'")
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def folder_hash(folder: Path) -> str:
    """SHA-256 over names and contents of a model's files, hidden files and *.md left out."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if not path.is_file() or hidden or path.suffix == ".md":
            continue
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{name}\n{digest}\n".encode())
    return total.hexdigest()
