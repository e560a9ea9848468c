"""Encoders that were trained in a workspace.

    runs/NAME/current                the version that `workspace:NAME` means, one line
    runs/NAME/<version>/model/       the weights, and encoder.json

`encoder.json` is a table as in `encoders` of the settings, whose paths are relative to its folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from polyscene.component import Vectors, build
from polyscene.encoders.base import Encoder, EncoderConfig
from polyscene.encoders.cache import CachedEncoder
from polyscene.encoders.transformer import folder_hash
from polyscene.errors import EncoderError, NotFoundError, SettingsError, did_you_mean

__all__ = ["CURRENT", "ENCODER_FILE", "MappedConfig", "MappedEncoder", "TrainedConfig",
           "TrainedEncoder", "model_folder"]  # fmt: skip

CURRENT = "current"
ENCODER_FILE = "encoder.json"
_PATHS = {"transformer": "model", "mapped": "map", "static": "folder", "onnx": "folder"}
"""The option of each type that is a path in the folder."""


class TrainedConfig(EncoderConfig):
    """Options of `workspace`."""

    name: str = ""
    """The name it was trained under."""
    version: str | None = None
    """One of its versions; unset means the current one."""
    dims: int | None = Field(default=None, ge=1)
    """Only so many components, the first ones; unset means all. For what was trained so, with the
    option `dims` of the training."""


class TrainedEncoder(Encoder):
    """An encoder that `polyscene train encoder` made; `"workspace:NAME"` is short for it.

    Args:
        config: The options.
    """

    name = "workspace"
    config_type = TrainedConfig
    config: TrainedConfig
    runs: Path | None = None
    """The folder of runs; None where there is no workspace."""
    cache: Path | None = None
    """Where the vectors of an encoder that it is built on are cached; None for no cache."""

    @property
    def id(self) -> str:
        """Fingerprint of the weights and options, whatever the name and version."""
        return f"{self._inner.id}{'' if self.config.dims is None else f' dims={self.dim}'}"

    @property
    def dim(self) -> int:
        """Number of components."""
        return self.config.dims or self._inner.dim

    @property
    def batch(self) -> int:
        """As the trained encoder has it."""
        return self._inner.batch

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of non-blank texts."""
        return self._inner.embed(texts)[:, : self.config.dims]

    def forget(self, texts: Sequence[str]) -> int:
        """See `Encoder`; for the encoder that it is built on."""
        return self._inner.forget(texts)

    def close(self) -> None:
        """Close what was loaded; the current version is looked up again on the next use."""
        inner = self.__dict__.pop("_inner", None)
        if inner is not None:
            inner.close()

    @cached_property
    def _inner(self) -> Encoder:
        if self.runs is None:
            raise EncoderError(
                f"the encoder workspace:{self.config.name} needs a workspace to look in"
            )
        folder = model_folder(self.runs, self.config.name, self.config.version)
        inner = open_folder(folder, self.config.max_chars, self.runs, self.cache)
        if (self.config.dims or 0) > inner.dim:
            wanted, has = self.config.dims, inner.dim
            inner.close()
            raise SettingsError(
                f"encoders: got dims = {wanted} for workspace:{self.config.name}, which has {has} "
                "components"
            )
        return inner


def model_folder(runs: Path, name: str, version: str | None = None) -> Path:
    """The folder with the weights of a trained encoder.

    Args:
        runs: The folder of runs.
        name: Its name.
        version: Its version; None for the current one.

    Raises:
        NotFoundError: When there is none of that name or version.
    """
    pointer = runs / name / CURRENT
    if version is None:
        try:
            version = pointer.read_text("utf-8").strip()
        except OSError:
            names = [path.parent.name for path in runs.glob(f"*/{CURRENT}")]
            hint = did_you_mean(name, names) if names else "train one with: polyscene train encoder"
            raise NotFoundError(f"no encoder workspace:{name} in {runs}; {hint}") from None
    folder = runs / name / version / "model"
    if not (folder / ENCODER_FILE).is_file():
        raise NotFoundError(f"workspace:{name} has no version {version!r} with a model")
    return folder


def open_folder(
    folder: Path, max_chars: int, runs: Path | None, cache: Path | None = None
) -> Encoder:
    """The encoder whose weights a folder has.

    Raises:
        EncoderError: When its encoder.json is damaged.
    """
    try:
        table: dict[str, Any] = json.loads((folder / ENCODER_FILE).read_text("utf-8"))
        kind = str(table.pop("type"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(f"cannot read {folder / ENCODER_FILE}: {error}") from error
    if kind in _PATHS:
        option = _PATHS[kind]
        table[option] = str(folder / table.get(option, "."))
    try:
        encoder = build(Encoder, kind, {"max_chars": max_chars, **table}, str(folder))
    except SettingsError as error:
        raise EncoderError(f"cannot use {folder / ENCODER_FILE}: {error}") from error
    if isinstance(encoder, TrainedEncoder | MappedEncoder):
        encoder.runs, encoder.cache = runs, cache
    return encoder


class MappedConfig(EncoderConfig):
    """Options of `mapped`."""

    map: str = "map.npy"
    """A .npy file with the matrix, shape (dim of the base, dim)."""
    base: dict[str, Any] = Field(default={"type": "bundled"})
    """The encoder whose vectors are mapped: its `type` and options."""


class MappedEncoder(Encoder):
    """The vectors of another encoder times a matrix, as `train encoder --objective map` fits it."""

    name = "mapped"
    config_type = MappedConfig
    config: MappedConfig
    runs: Path | None = None
    """The folder of runs, where the base is a trained encoder."""
    cache: Path | None = None
    """Where the vectors of the base are cached; None for no cache."""

    @cached_property
    def id(self) -> str:
        """Id of the base, and fingerprint of the matrix."""
        return f"mapped {folder_hash(Path(self.config.map).parent)[:32]} of ({self._base.id})"

    @property
    def dim(self) -> int:
        """Columns of the matrix."""
        return int(self._matrix.shape[1])

    @property
    def batch(self) -> int:
        """As the base has it."""
        return self._base.batch

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of non-blank texts."""
        vectors = self._base.encode(texts)
        if vectors.shape[1] != len(self._matrix):
            raise EncoderError(
                f"the map {self.config.map} takes vectors of {len(self._matrix)} components; its "
                f"base gives {vectors.shape[1]}. Train it again"
            )
        return np.asarray(vectors @ self._matrix, np.float32)

    def forget(self, texts: Sequence[str]) -> int:
        """See `Encoder`; for the base."""
        return self._base.forget(texts)

    def close(self) -> None:
        """Close the base."""
        self._base.close()

    @cached_property
    def _base(self) -> Encoder:
        options = dict(self.config.base)
        encoder = build(Encoder, str(options.pop("type", "")), options, "mapped.base")
        if isinstance(encoder, TrainedEncoder | MappedEncoder):
            encoder.runs, encoder.cache = self.runs, self.cache
        return encoder if self.cache is None else CachedEncoder(encoder, self.cache)

    @cached_property
    def _matrix(self) -> Vectors:
        try:
            return np.asarray(np.load(self.config.map, allow_pickle=False), np.float32)
        except (OSError, ValueError, EOFError) as error:
            raise EncoderError(f"cannot read the map {self.config.map}: {error}") from error
