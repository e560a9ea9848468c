"""Intervals and paired tests: worked by hand, as properties, and against SciPy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from polyscene.metrics.compare import Comparison, interval, paired

Floats = npt.NDArray[np.float64]
EIGHTHS = st.integers(-8, 8).map(lambda eighth: eighth / 8)


def test_interval_of_many_users_is_that_of_the_normal_approximation() -> None:
    """Half its width is 1.96 standard errors."""
    values = np.random.default_rng(1).random(2000)
    found = interval(values)
    error = values.std() / math.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert found.users == 2000
    assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.2 * error)
    assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.2 * error)


def test_interval_agrees_with_bca_on_skewed_values() -> None:
    values = np.random.default_rng(2).random(1000) ** 4
    found = interval(values, resamples=4000)
    bca = stats.bootstrap((values,), np.mean, n_resamples=4000, method="BCa", rng=3)
    assert found.low == pytest.approx(bca.confidence_interval.low, rel=0.02)
    assert found.high == pytest.approx(bca.confidence_interval.high, rel=0.02)


def test_a_user_is_drawn_with_all_of_their_values() -> None:
    """The mean is over the values. Of users with (1, 1) and (0) the means drawn are 1, 0 and 2/3,
    each user alone a quarter of the time."""
    found = interval([1, 1, 0], users=[7, 7, 3])
    assert (found.mean, found.users) == (pytest.approx(2 / 3), 2)
    assert (found.low, found.high) == (0, 1)
    same = interval([0.2, np.nan, 0.9, 0.4], users=[3, 2, 1, 0])
    assert same == interval([0.4, 0.9, 0.2])


def test_copies_of_a_user_make_nothing_surer() -> None:
    """Ten values for each of forty users say as much as one for each."""
    values = np.random.default_rng(0).random(40)
    users = np.repeat(np.arange(40), 10)
    one, ten = interval(values), interval(np.repeat(values, 10), users=users)
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))
    first = paired(values, np.full(40, 0.45))
    again = paired(np.repeat(values, 10), np.full(400, 0.45), users=users)
    assert again.p_value == first.p_value
    assert again.users == 40


def test_nan_users_are_left_out() -> None:
    values = np.array([0.1, 0.5, 0.3, 0.9])
    with_nan = np.insert(values, [0, 2, 4], np.nan)
    assert interval(with_nan) == interval(values)
    assert interval(with_nan).users == 4


def test_interval_of_nobody_of_one_user_and_of_equal_users() -> None:
    nobody, one, equal = interval([]), interval([0.25, math.nan]), interval([0.25] * 5)
    assert (nobody.users, one.users, equal.users) == (0, 1, 5)
    assert math.isnan(nobody.mean)
    assert one.mean == 0.25
    assert all(map(math.isnan, (nobody.low, nobody.high, one.low, one.high)))
    assert (equal.mean, equal.low, equal.high) == (0.25, 0.25, 0.25)


def test_the_seed_and_the_confidence_count() -> None:
    values = np.random.default_rng(0).random(50)
    assert interval(values, seed=1) == interval(values, seed=1)
    assert interval(values, seed=1) != interval(values, seed=2)
    narrow, wide = interval(values, confidence=0.5), interval(values, confidence=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("resamples", [100, 10_000])
def test_four_users_who_all_gain_the_same_have_a_p_of_two_in_sixteen(resamples: int) -> None:
    """Only all + and all - of the 2^4 sign choices are as far from 0."""
    found = paired([0.5, 0.6, 0.7, 0.8], [0.25, 0.35, 0.45, 0.55], resamples=resamples)
    assert found.p_value == 0.125
    assert found.difference == pytest.approx(0.25)
    assert found.relative == pytest.approx(0.25 / 0.4)
    assert (found.low, found.high) == pytest.approx((0.25, 0.25))
    assert found.users == 4


def test_gains_of_3_and_1_have_a_p_of_a_half() -> None:
    """The sums are ±4 and ±2; users without a difference change nothing."""
    assert paired([3, 1], [0, 0]).p_value == 0.5
    assert paired([3, 1] + [7] * 30, [0, 0] + [7] * 30).p_value == 0.5


def test_no_difference_has_a_p_of_1() -> None:
    values = np.random.default_rng(0).random(30)
    same = paired(values, values)
    assert (same.difference, same.relative, same.low, same.high) == (0, 0, 0, 0)
    assert same.p_value == 1.0
    assert paired([1, 0], [0, 1]).p_value == 1.0


def test_sums_that_differ_by_rounding_alone_are_ties() -> None:
    """All + and all - are equally far from 0, though in floats one is 1e-16 nearer: 2/16."""
    assert paired([0.1, 0.1, 0.1, 0.4], [0, 0, 0, 0]).p_value == 0.125


def test_paired_of_nobody_of_one_user_and_of_others_at_0() -> None:
    nobody = paired([math.nan, 1.0], [1.0, math.nan])
    assert nobody.users == 0
    assert all(math.isnan(getattr(nobody, name)) for name in Comparison.__slots__[:-1])
    one = paired([0.5], [0.25])
    assert (one.difference, one.relative, one.p_value) == (0.25, 1.0, 1.0)
    assert math.isnan(one.low)
    assert math.isnan(paired([1, 2], [0, 0]).relative)


def test_a_user_with_a_nan_in_either_is_left_out_of_all_of_it() -> None:
    found = paired([1.0, 2.0, math.nan, 4.0], [0.5, 1.0, 9.0, math.nan])
    assert found == paired([1.0, 2.0], [0.5, 1.0])
    assert found.relative == pytest.approx(1.0)


def test_random_signs_agree_with_the_exact_test_and_with_scipy() -> None:
    """Of 12 users: exact, by 2000 random sign choices here, and by SciPy's permutation test."""
    rng = np.random.default_rng(5)
    values, others = rng.random(12) + 0.15, rng.random(12)
    exact = paired(values, others, resamples=2**12).p_value
    drawn = paired(values, others, resamples=2**12 - 1).p_value
    oracle = stats.permutation_test(
        (values - others,), np.mean, permutation_type="samples", n_resamples=2**12
    ).pvalue
    assert 0.01 < exact < 0.9
    assert exact == pytest.approx(oracle)
    assert drawn == pytest.approx(exact, abs=0.03)


def test_a_clear_gain_is_found_and_its_p_is_never_0() -> None:
    rng = np.random.default_rng(0)
    others = rng.random(300)
    found = paired(others + 0.2 + 0.1 * rng.random(300), others, resamples=999)
    assert found.p_value == 0.001
    assert 0.2 < found.low < found.difference < found.high < 0.3


def test_p_values_of_equal_methods_are_below_5_percent_one_time_in_twenty() -> None:
    rng = np.random.default_rng(0)
    values = [
        paired(rng.random(40), rng.random(40), resamples=199, seed=trial).p_value
        for trial in range(400)
    ]
    assert 0.02 < np.mean(np.array(values) <= 0.05) < 0.08


def test_draws_in_batches_reach_every_resample(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for 3 draws at a time the p-value still is a share of 100."""
    monkeypatch.setattr("polyscene.metrics.compare._CELLS", 60)
    values = np.random.default_rng(0).random(20)
    found = paired(values, np.full(20, 0.45), resamples=99).p_value * 100
    assert found == pytest.approx(round(found))
    assert found > 1


def test_wrong_arguments_are_the_callers_error() -> None:
    for values in ([[1.0]], [math.inf], 1.0):
        with pytest.raises(ValueError, match="finite or NaN"):
            interval(values)
        with pytest.raises(ValueError, match="finite or NaN"):
            paired([1.0], values)
    for options in ({"confidence": 0.0}, {"confidence": 1.0}, {"resamples": 0}):
        with pytest.raises(ValueError, match="resamples is at least 1"):
            interval([1.0], **options)
        with pytest.raises(ValueError, match="resamples is at least 1"):
            paired([1.0], [1.0], **options)
    with pytest.raises(ValueError, match="2 values and 1 others"):
        paired([1.0, 2.0], [1.0])


@given(hnp.arrays(np.float64, st.integers(2, 12), elements=EIGHTHS), st.integers(0, 9))
def test_an_interval_lies_within_the_values_and_moves_with_them(values: Floats, seed: int) -> None:
    found = interval(values, resamples=50, seed=seed)
    assert values.min() <= found.low <= found.high <= values.max()
    moved = interval(values + 2, resamples=50, seed=seed)
    assert (moved.low, moved.high) == pytest.approx((found.low + 2, found.high + 2))


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.tuples(st.integers(2, 7), st.just(2)), elements=EIGHTHS))
def test_the_exact_p_value_is_that_of_scipy_and_the_same_both_ways(both: Floats) -> None:
    values, others = both.T
    found = paired(values, others, resamples=128)
    oracle = stats.permutation_test(
        (values - others,), np.mean, permutation_type="samples", n_resamples=128
    ).pvalue
    assert found.p_value == pytest.approx(oracle)
    back = paired(others, values, resamples=128)
    assert back.p_value == found.p_value
    assert back.difference == -found.difference
