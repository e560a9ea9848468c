"""Intervals over users of ratios and of the AUC: worked by hand and as properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.metrics.clustered import auc_interval, ratio_interval
from polyscene.metrics.compare import interval
from polyscene.metrics.probability import auc


def test_a_ratio_counts_busy_users_more() -> None:
    """1 of 2 and 9 of 10 are 10 of 12; a user with nothing to divide by is left out."""
    found = ratio_interval([1, 9, 0], [2, 10, 0])
    assert found.mean == pytest.approx(10 / 12)
    assert found.users == 2
    assert (found.low, found.high) == pytest.approx((0.5, 0.9))


def test_with_equal_wholes_it_is_the_interval_of_a_mean() -> None:
    values = np.random.default_rng(0).random(400)
    mean, ratio = interval(values), ratio_interval(3 * values, np.full(400, 3.0))
    error = values.std() / 20
    assert ratio.mean == pytest.approx(mean.mean)
    assert ratio.low == pytest.approx(mean.low, abs=0.3 * error)
    assert ratio.high == pytest.approx(mean.high, abs=0.3 * error)


def test_one_user_or_none_shows_no_spread() -> None:
    one, none = ratio_interval([1], [4]), ratio_interval([0], [0])
    assert (one.mean, one.users) == (0.25, 1)
    assert none.users == 0
    assert all(map(math.isnan, (one.low, one.high, none.mean, none.low, none.high)))


def test_wrong_sums_are_the_callers_error() -> None:
    for parts, wholes, message in (
        ([1, 2], [1], "parts and"),
        ([[1]], [[1]], "parts and"),
        ([np.nan], [1], "not finite"),
        ([1], [-1], "negative"),
    ):
        with pytest.raises(ValueError, match=message):
            ratio_interval(parts, wholes)


def test_users_who_agree_leave_no_doubt() -> None:
    """Whoever is drawn, every success stands above every failure."""
    found = auc_interval([0.9, 0.1, 0.8, 0.2], [1, 0, 1, 0], ["a", "a", "b", "b"])
    assert (found.mean, found.low, found.high, found.users) == (1.0, 1.0, 1.0, 2)


def test_two_users_who_disagree_can_both_be_drawn_alone() -> None:
    """a alone has 1, b alone 0, each with a chance of a quarter; both have 2 of 4 pairs."""
    found = auc_interval([0.9, 0.2, 0.1, 0.8], [1, 0, 1, 0], [1, 1, 2, 2])
    assert (found.mean, found.low, found.high) == (0.5, 0.0, 1.0)


def test_its_width_is_that_of_many_draws_of_whole_users() -> None:
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(60), 10)
    labels = rng.random(600) < np.repeat(rng.random(60), 10)
    scores = labels + rng.normal(size=600) + np.repeat(rng.normal(size=60), 10)
    found = auc_interval(scores, labels, users, seed=1)
    draws = []
    for _ in range(600):
        chosen = np.concatenate([np.flatnonzero(users == u) for u in rng.integers(0, 60, 60)])
        draws.append(auc(scores[chosen], labels[chosen]))
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.015)
    assert found.high == pytest.approx(high, abs=0.015)


def test_one_class_has_no_auc() -> None:
    found = auc_interval([1.0, 2.0], [1, 1], [0, 1])
    assert found.users == 2
    assert all(map(math.isnan, (found.mean, found.low, found.high)))
    assert auc_interval([], [], []).users == 0


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_the_mean_is_the_auc_and_lies_within(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, users = rng.random(40) < 0.5, rng.integers(0, 8, 40)
    scores = np.round(labels + rng.normal(size=40), 1)
    found = auc_interval(scores, labels, users, resamples=200)
    assert found.mean == pytest.approx(auc(scores, labels))
    assert 0 <= found.low <= found.high <= 1
