"""Vectors on disk: one .npy file, written whole or not at all, read without loading it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from polyscene.component import Vectors
from polyscene.errors import ModelError

__all__ = ["load_vectors", "replacing", "save_vectors"]


def save_vectors(
    path: Path, vectors: Vectors, dtype: Literal["float32", "float16"] = "float32"
) -> None:
    """Write a matrix; a crash leaves the old file or the new one.

    Args:
        path: The .npy file.
        vectors: Shape (n, dim).
        dtype: How components are stored. float16 halves the file and rounds each component to
            11 significant bits: the cosine of unit vectors changes by less than 0.001.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.ascontiguousarray(vectors, dtype=dtype), allow_pickle=False)


def load_vectors(path: Path, mapped: bool = True) -> Vectors:
    """What `save_vectors` wrote, as float32.

    Args:
        path: The .npy file.
        mapped: Whether a float32 file is mapped read-only instead of read: no start-up time, and
            memory that processes share. A float16 file is always read, and widened.

    Raises:
        ModelError: When the file is missing, cut short or no such matrix.
    """
    try:
        vectors = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        # An empty matrix cannot be mapped, but it can be read.
        if mapped and isinstance(error, ValueError) and path.stat().st_size <= 4096:
            return load_vectors(path, mapped=False)
        raise ModelError(f"cannot read the vectors {path}: {error}; fit the model again") from error
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2:
        raise ModelError(f"{path}: expected a matrix; fit the model again")
    if vectors.dtype not in (np.float32, np.float16):
        raise ModelError(
            f"{path}: got components of type {vectors.dtype}; expected float32 or float16"
        )
    if vectors.dtype == np.float16:
        return vectors.astype(np.float32)
    return np.asarray(vectors)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write; the file takes the place of `path` when the block ends without an error.

    It is on disk before it takes that place, so that no crash leaves a half-written file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{time.time_ns()}.partial")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
