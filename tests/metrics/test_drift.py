from __future__ import annotations

import math

import numpy as np
import pytest

from polyscene.metrics.drift import popularity_shift


def test_two_groups_by_hand() -> None:
    """Shares 60 and 40 of 100 become 40 and 60: (0.6 - 0.4) ln(1.5) twice, but for the halves."""
    before, after = np.array([60, 40]), np.array([40, 60])
    p, q = 60.5 / 101, 40.5 / 101
    assert popularity_shift(before, after, 2) == pytest.approx(2 * (q - p) * math.log(q / p))


def test_what_was_not_there_before_is_a_group_of_its_own() -> None:
    """Half of what came since is new: far above what is called much."""
    before, after = np.array([50, 50, 0, 0]), np.array([25, 25, 25, 25])
    assert popularity_shift(before, after) > 1


def test_more_of_the_same_is_no_shift() -> None:
    before = np.random.default_rng(0).zipf(1.6, 500)
    assert popularity_shift(before, 3 * before) == pytest.approx(0, abs=1e-4)
    assert popularity_shift(before, before[::-1].copy()) > 0.25


def test_chance_alone_is_small_where_there_are_enough_counts() -> None:
    random = np.random.default_rng(1)
    chances = random.dirichlet(np.ones(200))
    found = [
        popularity_shift(random.multinomial(5000, chances), random.multinomial(1000, chances))
        for _ in range(50)
    ]
    assert 0.005 < np.mean(found) < 0.03


def test_nothing_on_one_side_is_not_defined() -> None:
    assert math.isnan(popularity_shift(np.array([0]), np.array([3])))
    assert math.isnan(popularity_shift(np.array([3]), np.array([0])))
