"""Learned state on disk: what the sources share to write and read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from polyscene.errors import ModelError

__all__ = ["load_matrix", "reading", "save_matrix"]


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
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise ModelError(
            f"cannot read {what} in {path}: {error}; make a new model with: polyscene fit"
        ) from error


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
