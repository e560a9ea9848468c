from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.metrics.ranking import hit_rate, ndcg, precision, recall, reciprocal_rank

METRICS = (hit_rate, ndcg, precision, recall, reciprocal_rank)


def test_ndcg_of_hits_at_ranks_1_and_3_of_two_relevant() -> None:
    """(1 + 1/log2(4)) / (1 + 1/log2(3)) = 1.5 / 1.6309."""
    assert ndcg("axb", {"a", "b"}, 3) == pytest.approx(1.5 / (1 + 1 / math.log2(3)))


def test_ndcg_is_ideal_when_the_list_is_shorter_than_what_is_relevant() -> None:
    assert ndcg("ab", {"a", "b", "c"}, 2) == 1.0


def test_precision_and_recall_of_one_hit_in_four_ranks_of_two_relevant() -> None:
    assert precision("xaxx", {"a", "b"}, 4) == 0.25
    assert recall("xaxx", {"a", "b"}, 4) == 0.5


def test_the_first_hit_at_rank_2_has_a_reciprocal_rank_of_a_half() -> None:
    assert reciprocal_rank("xab", {"a", "b"}, 3) == 0.5
    assert reciprocal_rank("xab", {"a", "b"}, 1) == 0.0
    assert hit_rate("xab", {"a"}, 1) == 0.0
    assert hit_rate("xab", {"a"}, 2) == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_relevant_or_no_rank_is_the_callers_error(metric: object) -> None:
    assert callable(metric)
    for relevant, k in ((set(), 5), ({"a"}, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            metric("ab", relevant, k)


@given(st.permutations("abcdefgh"), st.sets(st.sampled_from("abcdefgh"), min_size=1), st.data())
def test_all_lie_between_0_and_1_and_a_relevant_prefix_is_best(
    ranked: list[str], relevant: set[str], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, 10))
    best = sorted(relevant) + [name for name in ranked if name not in relevant]
    for metric in METRICS:
        assert 0 <= metric(ranked, relevant, k) <= metric(best, relevant, k) <= 1
    assert ndcg(best, relevant, k) == pytest.approx(1.0)
