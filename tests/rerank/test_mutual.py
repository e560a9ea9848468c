"""People by what both sides say of each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.component import BACK, BOTH_PLACE, VALUE_PLACE, Candidates
from polyscene.rerank.mutual import MUTUAL, both_sides, depth

SILENT = math.nan


def pool(*scores: float, steps: bool = False) -> Candidates:
    """Candidates of rows 10, 11, ... with these values, best first."""
    found = Candidates(np.arange(10, 10 + len(scores)), np.array(scores, np.float32))
    if steps:
        found.steps[VALUE_PLACE] = np.arange(1.0, len(scores) + 1)
    return found


def ordered(candidates: Candidates, back: list[float], weight: float) -> list[int]:
    return both_sides(candidates, np.array(back), weight).rows.tolist()


def test_the_weighted_geometric_mean_of_both_sides_orders() -> None:
    """own 1, .8, .5; back .1, .2, .9: √.1 = .32, √.16 = .4, √.45 = .67."""
    found = both_sides(pool(2.0, 1.6, 1.0), np.array([0.1, 0.2, 0.9]), 0.5)
    assert found.rows.tolist() == [12, 11, 10]
    both = np.sqrt([0.45, 0.16, 0.1])
    assert found.scores.tolist() == pytest.approx((1 + both).tolist(), rel=1e-6)


def test_the_ends_of_the_weight() -> None:
    """A little leaves the order of the user's side; 1 is the other side alone."""
    back = [0.1, 0.2, 0.9]
    assert ordered(pool(2.0, 1.6, 1.0), back, 0.05) == [10, 11, 12]
    assert ordered(pool(2.0, 1.6, 1.0), [0.2, 0.9, 0.5], 1.0) == [11, 12, 10]


def test_whoever_says_nothing_counts_with_the_mean_of_the_others() -> None:
    """Mean .4: own 1 at .4, own .9 at .4 (silent), own .8 at .4: the order stays; and they pass
    whoever says less than the mean."""
    assert ordered(pool(1.0, 0.9, 0.8), [0.4, SILENT, 0.4], 0.5) == [10, 11, 12]
    assert ordered(pool(1.0, 0.9, 0.8), [0.1, SILENT, 0.7], 0.5) == [12, 11, 10]


@pytest.mark.parametrize("back", [[SILENT] * 3, [0.0] * 3, [0.0, SILENT, 0.0], []])
def test_where_nobody_has_anything_to_say_nothing_changes(back: list[float]) -> None:
    before = pool(3.0, 2.0, 1.0, steps=True)
    after = both_sides(before, np.array(back), 0.5)
    assert after.rows.tolist() == [10, 11, 12]
    assert after.scores.tolist() == [3.0, 2.0, 1.0]
    assert not after.marks
    assert BACK not in after.steps


def test_what_is_past_the_depth_stays_behind() -> None:
    found = both_sides(pool(4.0, 3.0, 2.0, 1.0, steps=True), np.array([0.1, 0.9]), 0.9)
    assert found.rows.tolist() == [11, 10, 12, 13]
    assert found.steps[BOTH_PLACE][:2].tolist() == [1, 2]
    assert np.isnan(found.steps[BOTH_PLACE][2:]).all()
    assert found.steps[BACK][:2].tolist() == [0.9, 0.1]


def test_only_who_comes_forward_by_their_own_word_is_marked() -> None:
    """The second passes the first, who is liked less; the silent one comes forward by others."""
    found = both_sides(pool(1.0, 0.9, 0.85), np.array([0.05, 0.9, SILENT]), 0.5)
    assert found.rows.tolist() == [11, 12, 10]
    assert found.marks == {11: (MUTUAL,)}


def test_values_below_zero_count_as_nothing() -> None:
    """Of a reward below 0 for everybody no side can be weighed: the order stays."""
    assert ordered(pool(1.0, -1.0, -2.0), [0.5, 0.9, 0.9], 0.5) == [10, 11, 12]
    assert ordered(pool(-1.0, -2.0), [0.5, 0.9], 0.5) == [10, 11]


def test_the_depth_is_twice_the_list_and_fifty_at_least() -> None:
    assert [depth(n) for n in (1, 10, 25, 26, 1000)] == [50, 50, 50, 52, 2000]


@given(
    st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=30).map(lambda v: sorted(v)[::-1]),
    st.lists(st.one_of(st.just(SILENT), st.floats(0, 1)), max_size=30),
    st.floats(0, 1),
)
def test_a_permutation_of_the_head_whose_scores_fall(
    scores: list[float], back: list[float], weight: float
) -> None:
    back = back[: len(scores)]
    found = both_sides(pool(*scores), np.array(back), weight)
    assert sorted(found.rows[: len(back)].tolist()) == list(range(10, 10 + len(back)))
    assert found.rows[len(back) :].tolist() == list(range(10 + len(back), 10 + len(scores)))
    assert np.isfinite(found.scores).all()
    assert (np.diff(found.scores) <= 1e-6).all()
