"""The folder of a training run, and which version of an encoder is in use.

    runs/NAME/current                 the version that `workspace:NAME` means
    runs/NAME/<version>/config.json   the options
    runs/NAME/<version>/data.json     fingerprint of the data, and what it gave
    runs/NAME/<version>/metrics.json  what was measured; absent while a run is not finished
    runs/NAME/<version>/README.md     the model card
    runs/NAME/<version>/model/        the weights, see `polyscene.encoders.trained`
    runs/NAME/<version>/checkpoint-*  states to go on from, until the run is finished
    runs/NAME/<version>/logs/         for TensorBoard

A run writes into a folder of its own. `current` moves, in one step, only when the new model has
passed its evaluation.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from polyscene.encoders.trained import CURRENT, model_folder
from polyscene.errors import ModelError, NotFoundError
from polyscene.training.config import EncoderTraining
from polyscene.vectors.store import replacing

__all__ = ["Run", "Version", "current", "open_run", "promote", "roll_back", "versions"]


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is under way."""

    folder: Path
    resumed: bool
    """Whether it goes on from an earlier start."""

    @property
    def version(self) -> str:
        """The version it makes."""
        return self.folder.name

    @property
    def model(self) -> Path:
        """Where the weights go."""
        return self.folder / "model"

    def finish(self, metrics: Mapping[str, Any], card: str) -> None:
        """Write what was measured and the model card, and remove the checkpoints."""
        (self.folder / "README.md").write_text(card, "utf-8")
        with replacing(self.folder / "metrics.json") as path:
            path.write_text(json.dumps(metrics, indent=2), "utf-8")
        for checkpoint in self.folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint, ignore_errors=True)

    def discard(self) -> None:
        """Remove the run, unless it has checkpoints to go on from."""
        if not any(self.folder.glob("checkpoint-*")):
            shutil.rmtree(self.folder, ignore_errors=True)
            with suppress(OSError):  # not empty
                self.folder.parent.rmdir()


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a trained encoder, as `polyscene train list` shows it."""

    name: str
    version: str
    current: bool
    finished: bool
    metrics: Mapping[str, Any]


def open_run(
    runs: Path, config: EncoderTraining, fingerprint: str, found: Mapping[str, Any], resume: bool
) -> Run:
    """A folder for a run: a new one, or that of an unfinished run of the same options and data.

    Args:
        runs: The folder of all runs.
        config: The options.
        fingerprint: Of the data.
        found: What the data gave, for `data.json`.
        resume: Whether to go on where an unfinished run stopped.
    """
    options = config.model_dump(mode="json")
    data = {"fingerprint": fingerprint, **found}
    for folder in sorted((runs / config.name).glob("2*"), reverse=True) if resume else ():
        same = _read(folder / "config.json") == options and _read(folder / "data.json") == data
        if same and not (folder / "metrics.json").exists():
            return Run(folder, resumed=any(folder.glob("checkpoint-*")))
    folder = runs / config.name / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    folder.mkdir(parents=True)
    for name, content in (("config.json", options), ("data.json", data)):
        (folder / name).write_text(json.dumps(content, indent=2), "utf-8")
    return Run(folder, resumed=False)


def promote(runs: Path, name: str, version: str) -> None:
    """Make a version the current one.

    Raises:
        NotFoundError: When it does not exist, or has no model.
    """
    model_folder(runs, name, version)
    with replacing(runs / name / CURRENT) as path:
        path.write_text(version + "\n", "utf-8")


def current(runs: Path, name: str) -> str | None:
    """The version in use; None where there is none."""
    try:
        return (runs / name / CURRENT).read_text("utf-8").strip()
    except OSError:
        return None


def roll_back(runs: Path, name: str) -> str:
    """Go back to the version before the current one that passed its evaluation; returns it.

    Raises:
        NotFoundError: When there is no encoder of that name, or nothing before it.
    """
    now = current(runs, name)
    if now is None:
        model_folder(runs, name)  # says what there is
    before = [one.version for one in versions(runs, name) if one.metrics.get("passed")]
    before = [version for version in before if version < str(now)]
    if not before:
        raise NotFoundError(f"workspace:{name} has no version before {now} to go back to")
    promote(runs, name, before[-1])
    return before[-1]


def versions(runs: Path, name: str | None = None) -> list[Version]:
    """All versions of one encoder, or of all, oldest first."""
    found = []
    for folder in sorted(runs.glob(f"{name or '*'}/2*")):
        metrics = _read(folder / "metrics.json")
        own = folder.parent.name
        is_current = current(runs, own) == folder.name
        found.append(Version(own, folder.name, is_current, bool(metrics), metrics))
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error
