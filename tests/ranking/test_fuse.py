from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polyscene.component import Candidates
from polyscene.ranking.fuse import fuse, joined, min_max


def found(name: str, scores: dict[int, float]) -> Candidates:
    values = np.array(list(scores.values()), np.float32)
    return Candidates(np.array(list(scores), np.int64), values, {name: values})


def fuse_one(lists: dict[str, Candidates], weights: dict[str, float]) -> Candidates:
    (fused,) = fuse({name: [own] for name, own in lists.items()}, weights)
    return fused


def test_each_source_is_scaled_to_its_own_range_and_weighted() -> None:
    """a: 3, 2, 1 → 1, 1/2, 0 times 2; b: 0.9, 0.1 → 1, 0 times 1. Row 2 has 0 + 1."""
    both = {"a": found("a", {0: 3, 1: 2, 2: 1}), "b": found("b", {2: 0.9, 3: 0.1})}
    fused = fuse_one(both, {"a": 2.0, "b": 1.0})
    assert fused.rows.tolist() == [0, 1, 2, 3]
    assert fused.scores.tolist() == [2, 1, 1, 0]
    assert fused.parts["a"].tolist() == [2, 1, 0, 0]
    assert fused.parts["b"].tolist() == [0, 0, 1, 0]


def test_a_source_alone_keeps_its_own_scores() -> None:
    """Also when the others found nothing."""
    alone = found("a", {4: 0.7, 1: 0.2})
    none = found("b", {})
    for fused in (
        fuse_one({"a": alone}, {"a": 5}),
        fuse_one({"a": alone, "b": none}, {"a": 5, "b": 1}),
    ):
        assert fused.rows.tolist() == [4, 1]
        np.testing.assert_allclose(fused.scores, [0.7, 0.2])


def test_equal_scores_of_a_source_all_count_fully() -> None:
    """A single candidate, or many alike, have no range: each gets the whole weight."""
    fused = fuse_one({"a": found("a", {0: 0.3, 1: 0.3}), "b": found("b", {1: 9})}, {"a": 2, "b": 1})
    assert fused.rows.tolist() == [0, 1]
    assert fused.scores.tolist() == [2, 3]


def test_nothing_found_is_an_empty_list() -> None:
    assert len(fuse_one({"a": found("a", {}), "b": found("b", {})}, {"a": 1, "b": 1})) == 0


def test_each_query_is_fused_by_itself() -> None:
    """a: 1, 3 → 0, 1 in the first query, nothing in the second, one of its own in the third."""
    first = [found("a", {7: 1, 9: 3}), found("a", {}), found("a", {2: 5})]
    then = [found("b", {9: 2}), found("b", {8: 4}), found("b", {0: 1, 2: 2})]
    one, two, three = fuse({"a": first, "b": then}, {"a": 1.0, "b": 0.5})
    assert (one.rows.tolist(), one.scores.tolist()) == ([7, 9], [0, 1.5])
    assert (two.rows.tolist(), two.scores.tolist(), list(two.parts)) == ([8], [4], ["b"])
    assert (three.rows.tolist(), three.scores.tolist()) == ([0, 2], [0, 1.5])
    assert three.parts["a"].tolist() == [0, 1]


def test_min_max_by_hand() -> None:
    """-1, 0, 3 → 0, 1/4, 1; without a range all are 1."""
    np.testing.assert_allclose(min_max(np.array([-1, 0, 3], np.float32)), [0, 0.25, 1])
    np.testing.assert_array_equal(min_max(np.array([7, 7], np.float32)), [1, 1])


lists = st.dictionaries(st.integers(0, 30), st.floats(-5, 5, width=32), min_size=1, max_size=12)


@given(st.lists(lists, min_size=2, max_size=4), st.lists(st.floats(0.1, 3), min_size=4, max_size=4))
def test_fusion_is_the_union_by_row_and_the_sum_of_its_parts(
    tables: list[dict[int, float]], numbers: list[float]
) -> None:
    """Each row once, ascending, the parts add up, and no source exceeds its weight."""
    sources = {str(place): found(str(place), table) for place, table in enumerate(tables)}
    weights = dict(zip(map(str, range(4)), numbers, strict=True))
    fused = fuse_one(sources, weights)
    assert fused.rows.tolist() == sorted({row for table in tables for row in table})
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
