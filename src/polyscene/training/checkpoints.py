"""Finished parts of a training, to go on from after its process was killed. Needs torch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

from polyscene.vectors.store import replacing

__all__ = ["Checkpoints"]

_OF = "fingerprint"


class Checkpoints:
    """A folder with states by name, each whole or not there.

    Args:
        folder: The folder; it is made with the first state.
        fingerprint: Of options and data: states of others are removed.
        resume: Whether states of the same are kept.
    """

    def __init__(self, folder: Path, fingerprint: str, resume: bool = True) -> None:
        self._folder, self._fingerprint = folder, fingerprint
        try:
            same = (folder / _OF).read_text("utf-8") == fingerprint
        except OSError:
            same = False
        if not (same and resume):
            self.remove()

    def get(self, name: str) -> Any:
        """The state of that name; None where there is none."""
        path = self._folder / f"{name}.pt"
        return torch.load(path, weights_only=True) if path.exists() else None

    def put(self, name: str, state: Any) -> None:
        """Keep a state of tensors, numbers and texts, in lists and dicts."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / _OF).write_text(self._fingerprint, "utf-8")
        with replacing(self._folder / f"{name}.pt") as path:
            torch.save(state, path)

    def remove(self) -> None:
        """Forget all states."""
        shutil.rmtree(self._folder, ignore_errors=True)
