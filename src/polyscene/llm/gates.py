"""What was measured of a method in each scenario, stored with the model that it was measured on."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from polyscene.vectors.store import replacing

__all__ = ["GateFile"]

GateT = TypeVar("GateT", bound=BaseModel)


class GateFile(Generic[GateT]):
    """Gates of one kind, by scenario, in a file of each model's directory.

    What was measured on another version of the model is in its directory, so it does not count.

    Args:
        name: The name of the file.
        kind: What a gate is.
    """

    def __init__(self, name: str, kind: type[GateT]) -> None:
        self._name = name
        self._type: TypeAdapter[dict[str, GateT]] = TypeAdapter(dict[str, kind])  # type: ignore[valid-type]
        self._read = lru_cache(maxsize=8)(self._parsed)

    def of(self, models: Path, version: str) -> dict[str, GateT]:
        """The gates by scenario; none where nothing was measured."""
        path = models / version / self._name
        try:
            return self._read(path, path.stat().st_mtime_ns)
        except OSError:
            return {}

    def write(self, models: Path, version: str, gates: dict[str, GateT]) -> None:
        """Store what was measured, in place of what was there."""
        with replacing(models / version / self._name) as path:
            path.write_bytes(self._type.dump_json(gates, indent=1))

    def _parsed(self, path: Path, changed: int) -> dict[str, GateT]:
        try:
            return self._type.validate_json(path.read_bytes())
        except ValidationError:
            return {}  # of another version; measured anew it is there again
