from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polyscene.component import Candidates
from polyscene.ranking.fuse import fuse, joined, min_max


def found(name: str, scores: dict[int, float]) -> Candidates:
    values = np.array(list(scores.values()), np.float32)
    return Candidates(np.array(list(scores), np.int64), values, {name: values})


def test_each_source_is_scaled_to_its_own_range_and_weighted() -> None:
    """a: 3, 2, 1 → 1, 1/2, 0 times 2; b: 0.9, 0.1 → 1, 0 times 1. Row 2 has 0 + 1; ties by row."""
    both = {"a": found("a", {0: 3, 1: 2, 2: 1}), "b": found("b", {2: 0.9, 3: 0.1})}
    fused = fuse(both, {"a": 2.0, "b": 1.0})
    assert fused.rows.tolist() == [0, 1, 2, 3]
    assert fused.scores.tolist() == [2, 1, 1, 0]
    assert fused.parts["a"].tolist() == [2, 1, 0, 0]
    assert fused.parts["b"].tolist() == [0, 0, 1, 0]


def test_a_source_alone_keeps_its_own_scores() -> None:
    """Also when the others found nothing."""
    alone = found("a", {4: 0.7, 1: 0.2})
    none = found("b", {})
    for fused in (fuse({"a": alone}, {"a": 5}), fuse({"a": alone, "b": none}, {"a": 5, "b": 1})):
        assert fused.rows.tolist() == [4, 1]
        np.testing.assert_allclose(fused.scores, [0.7, 0.2])


def test_equal_scores_of_a_source_all_count_fully() -> None:
    """A single candidate, or many alike, have no range: each gets the whole weight."""
    fused = fuse({"a": found("a", {0: 0.3, 1: 0.3}), "b": found("b", {1: 9})}, {"a": 2, "b": 1})
    assert fused.rows.tolist() == [1, 0]
    assert fused.scores.tolist() == [3, 2]


def test_nothing_found_is_an_empty_list() -> None:
    assert len(fuse({"a": found("a", {}), "b": found("b", {})}, {"a": 1, "b": 1})) == 0
    assert len(fuse({}, {})) == 0


def test_min_max_by_hand() -> None:
    """-1, 0, 3 → 0, 1/4, 1; without a range all are 1."""
    np.testing.assert_allclose(min_max(np.array([-1, 0, 3], np.float32)), [0, 0.25, 1])
    np.testing.assert_array_equal(min_max(np.array([7, 7], np.float32)), [1, 1])


lists = st.dictionaries(st.integers(0, 30), st.floats(-5, 5, width=32), min_size=1, max_size=12)


@given(st.lists(lists, min_size=2, max_size=4), st.lists(st.floats(0.1, 3), min_size=4, max_size=4))
def test_fusion_is_the_union_best_first_and_the_sum_of_its_parts(
    tables: list[dict[int, float]], numbers: list[float]
) -> None:
    """Each row once, scores falling, the parts add up, and no source exceeds its weight."""
    sources = {str(place): found(str(place), table) for place, table in enumerate(tables)}
    weights = dict(zip(map(str, range(4)), numbers, strict=True))
    fused = fuse(sources, weights)
    assert set(fused.rows.tolist()) == {row for table in tables for row in table}
    assert len(set(fused.rows.tolist())) == len(fused)
    assert (np.diff(fused.scores) <= 0).all()
    np.testing.assert_allclose(sum(fused.parts.values()), fused.scores, atol=1e-4)
    for name, part in fused.parts.items():
        assert (part >= 0).all()
        assert part.max() <= weights[name] * 1.0001


def test_joined_puts_one_list_behind_the_other() -> None:
    """A source that one of them lacks contributed 0 there."""
    both = joined(found("a", {3: 0.9, 1: 0.4}), found("b", {5: 0.2}))
    assert both.rows.tolist() == [3, 1, 5]
    np.testing.assert_allclose(both.scores, [0.9, 0.4, 0.2])
    np.testing.assert_allclose(both.parts["a"], [0.9, 0.4, 0])
    np.testing.assert_allclose(both.parts["b"], [0, 0, 0.2])


def test_taking_reorders_everything_together() -> None:
    taken = found("a", {3: 0.9, 1: 0.4}).take(np.array([1]))
    assert taken.rows.tolist() == [1]
    np.testing.assert_allclose(taken.scores, [0.4])
    np.testing.assert_allclose(taken.parts["a"], [0.4])
