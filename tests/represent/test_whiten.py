from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polyscene.component import Vectors
from polyscene.errors import ModelError
from polyscene.represent.whiten import Transform, normalise
from polyscene.settings import Whitening


def cone(n: int, dim: int = 8, seed: int = 0) -> Vectors:
    """Unit vectors crowded around one direction, as sentence vectors are."""
    rng = np.random.default_rng(seed)
    scales = np.linspace(1.0, 0.1, dim)
    return normalise((rng.standard_normal((n, dim)) * scales + 4).astype(np.float32))


def test_normalise_keeps_zero_rows() -> None:
    rows = np.array([[3, 4], [0, 0]], np.float32)
    np.testing.assert_allclose(normalise(rows), [[0.6, 0.8], [0, 0]])


@pytest.mark.parametrize(
    ("count", "settings"), [(29, Whitening()), (200, Whitening(enabled=False)), (0, Whitening())]
)
def test_few_vectors_or_disabled_is_the_identity(count: int, settings: Whitening) -> None:
    transform = Transform.fit(cone(count), settings)
    vectors = cone(50, seed=1)
    np.testing.assert_allclose(transform(vectors), vectors, atol=1e-6)
    np.testing.assert_allclose(transform(vectors, "tag"), vectors, atol=1e-6)


def test_whitened_rows_have_length_one_and_zero_stays_zero() -> None:
    vectors = cone(300)
    vectors[::7] = 0
    moved = Transform.fit(vectors, Whitening())(vectors)
    lengths = np.linalg.norm(moved, axis=1)
    assert not moved[::7].any()
    np.testing.assert_allclose(np.delete(lengths, np.s_[::7]), 1, atol=1e-5)


def test_whitening_opens_the_cone() -> None:
    """The mean cosine of a crowded catalogue, near 1 before, is near 0 after."""
    vectors = cone(1000)
    moved = Transform.fit(vectors, Whitening(shrinkage=0))(vectors)
    assert float((vectors @ vectors.T).mean()) > 0.8
    assert abs(float((moved @ moved.T).mean())) < 0.05


def test_without_shrinkage_every_direction_counts_the_same() -> None:
    """In two dimensions, by hand: w = normalise(U·diag(λ + 8·2/n)^-1/2 (v - μ)), n large."""
    rng = np.random.default_rng(3)
    vectors = (rng.standard_normal((20_000, 2)) * [0.3, 0.1] + [1, 1]).astype(np.float32)
    transform = Transform.fit(vectors, Whitening(shrinkage=0))
    moved = (vectors - transform.means["item"]) @ transform.matrix
    np.testing.assert_allclose(np.cov(moved, rowvar=False), np.eye(2), atol=0.05)


def test_large_shrinkage_only_centres() -> None:
    """With ε → ∞ all directions are scaled alike: cosines are those of centred vectors."""
    vectors = cone(500)
    moved = Transform.fit(vectors, Whitening(shrinkage=1e6))(vectors)
    centred = normalise(vectors - vectors.mean(axis=0))
    np.testing.assert_allclose(moved @ moved.T, centred @ centred.T, atol=1e-3)


def test_no_more_directions_than_asked_for_are_kept() -> None:
    assert Transform.fit(cone(300), Whitening(dims=3)).dim == 3
    assert Transform.fit(cone(300), Whitening(dims=512)).dim == 8


def test_zero_rows_do_not_shift_the_mean() -> None:
    vectors = cone(200)
    padded = np.vstack([vectors, np.zeros((500, 8), np.float32)])
    np.testing.assert_allclose(
        Transform.fit(padded, Whitening()).means["item"], vectors.mean(axis=0), atol=1e-6
    )


def test_other_kinds_of_text_have_their_own_mean_when_there_are_enough() -> None:
    """Thirty tags get a mean of their own; 29 descriptions are centred as the catalogue is."""
    tags, descriptions = cone(30, seed=5), cone(29, seed=6)
    transform = Transform.fit(cone(200), Whitening(), {"tag": tags, "description": descriptions})
    assert set(transform.means) == {"item", "tag"}
    np.testing.assert_allclose(transform.means["tag"], tags.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(
        transform(descriptions, "description"), transform(descriptions, "item")
    )
    assert not np.allclose(transform(tags, "tag"), transform(tags, "item"))


def test_a_catalogue_of_equal_vectors_gives_finite_vectors() -> None:
    same = np.tile(cone(1), (100, 1))
    moved = Transform.fit(same, Whitening())(same)
    assert np.isfinite(moved).all()


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    vectors = cone(200)
    saved = Transform.fit(vectors, Whitening(dims=5), {"tag": cone(40, seed=2)})
    saved.save(tmp_path)
    loaded = Transform.load(tmp_path)
    np.testing.assert_array_equal(loaded.matrix, saved.matrix)
    for kind in ("item", "tag", "description"):
        np.testing.assert_array_equal(loaded(vectors, kind), saved(vectors, kind))


@pytest.mark.parametrize("name", ["matrix.npy", "mean-item.npy"])
@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY", b"garbage" * 9])
def test_a_damaged_file_is_a_model_error(tmp_path: Path, name: str, content: bytes | None) -> None:
    Transform.fit(cone(200), Whitening()).save(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match="cannot read the transform"):
        Transform.load(tmp_path)
