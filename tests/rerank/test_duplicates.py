from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polyscene.component import Vectors
from polyscene.rerank.duplicates import distinct

AXES = np.eye(4, dtype=np.float32)


def kept(keys: list[int], vectors: Vectors, threshold: float = 0.98, n: int = 10) -> list[int]:
    rows = np.arange(len(keys), dtype=np.int64)
    return distinct(np.array(keys, np.uint64), vectors, rows, threshold, n).tolist()


def test_of_equal_texts_the_best_placed_stays() -> None:
    """Places 1 and 3 repeat the texts of 0 and 2."""
    assert kept([5, 5, 6, 6], AXES) == [0, 2]


def test_of_near_vectors_the_best_placed_stays() -> None:
    """cos = 0.99 reaches the threshold 0.98, 0.97 does not."""
    angles = np.arccos([1, 0.99, 0.97])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert kept([1, 2, 3], vectors) == [0, 2]


def test_what_is_near_to_something_dropped_is_kept() -> None:
    """b repeats a, c is near b but not near a: a and c stay."""
    angles = np.radians([0, 10, 20])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert kept([1, 2, 3], vectors, threshold=float(np.cos(np.radians(11)))) == [0, 2]


def test_a_threshold_of_one_compares_texts_only() -> None:
    assert kept([1, 2, 2], AXES[[0, 0, 0]], threshold=1) == [0, 1]


def test_targets_without_text_are_never_near() -> None:
    assert kept([1, 2, 3], np.zeros((3, 4), np.float32)) == [0, 1, 2]


def test_it_stops_at_n() -> None:
    assert kept([1, 1, 2, 3, 4], AXES[[0, 0, 1, 2, 3]], n=2) == [0, 2]
    assert kept([1, 2], AXES, n=0) == []
    assert kept([], AXES) == []


def test_vectors_are_looked_up_by_row() -> None:
    """The rows of the candidates, not their places, say which vectors are compared."""
    keys, rows = np.array([1, 2], np.uint64), np.array([3, 1], np.int64)
    vectors = AXES.copy()
    vectors[1] = vectors[3]
    assert distinct(keys, vectors, rows, 0.98, 5).tolist() == [0]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=12), st.integers(1, 12))
def test_no_two_kept_are_alike_and_nothing_distinct_is_lost(
    made: list[tuple[int, int]], n: int
) -> None:
    """What is dropped before the n-th equals something kept before it."""
    keys = [key for key, _ in made]
    vectors = AXES[[axis for _, axis in made]]
    found = kept(keys, vectors, n=n)
    assert found == sorted(found)
    assert len(found) <= n
    for place, (key, axis) in enumerate(made):
        before = [made[other] for other in found if other < place]
        repeats = any(key == other_key or axis == other_axis for other_key, other_axis in before)
        if place in found:
            assert not repeats
        elif len(found) < n or place < found[-1]:
            assert repeats
