"""Metrics beyond accuracy: worked by hand, as properties, and against plain loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics.pairwise import cosine_similarity

from polyscene.metrics.catalogue import (
    average_popularity,
    coverage,
    gini,
    intra_list_diversity,
    novelty,
    serendipity,
)

Rows = npt.NDArray[np.int64]
SIZE = 6


@st.composite
def some_lists(draw: st.DrawFn, users: int | None = None) -> Rows:
    """Distinct rows of a catalogue of SIZE, -1 past the end."""
    found = draw(
        st.lists(
            st.lists(st.integers(0, SIZE - 1), unique=True),
            min_size=users or 0,
            max_size=5 if users is None else users,
        )
    )
    k = max((len(one) for one in found), default=0) + draw(st.integers(0, 1))
    return np.array([one + [-1] * (k - len(one)) for one in found], int).reshape(len(found), k)


def test_coverage_counts_each_target_once() -> None:
    """Targets 0, 1 and 3 of 4 are shown."""
    assert coverage(np.array([[0, 1], [3, 1], [0, -1]]), 4) == 0.75
    assert coverage(np.array([[-1, -1]]), 4) == 0.0
    assert coverage(np.zeros((0, 3), int), 4) == 0.0


def test_gini_of_equal_and_of_single_exposure() -> None:
    assert gini(np.array([[0, 1], [2, 3]]), 4) == 0.0
    assert gini(np.array([[2], [2], [2]]), 4) == 1.0


def test_gini_of_one_and_three_impressions_of_three_targets() -> None:
    """Shares 0, 1/4, 3/4: (-2·0 + 0·1/4 + 2·3/4) / 2 = 0.75."""
    assert gini(np.array([[0, 1], [0, -1], [0, -1]]), 3) == 0.75


def test_gini_of_nothing_shown_is_nan_and_of_one_target_0() -> None:
    assert math.isnan(gini(np.array([[-1]]), 3))
    assert gini(np.array([[0], [0]]), 1) == 0.0


def test_novelty_of_a_half_and_a_quarter_is_one_and_a_half_bits() -> None:
    lists = np.array([[0, 1], [0, -1], [-1, -1]])
    assert novelty(lists, [4, 2, 2]) == pytest.approx([1.5, 1.0, math.nan], nan_ok=True)


def test_a_target_nobody_chose_is_as_novel_as_the_rarest() -> None:
    lists = np.array([[2], [1]])
    assert novelty(lists, [3, 1, 0]) == pytest.approx([2.0, 2.0])
    assert np.isnan(novelty(lists, [0, 0, 0])).all()


def test_average_popularity_keeps_the_unit() -> None:
    lists = np.array([[0, 1], [2, -1], [-1, -1]])
    found = average_popularity(lists, [10, 4, 0])
    assert found == pytest.approx([7.0, 0.0, math.nan], nan_ok=True)


def test_diversity_of_equal_orthogonal_and_opposite_vectors() -> None:
    """Lengths do not matter. Three: cosines 1, 0, 0 have a mean of 1/3."""
    vectors = np.array([[1, 0], [3, 0], [0, 2], [-1, 0]], np.float32)
    lists = np.array([[0, 1, -1], [0, 2, -1], [0, 3, -1], [0, 1, 2]])
    assert intra_list_diversity(lists, vectors) == pytest.approx([0, 1, 2, 2 / 3])


def test_diversity_leaves_out_targets_without_a_vector() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    lists = np.array([[0, 1, 2], [0, 1, -1], [0, -1, -1], [-1, -1, -1]])
    found = intra_list_diversity(lists, vectors)
    assert found == pytest.approx([1, math.nan, math.nan, math.nan], nan_ok=True)


def test_serendipity_is_relevant_and_not_expected() -> None:
    """Of 0, 1, 2 the first two are relevant and the baseline shows 0: one of three."""
    lists, hits = np.array([[0, 1, 2]]), np.array([[True, True, False]])
    third = pytest.approx([1 / 3])
    assert serendipity(hits, lists, np.array([0, 5])) == third
    assert serendipity(hits, lists, np.array([[5, 0, -1, -1]])) == third
    assert serendipity(hits, lists, np.array([[True, False, False]])) == third


def test_expected_targets_are_those_of_the_same_user() -> None:
    lists, hits = np.array([[0, 1], [0, 1]]), np.ones((2, 2), bool)
    assert serendipity(hits, lists, np.array([[0, 1], [-1, -1]])).tolist() == [0.0, 1.0]


def test_serendipity_divides_by_the_length_of_the_list() -> None:
    lists, hits = np.array([[3, -1], [-1, -1]]), np.array([[True, False], [False, False]])
    found = serendipity(hits, lists, np.array([0]))
    assert found == pytest.approx([1.0, math.nan], nan_ok=True)


def test_wrong_lists_are_the_callers_error() -> None:
    calls = (
        lambda lists: coverage(lists, 3),
        lambda lists: gini(lists, 3),
        lambda lists: novelty(lists, [1, 1, 1]),
        lambda lists: novelty(lists, [0, 0, 0]),
        lambda lists: average_popularity(lists, [1, 1, 1]),
        lambda lists: intra_list_diversity(lists, np.eye(3)),
    )
    for call in calls:
        with pytest.raises(ValueError, match="they are int"):
            call(np.array([0, 1]))
        with pytest.raises(ValueError, match="they are int"):
            call(np.array([[0.0]]))
        for row in (3, -2):
            with pytest.raises(ValueError, match="rows lie between"):
                call(np.array([[0, row]]))


def test_wrong_catalogues_are_the_callers_error() -> None:
    lists = np.array([[-1]])
    with pytest.raises(ValueError, match="at least 1"):
        coverage(lists, 0)
    for popularity in ([1, -1], [np.nan], [[1.0]]):
        with pytest.raises(ValueError, match="finite, at least 0"):
            novelty(lists, popularity)
    with pytest.raises(ValueError, match=r"\(size, dim\)"):
        intra_list_diversity(lists, np.ones(3))
    with pytest.raises(ValueError, match="NaN or infinity"):
        intra_list_diversity(np.array([[0]]), np.array([[np.nan]]))


def test_hits_and_expectations_that_do_not_fit_are_the_callers_error() -> None:
    lists, hits = np.array([[0, -1]]), np.array([[True, False]])
    for wrong in (hits[:, :1], hits.astype(int), ~hits):
        with pytest.raises(ValueError, match="False where lists have -1"):
            serendipity(wrong, lists, np.array([1]))
    for expected in (hits[:, :1], hits[0], np.array([[1], [2]]), np.zeros((1, 1, 1), int)):
        with pytest.raises(ValueError, match="int rows of shape"):
            serendipity(hits, lists, expected)
    for expected in (np.array([0.5]), np.array([[0.5]])):
        with pytest.raises(ValueError, match="they are int"):
            serendipity(hits, lists, expected)


@given(some_lists(), st.integers(0, 9))
def test_coverage_and_gini_have_their_range_and_ignore_the_order(lists: Rows, seed: int) -> None:
    rng = np.random.default_rng(seed)
    users, places, names = (rng.permutation(n) for n in (*lists.shape, SIZE))
    renamed = np.where(lists < 0, -1, names[lists])[users][:, places]
    shown = coverage(lists, SIZE)
    assert 0 <= shown <= 1
    assert coverage(renamed, SIZE) == shown
    found = gini(lists, SIZE)
    assert math.isnan(found) if shown == 0 else 0 <= found <= 1
    assert gini(renamed, SIZE) == pytest.approx(found, nan_ok=True)


@given(some_lists())
def test_gini_is_half_the_relative_mean_difference(lists: Rows) -> None:
    """Over pairs of different targets: Σ |c_i - c_j| / (2 (n - 1) Σ c)."""
    counts = [int((lists == row).sum()) for row in range(SIZE)]
    if not sum(counts):
        return
    spread = sum(abs(a - b) for a, b in itertools.product(counts, counts))
    assert gini(lists, SIZE) == pytest.approx(spread / (2 * (SIZE - 1) * sum(counts)))


@given(some_lists(), hnp.arrays(np.int64, SIZE, elements=st.integers(0, 9)))
def test_novelty_falls_with_popularity_and_ignores_its_unit(lists: Rows, popular: Rows) -> None:
    found = novelty(lists, popular)
    assert found.shape == (len(lists),)
    assert (np.isnan(found) == ((lists < 0).all(axis=1) | (popular.sum() == 0))).all()
    assert (np.isnan(found) | (found >= 0)).all()
    assert novelty(lists, popular / 7) == pytest.approx(found, nan_ok=True)
    if popular.any():
        single = novelty(np.arange(SIZE)[:, None], popular)
        assert (np.diff(single[np.argsort(popular)]) <= 1e-12).all()


@given(
    some_lists(),
    hnp.arrays(np.float32, (SIZE, 3), elements=st.integers(-3, 3).map(float)),
)
def test_diversity_is_the_mean_over_pairs(lists: Rows, vectors: npt.NDArray[np.float32]) -> None:
    """As a loop over pairs with the cosines of scikit-learn."""
    cosines = cosine_similarity(vectors.astype(float))
    expected = []
    for one in lists:
        rows = [row for row in one if row >= 0 and vectors[row].any()]
        pairs = [1 - cosines[a, b] for a, b in itertools.combinations(rows, 2)]
        expected.append(np.mean(pairs) if pairs else np.nan)
    found = intra_list_diversity(lists, vectors)
    assert found == pytest.approx(np.array(expected, float), nan_ok=True, abs=1e-7)
    assert (np.isnan(found) | ((found >= 0) & (found <= 2))).all()


@given(some_lists(users=3), some_lists(users=3), st.integers(0, 9))
def test_serendipity_counts_as_sets_and_is_at_most_the_share_of_hits(
    lists: Rows, expected: Rows, seed: int
) -> None:
    hits = (np.random.default_rng(seed).random(lists.shape) < 0.5) & (lists >= 0)
    found = serendipity(hits, lists, expected)
    for user, value in enumerate(found):
        right = set(lists[user][hits[user]].tolist()) - set(expected[user].tolist())
        length = (lists[user] >= 0).sum()
        assert value == pytest.approx(len(right) / length) if length else math.isnan(value)
        assert not value > hits[user].sum() / max(length, 1)
    inside = np.array([np.isin(a, b) for a, b in zip(lists, expected, strict=True)])
    again = serendipity(hits, lists, inside.reshape(lists.shape))
    assert np.array_equal(again, found, equal_nan=True)
