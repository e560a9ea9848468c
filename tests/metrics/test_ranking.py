"""Ranking metrics: worked by hand, as properties, and against scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import average_precision_score, ndcg_score

from polyscene.metrics import ranking
from polyscene.metrics.ranking import (
    average_precision,
    hit_matrix,
    hit_rate,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)

Metric = Callable[[npt.NDArray[np.bool_], npt.NDArray[np.int64], int], npt.NDArray[np.float64]]
METRICS: list[Metric] = [average_precision, hit_rate, ndcg, precision, recall, reciprocal_rank]
Case = tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64], int]


def hits_of(*rows: str) -> npt.NDArray[np.bool_]:
    """One row a list, x where it hits."""
    return np.array([[mark == "x" for mark in row] for row in rows])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Hits of some users, at least as many relevant targets, and a k that may pass the end."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(0, 8)))
    hits = draw(hnp.arrays(np.bool_, shape))
    more = draw(hnp.arrays(np.int64, shape[:1], elements=st.integers(0, 4)))
    return hits, hits.sum(axis=1) + more, draw(st.integers(1, 10))


def test_every_public_metric_is_tested_here() -> None:
    assert {metric.__name__ for metric in METRICS} | {"hit_matrix"} == set(ranking.__all__)


def test_hits_at_ranks_1_and_3_of_three_relevant() -> None:
    """DCG = 1 + 1/log2(4) = 1.5; the ideal of three is 1 + 1/log2(3) + 0.5 = 2.1309."""
    hits, relevant = hits_of("x.x."), np.array([3])
    assert ndcg(hits, relevant, 4) == pytest.approx(1.5 / (1.5 + 1 / math.log2(3)))
    assert recall(hits, relevant, 4) == pytest.approx(2 / 3)
    assert precision(hits, relevant, 4) == 0.5
    assert hit_rate(hits, relevant, 4) == 1.0
    assert reciprocal_rank(hits, relevant, 4) == 1.0
    assert average_precision(hits, relevant, 4) == pytest.approx((1 + 2 / 3) / 3)


def test_the_cut_at_k() -> None:
    """The only hit, at rank 3, counts from k = 3 on."""
    hits, relevant = hits_of("..x"), np.array([1])
    for metric in METRICS:
        assert metric(hits, relevant, 2) == 0.0
    assert ndcg(hits, relevant, 3) == 0.5
    assert reciprocal_rank(hits, relevant, 3) == pytest.approx(1 / 3)
    assert average_precision(hits, relevant, 3) == pytest.approx(1 / 3)
    assert precision(hits, relevant, 3) == pytest.approx(1 / 3)


def test_with_more_relevant_than_ranks_the_ideal_is_a_full_list() -> None:
    """Two hits in two ranks of five relevant: NDCG and AP reach 1, recall is 2/5."""
    hits, relevant = hits_of("xx"), np.array([5])
    assert ndcg(hits, relevant, 2) == 1.0
    assert average_precision(hits, relevant, 2) == 1.0
    assert recall(hits, relevant, 2) == 0.4


def test_a_list_shorter_than_k_scores_as_if_the_rest_missed() -> None:
    """One hit in a list of one, of two relevant, at k = 4."""
    hits, relevant = hits_of("x"), np.array([2])
    assert precision(hits, relevant, 4) == 0.25
    assert ndcg(hits, relevant, 4) == pytest.approx(1 / (1 + 1 / math.log2(3)))
    assert average_precision(hits, relevant, 4) == 0.5


@pytest.mark.parametrize("metric", METRICS)
def test_a_user_with_nothing_relevant_is_nan_and_leaves_the_others_alone(metric: Metric) -> None:
    found = metric(hits_of("..", "x."), np.array([0, 1]), 2)
    assert np.isnan(found[0])
    assert found[1] > 0


@pytest.mark.parametrize("metric", METRICS)
def test_no_users_and_empty_lists(metric: Metric) -> None:
    assert metric(np.zeros((0, 3), bool), np.zeros(0, int), 3).shape == (0,)
    assert metric(np.zeros((2, 0), bool), np.array([1, 0]), 3).tolist()[0] == 0.0


@pytest.mark.parametrize("metric", METRICS)
def test_wrong_arguments_are_the_callers_error(metric: Metric) -> None:
    good = hits_of("x.")
    with pytest.raises(ValueError, match="k = 0"):
        metric(good, np.array([1]), 0)
    with pytest.raises(ValueError, match="more hits than relevant"):
        metric(hits_of("xx"), np.array([1]), 2)
    with pytest.raises(ValueError, match="not int"):
        metric(good, np.array([1.0]), 2)
    for hits, relevant in ((good, [1, 1]), (good[0], [1, 0]), (good.astype(int), [1])):
        with pytest.raises(ValueError, match=r"bool \(users, depth\)"):
            metric(hits, np.array(relevant), 2)


def test_hit_matrix_marks_the_relevant_ids_and_counts_all_of_them() -> None:
    hits, relevant = hit_matrix(["bxa", "", "a"], [{"a", "b", "c"}, {"a"}, set()], depth=4)
    assert hits.tolist() == hits_of("x.x.", "....", "....").tolist()
    assert relevant.tolist() == [3, 1, 0]


def test_hit_matrix_cuts_at_its_depth_and_takes_rows_for_ids() -> None:
    hits, relevant = hit_matrix([[7, 8, 9]], [[9, 8, 8]], depth=2)
    assert hits.tolist() == [[False, True]]
    assert relevant.tolist() == [2]


def test_hit_matrix_refuses_what_would_be_counted_twice_or_not_at_all() -> None:
    with pytest.raises(ValueError, match="list 1 has an id twice"):
        hit_matrix(["ab", "aa"], [{"a"}, {"a"}], 2)
    with pytest.raises(ValueError, match="1 lists and 2 sets"):
        hit_matrix(["ab"], [{"a"}, {"a"}], 2)
    with pytest.raises(ValueError, match="depth 0"):
        hit_matrix(["ab"], [{"a"}], 0)


@given(cases())
def test_all_lie_between_0_and_1_and_are_nan_without_relevant(case: Case) -> None:
    hits, relevant, k = case
    for metric in METRICS:
        found = metric(hits, relevant, k)
        assert found.dtype == np.float64
        assert np.array_equal(np.isnan(found), relevant == 0)
        assert ((found >= 0) & (found <= 1) | np.isnan(found)).all()


@given(cases(), st.integers(0, 9))
def test_users_are_scored_on_their_own(case: Case, seed: int) -> None:
    """The order of the users changes nothing but the order of the values."""
    hits, relevant, k = case
    order = np.random.default_rng(seed).permutation(len(hits))
    for metric in METRICS:
        whole = metric(hits, relevant, k)
        assert np.array_equal(metric(hits[order], relevant[order], k), whole[order], equal_nan=True)
        alone = [metric(hits[[u]], relevant[[u]], k)[0] for u in range(len(hits))]
        assert np.array_equal(alone, whole, equal_nan=True)


@given(cases(), st.integers(1, 4))
def test_padding_changes_nothing(case: Case, width: int) -> None:
    hits, relevant, k = case
    padded = np.pad(hits, ((0, 0), (0, width)))
    for metric in METRICS:
        # a sum over more columns may round otherwise
        np.testing.assert_allclose(
            metric(padded, relevant, k), metric(hits, relevant, k), rtol=1e-12
        )


@given(cases(), st.data())
def test_moving_a_hit_up_never_lowers_a_metric(case: Case, data: st.DataObject) -> None:
    hits, relevant, k = case
    if hits.shape[1] < 2:
        return
    high, low = sorted(
        data.draw(st.lists(st.integers(0, hits.shape[1] - 1), min_size=2, max_size=2, unique=True))
    )
    better = hits.copy()
    better[:, high] |= hits[:, low]
    better[:, low] &= hits[:, high]
    for metric in METRICS:
        before, after = metric(hits, relevant, k), metric(better, relevant, k)
        assert (np.isnan(before) | (after >= before - 1e-12)).all()


@given(cases())
def test_recall_and_hit_rate_never_fall_as_k_grows(case: Case) -> None:
    hits, relevant, k = case
    for metric in (recall, hit_rate):
        before, after = metric(hits, relevant, k), metric(hits, relevant, k + 1)
        assert (np.isnan(before) | (after >= before)).all()


@given(st.integers(1, 50), st.integers(1, 50))
def test_an_ideal_list_scores_exactly_1(relevant: int, k: int) -> None:
    hits = np.arange(50)[None, :] < relevant
    for metric in (ndcg, average_precision, reciprocal_rank, hit_rate):
        assert metric(hits, np.array([relevant]), k) == 1.0


@given(hnp.arrays(np.bool_, st.integers(2, 12)).filter(np.any), st.integers(1, 14))
def test_ndcg_agrees_with_scikit_learn(hits: npt.NDArray[np.bool_], k: int) -> None:
    scores = -np.arange(len(hits), dtype=float)
    expected = ndcg_score(hits[None, :].astype(int), scores[None, :], k=k)
    assert ndcg(hits[None, :], hits[None, :].sum(axis=1), k) == pytest.approx(expected)


@given(hnp.arrays(np.bool_, st.integers(1, 12)).filter(np.any))
def test_average_precision_of_a_whole_ranking_agrees_with_scikit_learn(
    hits: npt.NDArray[np.bool_],
) -> None:
    expected = average_precision_score(hits, -np.arange(len(hits), dtype=float))
    found = average_precision(hits[None, :], hits[None, :].sum(axis=1), len(hits))
    assert found == pytest.approx(expected)
