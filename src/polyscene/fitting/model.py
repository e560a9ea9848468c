"""A fitted model: immutable on disk, swapped by moving one pointer.

    models/current                 the version that serves, one line
    models/<version>/config.json   what it was made of
    models/<version>/transform/    whitening
    models/<version>/items/        targets, vectors and index; people/<n>/ the same
    models/<version>/withheld/     which targets the safety screen keeps back, a file a scenario
    models/<version>/sources/      learned state, a directory a source
    models/<version>/ranking/      what predicts the tasks, where there are any

A version is written beside, flushed, renamed, and only then does the pointer move: a crash at any
moment leaves the old model serving.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from polyscene.component import Persistable, build
from polyscene.errors import (
    ModelError,
    NotFittedError,
    NotFoundError,
    WorkspaceError,
    did_you_mean,
)
from polyscene.ranking.predictor import Predictor
from polyscene.represent.space import TargetSpace
from polyscene.represent.whiten import Transform
from polyscene.settings import Settings
from polyscene.sources import Source

__all__ = [
    "FORMAT",
    "Fusion",
    "Model",
    "ModelConfig",
    "current_version",
    "model_versions",
    "promote",
    "read_config",
]

FORMAT = 5
"""Version of the layout on disk."""
_KEPT = 3
"""How many versions stay on disk."""
_DAMAGE = (ModelError, OSError, ValueError, EOFError, KeyError, TypeError)
"""What reading a damaged file may raise."""
_LIBRARIES = ("polyscene", "numpy", "faiss-cpu", "polars")


class Fusion(BaseModel):
    """The weights of the sources of a scenario, and what they were chosen by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: dict[str, float]
    """A source of weight 0 only fills up lists that are too short."""
    alone: dict[str, float] = {}
    """NDCG@10 of each source by itself on held-out events; empty where nothing was held out."""
    ndcg: float | None = None
    """NDCG@10 of all together; None where nothing was held out."""
    users: int = 0
    """How many users had something held out."""


class ModelConfig(BaseModel):
    """What a model was made of; the content of `config.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    version: str
    created_at: float
    """Seconds since 1970-01-01 UTC."""
    encoder: str
    """Id of the encoder; vectors of another encoder are never compared with these."""
    dtype: str
    revision: int
    """Revision of the store up to which records are included."""
    epoch: int = 0
    """Epoch of the store up to which deletions are included."""
    fingerprint: str
    """Fingerprint of the data it was fitted on."""
    settings: dict[str, Any]
    """The settings that the vectors depend on."""
    safety: dict[str, Any]
    """The safety settings by scenario that `withheld` was computed with."""
    sources: list[str]
    people: list[str]
    """The scenarios that recommend people."""
    fusions: dict[str, Fusion] = {}
    """The weights of the sources by scenario."""
    libraries: dict[str, str]
    seconds: float = 0.0
    """How long the fit took."""


@dataclass(slots=True)
class Model:
    """Everything that answers need, in memory."""

    config: ModelConfig
    transform: Transform
    items: TargetSpace
    people: dict[str, TargetSpace]
    """A space of people for each scenario that recommends people."""
    withheld: dict[str, npt.NDArray[np.bool_]]
    """By scenario, which targets the safety screen keeps back."""
    sources: dict[str, Source]
    tasks: Predictor | None = None
    """What predicts the tasks; None where no scenario has any."""

    @property
    def fusions(self) -> dict[str, Fusion]:
        """The weights of the sources by scenario."""
        return self.config.fusions

    def space(self, scenario: str) -> TargetSpace:
        """The targets that a scenario chooses from."""
        return self.people.get(scenario, self.items)

    def save(self, models: Path) -> Path:
        """Write the model and make it the current one; returns its directory.

        Raises:
            WorkspaceError: When it cannot be written; the current model stays.
        """
        final = models / self.config.version
        beside = models / f".{self.config.version}.partial"
        try:
            beside.mkdir(parents=True)
            self._write(beside)
            _flush(beside)
            beside.rename(final)
            _flush_directory(models)
            _point(models, self.config.version)
        except OSError as error:
            shutil.rmtree(beside, ignore_errors=True)
            raise WorkspaceError(f"cannot write the model {final}: {error.strerror}") from error
        _forget(models, self.config.version)
        return final

    @classmethod
    def load(cls, models: Path, settings: Settings, version: str | None = None) -> Self:
        """The current model, or the one of that version.

        Args:
            models: The directory of models.
            settings: The options that sources get.
            version: A version, or None for the current one.

        Raises:
            NotFittedError: When there is no model.
            ModelError: When it is damaged or of another format.
        """
        chosen = version or current_version(models)
        if chosen is None:
            raise NotFittedError("there is no model yet; make one with: polyscene fit")
        path = models / chosen
        try:
            return cls._read(path, _read_config(path), settings)
        except _DAMAGE as error:
            raise ModelError(
                f"cannot read the model {path}: {error}; make a new one with: polyscene fit"
            ) from error

    @classmethod
    def _read(cls, path: Path, config: ModelConfig, settings: Settings) -> Self:
        sources = {}
        for name in config.sources:
            source = build(Source, name, settings.sources.get(name), f"sources.{name}")
            if isinstance(source, Persistable):
                source.load(path / "sources" / name)
            sources[name] = source
        return cls(
            config=config,
            transform=Transform.load(path / "transform"),
            items=TargetSpace.load(path / "items"),
            people={
                name: TargetSpace.load(path / "people" / str(number))
                for number, name in enumerate(config.people)  # a name may be no name of a folder
            },
            withheld=_load_withheld(path / "withheld", config),
            sources=sources,
            tasks=Predictor.load(path / "ranking") if (path / "ranking").is_dir() else None,
        )

    def _write(self, path: Path) -> None:
        self.transform.save(_made(path / "transform"))
        self.items.save(_made(path / "items"))
        for number, name in enumerate(self.config.people):
            self.people[name].save(_made(path / "people" / str(number)))
        withheld = _made(path / "withheld")
        for number, name in enumerate(self.config.safety):
            np.save(withheld / f"{number}.npy", self.withheld[name])
        for name, source in self.sources.items():
            if isinstance(source, Persistable):
                source.save(_made(path / "sources" / name))
        if self.tasks is not None:
            self.tasks.save(_made(path / "ranking"))
        text = self.config.model_dump_json(indent=2)
        (path / "config.json").write_text(text, encoding="utf-8")


def current_version(models: Path) -> str | None:
    """The version that the pointer names, or None when there is no model."""
    try:
        return (models / "current").read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None


def model_versions(models: Path) -> list[str]:
    """The versions on disk, oldest first."""
    if not models.is_dir():
        return []
    return sorted(path.parent.name for path in models.glob("[!.]*/config.json"))


def promote(models: Path, chosen: str) -> None:
    """Make a version that is on disk the current one.

    Raises:
        NotFoundError: When there is no such version.
        ModelError: When its description cannot be read.
    """
    known = model_versions(models)
    if chosen not in known:
        raise NotFoundError(f"no model {chosen!r}; {did_you_mean(chosen, known)}")
    read_config(models, chosen)
    _point(models, chosen)


def read_config(models: Path, chosen: str) -> ModelConfig:
    """What a version was made of.

    Raises:
        ModelError: When it is missing, damaged or of another format.
    """
    try:
        return _read_config(models / chosen)
    except _DAMAGE as error:
        raise ModelError(f"cannot read the model {models / chosen}: {error}") from error


def library_versions() -> Mapping[str, str]:
    """Versions of what a model's numbers depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES}


def _read_config(path: Path) -> ModelConfig:
    data = json.loads((path / "config.json").read_text("utf-8"))
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise ModelError(f"it has format {found}, this version of Polyscene reads {FORMAT}")
    return ModelConfig.model_validate(data)


def _load_withheld(path: Path, config: ModelConfig) -> dict[str, npt.NDArray[np.bool_]]:
    return {name: np.load(path / f"{number}.npy") for number, name in enumerate(config.safety)}


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _flush(path: Path) -> None:
    """Force every file below a directory to disk."""
    for folder, _, files in os.walk(path):
        for name in files:
            with (Path(folder) / name).open("rb+") as file:
                os.fsync(file.fileno())
        _flush_directory(Path(folder))


def _flush_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _point(models: Path, version: str) -> None:
    beside = models / ".current.partial"
    with beside.open("w", encoding="utf-8") as file:
        file.write(version + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(models / "current")
    _flush_directory(models)


def _forget(models: Path, current: str) -> None:
    """Remove versions beyond the last few, and what interrupted fits left behind."""
    for old in model_versions(models)[:-_KEPT]:
        if old != current:  # the clock may have been set back
            shutil.rmtree(models / old, ignore_errors=True)
    for left in models.glob(".*.partial"):
        shutil.rmtree(left, ignore_errors=True)
