"""Vectors on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from polyscene.component import Vectors
from polyscene.errors import ModelError
from polyscene.vectors.store import load_vectors, replacing, save_vectors

MATRIX = np.arange(12, dtype=np.float32).reshape(4, 3) / 8


@pytest.mark.parametrize("mapped", [True, False])
def test_round_trip(tmp_path: Path, mapped: bool) -> None:
    save_vectors(tmp_path / "v.npy", MATRIX)
    loaded = load_vectors(tmp_path / "v.npy", mapped)
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, MATRIX)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=5),
        elements=st.floats(-1, 1, width=32),
    )
)
def test_any_matrix_comes_back(tmp_path_factory: pytest.TempPathFactory, matrix: Vectors) -> None:
    path = tmp_path_factory.mktemp("store") / "v.npy"
    save_vectors(path, matrix)
    np.testing.assert_array_equal(load_vectors(path), matrix)
    save_vectors(path, matrix, "float16")
    np.testing.assert_allclose(load_vectors(path), matrix, atol=5e-4)


def test_float16_halves_the_file(tmp_path: Path) -> None:
    matrix = np.ones((1000, 64), np.float32)
    save_vectors(tmp_path / "full.npy", matrix)
    save_vectors(tmp_path / "half.npy", matrix, "float16")
    sizes = [(tmp_path / name).stat().st_size - 128 for name in ("full.npy", "half.npy")]
    assert sizes == [256_000, 128_000]
    assert load_vectors(tmp_path / "half.npy").dtype == np.float32


def test_matrices_that_are_not_contiguous(tmp_path: Path) -> None:
    save_vectors(tmp_path / "v.npy", MATRIX[::2, ::-1])
    np.testing.assert_array_equal(load_vectors(tmp_path / "v.npy"), MATRIX[::2, ::-1])


def test_a_mapped_matrix_cannot_be_changed(tmp_path: Path) -> None:
    save_vectors(tmp_path / "v.npy", MATRIX)
    with pytest.raises(ValueError, match="read-only"):
        load_vectors(tmp_path / "v.npy")[0, 0] = 1


@pytest.mark.parametrize(
    "damage", ["missing", "cut", "garbage", "empty", "vector", "int", "object"]
)
@pytest.mark.parametrize("mapped", [True, False])
def test_damage_is_a_model_error(tmp_path: Path, damage: str, mapped: bool) -> None:
    path = tmp_path / "v.npy"
    save_vectors(path, np.ones((100, 100), np.float32))
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    elif damage == "garbage":
        path.write_bytes(b"no matrix at all" * 100)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "vector":
        np.save(path, np.ones(5, np.float32))
    elif damage == "int":
        np.save(path, np.ones((5, 5), np.int64))
    else:
        np.save(path, np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(ModelError, match=r"v\.npy"):
        load_vectors(path, mapped)


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    save_vectors(path, MATRIX)

    def interrupted() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    np.testing.assert_array_equal(load_vectors(path), MATRIX)
    assert [entry.name for entry in tmp_path.iterdir()] == ["v.npy"]
