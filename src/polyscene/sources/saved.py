"""Learned state on disk: what the sources share to write and read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import scipy.sparse as sp

from polyscene.errors import ModelError

__all__ = ["load_each", "load_matrix", "mapped", "reading", "save_each", "save_matrix"]

PartT = TypeVar("PartT")


class Saved(Protocol):
    """What can be written into a directory."""

    def save(self, path: Path) -> None:
        """Write it into the existing directory `path`."""


@contextmanager
def reading(what: str, path: Path) -> Iterator[None]:
    """Tell what a missing or damaged file in a directory means.

    Args:
        what: What is read, such as "the kernel".
        path: The directory.

    Raises:
        ModelError: When the block fails on a file.
    """
    try:
        yield
    except (OSError, ValueError, TypeError, EOFError, KeyError) as error:
        raise ModelError(
            f"cannot read {what} in {path}: {error}; make a new model with: polyscene fit"
        ) from error


def mapped(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """An array of float32 that is read from disk as it is used.

    A large model is ready at once, and processes that serve it share its memory.

    Raises:
        OSError: When the file is missing.
        ValueError: When it is cut short or no such array.
    """
    try:
        found = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except ValueError:  # an empty array cannot be mapped, but it can be read
        found = np.load(path, allow_pickle=False)
    if found.dtype != np.float32:
        raise ValueError(f"{path.name} has components of type {found.dtype}, not float32")
    return found


def save_matrix(path: Path, name: str, matrix: sp.csr_matrix) -> None:
    """Write a matrix as arrays into the existing directory `path`."""
    np.save(path / f"{name}.data.npy", matrix.data)
    np.save(path / f"{name}.indices.npy", matrix.indices)
    np.save(path / f"{name}.indptr.npy", matrix.indptr)
    np.save(path / f"{name}.shape.npy", np.array(matrix.shape))


def load_matrix(path: Path, name: str) -> sp.csr_matrix:
    """Read what `save_matrix` wrote.

    Raises:
        OSError: When a file is missing.
        ValueError: When the arrays are no matrix together.
    """
    data, indices, indptr, shape = (
        np.load(path / f"{name}.{part}.npy") for part in ("data", "indices", "indptr", "shape")
    )
    matrix = sp.csr_matrix((data, indices, indptr), shape=tuple(shape.tolist()))
    matrix.check_format(full_check=True)
    return matrix


def save_each(path: Path, parts: Mapping[str, Saved]) -> None:
    """Write a part for each scenario into numbered folders: a name may be no name of a folder.

    Args:
        path: An existing directory.
        parts: The parts by the name of their scenario.
    """
    (path / "scenarios.json").write_text(json.dumps(list(parts), ensure_ascii=False), "utf-8")
    for number, part in enumerate(parts.values()):
        folder = path / str(number)
        folder.mkdir()
        part.save(folder)


def load_each(path: Path, load: Callable[[Path], PartT]) -> dict[str, PartT]:
    """Read what `save_each` wrote.

    Raises:
        OSError: When a file is missing.
        ValueError: When one is damaged.
    """
    names = json.loads((path / "scenarios.json").read_text("utf-8"))
    return {name: load(path / str(number)) for number, name in enumerate(names)}
