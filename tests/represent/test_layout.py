from __future__ import annotations

import numpy as np
import pytest

from polyscene.represent.layout import layout, stand


def groups(count: int, each: int, dim: int = 48) -> np.ndarray:
    """Unit vectors in groups, each around a direction of its own."""
    random = np.random.default_rng(3)
    centres = np.repeat(np.eye(count, dim) * 3, each, axis=0)
    found = centres + random.normal(0, 0.35, (count * each, dim))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_what_is_alike_stands_together() -> None:
    """Of ten groups, the nearest on the plane are those of the same group, nearly always.

    Two principal components, where it begins, cannot keep ten directions apart.
    """
    vectors, kinds = groups(10, 40), np.repeat(np.arange(10), 40)

    def same(places: np.ndarray) -> float:
        apart = np.linalg.norm(places[:, None] - places[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        near = np.argsort(apart, axis=1)[:, :15]
        return float((kinds[near] == kinds[:, None]).mean())

    places = layout(vectors)
    assert places.shape == (400, 2)
    assert places.min() == 0
    assert places.max() == 1
    assert same(places) > 0.9
    centred = vectors - vectors.mean(axis=0)
    principal = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    assert same(principal) < 0.7
    assert np.array_equal(layout(vectors), places)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_vectors_have_places_too(count: int) -> None:
    places = layout(np.eye(count, 8, dtype=np.float32))
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    assert len(np.unique(places, axis=0)) == count


def test_equal_vectors_do_not_break_it() -> None:
    assert np.isfinite(layout(np.ones((30, 4), np.float32) / 2)).all()
    assert np.isfinite(layout(np.ones((5, 1), np.float32))).all()


def test_one_stands_among_most_of_the_places_near_to_it() -> None:
    """Three at one corner and two at the other: the median is at the first, the mean is not."""
    places = np.array([[0, 0], [0, 0.01], [0.01, 0], [1, 1], [1, 0.99]])
    assert stand(places, np.ones(5)).max() < 0.05
    assert stand(places[:1], np.ones(1)) == pytest.approx([0, 0])
