"""Trying options: what counts as right, what is not ranked, and how the search goes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from planes import NOW, dataset, settings
from polyscene.component import Config, Questions, Training, Validation
from polyscene.sources.trial import Trial, climb, top_hits

ITEMS = ["i0", "i1", "i2", "i3"]
SECOND = 1 / math.log2(3)
SCENARIOS: dict[str, dict[str, Any]] = {
    "shop": {"actions": {"like": 1.0, "rate": {"value": "linear", "center": 1.0}}},
    "news": {"target": "content"},
    "social": {"target": "person"},
}


def trial(
    users: Sequence[int] = (0, 2),
    shown: Mapping[str, Sequence[bool]] | None = None,
    **right: list[list[int]],
) -> Trial:
    """u0 liked i0, u1 liked i1, u2 liked i0 and rated i3 as neutral; by scenario what is right."""
    data = dataset(
        [
            ("u0", "i0", "like", "shop", 90.0),
            ("u1", "i1", "like", "shop", 0.0),
            ("u2", "i0", "like", "shop", 0.0),
            ("u2", "i3", "rate", "shop", 0.0),
            ("u2", "u0", "like", "social", 0.0),
        ],
        ITEMS,
        ["u0", "u1", "u2"],
    )
    masks = {name: np.array(mask) for name, mask in (shown or {}).items()}
    vectors = np.zeros((4, 2), np.float32)
    training = Training(data, settings(**SCENARIOS), vectors, NOW, shown=masks)
    relevant = {name: sp.csr_matrix(np.array(rows, np.float32)) for name, rows in right.items()}
    return Trial(Validation(training, Questions.of(np.array(users)), relevant))


class TestNdcg:
    def test_what_is_seen_is_not_ranked(self) -> None:
        """i0 scores most but both had it; u2 had i3 as well, though it said nothing.

        u0 gets i3, i2, i1: the right i2 is second. u2 gets i2, i1: the right i1 is second.
        """
        tried = trial(shop=[[0, 0, 1, 0], [0, 1, 0, 0]])
        scores = np.array([[9, 1, 2, 3], [9, 1, 2, 3]], np.float32)
        assert tried.ndcg(scores) == pytest.approx(SECOND)

    def test_what_is_seen_cannot_be_found(self) -> None:
        tried = trial(shop=[[1, 0, 0, 0], [0, 1, 0, 0]])
        scores = np.array([[9, 0, 0, 0], [0, 9, 0, 0]], np.float32)
        assert tried.ndcg(scores) == pytest.approx(0.5)

    def test_among_some_columns_the_others_are_out_of_reach(self) -> None:
        """Of i1 and i2 the right i2 is first for u0; u2's right ones are i1 and i3, of which one
        is found: 1 / (1 + 1/log2 3)."""  # fmt: skip
        tried = trial(shop=[[0, 0, 1, 0], [0, 1, 0, 1]])
        scores = np.array([[1, 2], [2, 1]], np.float32)
        assert tried.ndcg(scores, np.array([1, 2])) == pytest.approx((1 + 1 / (1 + SECOND)) / 2)

    def test_tags_are_no_items(self) -> None:
        """The tag i3 scores most, but neither it nor what is right of tags counts."""
        data = dataset([("u0", "i0", "like", "shop", 0.0)], ITEMS, ["u0"], tags=["i3"])
        declared = settings(**SCENARIOS, tags={"target": "tag"})
        training = Training(data, declared, np.zeros((4, 2), np.float32), NOW)
        right = {
            "shop": sp.csr_matrix(np.array([[0, 1, 0, 0]], np.float32)),
            "tags": sp.csr_matrix(np.array([[0, 0, 0, 1]], np.float32)),
        }
        tried = Trial(Validation(training, Questions.of(np.array([0])), right))
        assert tried.ndcg(np.array([[0, 3, 2, 9]], np.float32)) == pytest.approx(1.0)

    def test_users_with_nothing_right_do_not_count(self) -> None:
        tried = trial(shop=[[0, 0, 1, 0], [0, 0, 0, 0]])
        scores = np.array([[0, 0, 5, 0], [5, 5, 5, 5]], np.float32)
        assert tried.ndcg(scores) == pytest.approx(1.0)

    def test_all_scenarios_of_items_count_and_none_of_people(self) -> None:
        """i1 is right in the shop, i2 in the news; a person of row 3 is no item of row 3."""
        tried = trial(
            [0], shop=[[0, 1, 0, 0]], news=[[0, 1, 1, 0]], social=[[0, 0, 0, 1]]
        )  # fmt: skip
        assert tried.ndcg(np.array([[0, 3, 2, 1]], np.float32)) == pytest.approx(1.0)

    def test_each_scenario_ranks_what_it_shows(self) -> None:
        """i2 of the news scores most; the shop shows i0 and i1 alone, and i1 is first there. In the
        news, which show i2 and i3, the right i3 is second."""
        right = {"shop": [[0, 1, 0, 0]], "news": [[0, 0, 0, 1]]}
        shown = {"shop": [True, True, False, False], "news": [False, False, True, True]}
        tried = trial([0], shown=shown, **right)
        scores = np.array([[0, 2, 9, 1]], np.float32)
        assert tried.ndcg(scores.copy()) == pytest.approx((1 + SECOND) / 2)
        columns = np.array([1, 2, 3])
        assert tried.ndcg(scores[:, columns], columns) == pytest.approx((1 + SECOND) / 2)

    def test_where_only_people_were_held_out_nothing_is_possible(self) -> None:
        assert not trial([0], social=[[0, 1, 0, 0]]).possible
        assert not trial([0], shop=[[0, 0, 0, 0]]).possible
        assert trial([0], shop=[[0, 1, 0, 0]]).possible
        nothing = trial([0], shop=[[0, 0, 0, 0]])
        assert nothing.ndcg(np.ones((1, 4), np.float32)) == 0.0

    def test_interactions_are_those_left_with_and_without_decay(self) -> None:
        """u2's like of today is 1, u0's of a half-life ago is its largest all the same."""
        tried = trial(shop=[[0, 0, 1, 0], [0, 1, 0, 0]])
        np.testing.assert_allclose(
            tried.rows(decay=True).toarray(), [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
        )
        assert tried.rows(decay=False).getnnz(axis=1).tolist() == [1, 1, 2]


class TestTopHits:
    def test_by_hand(self) -> None:
        scores = np.array([[1, 3, 2], [-1, -2, -np.inf]], np.float32)
        relevant = sp.csr_matrix(np.array([[0, 0, 1], [0, 1, 1]], np.float32))
        assert top_hits(scores, relevant, 2).tolist() == [[False, True], [False, True]]

    def test_beyond_the_targets_there_is_nothing(self) -> None:
        """Nor at targets that are not ranked at all."""
        scores = np.array([[1, 3, -np.inf]], np.float32)
        relevant = sp.csr_matrix(np.ones((1, 3), np.float32))
        assert top_hits(scores, relevant, 5).tolist() == [[True, True, False, False, False]]

    @given(st.permutations(range(8)), st.sets(st.integers(0, 7)), st.integers(1, 10))
    def test_as_a_full_sort(self, order: list[int], right: set[int], k: int) -> None:
        """For distinct scores: is the target at each rank a right one?"""
        row = np.zeros((1, 8), np.float32)
        row[0, order] = np.arange(8, 0, -1)
        relevant = sp.csr_matrix(np.array([[float(target in right) for target in range(8)]]))
        expected = [target in right for target in order[:k]]
        assert top_hits(row, relevant, k).tolist() == [expected + [False] * (k - len(expected))]


class Options(Config):
    x: int = 0
    y: int = 0
    flag: bool | None = None


class TestClimb:
    def test_one_option_after_the_other_which_may_have_another_turn(self) -> None:
        """-2·(x - 3)² - (y - x)² from (0, 0): x = 2, y = 2, and in a second turn x = 3, y = 3."""

        def score(options: Options) -> float:
            return -2.0 * (options.x - 3) ** 2 - (options.y - options.x) ** 2

        steps = [("x", (0, 1, 2, 3)), ("y", (0, 1, 2, 3))]
        assert climb(Options(), steps, score) == (Options(x=2, y=2), -2.0)
        assert climb(Options(), 2 * steps, score) == (Options(x=3, y=3), 0.0)

    def test_nothing_better_leaves_the_start(self) -> None:
        start = Options(x=1)
        assert climb(start, [("x", (0, 1, 2))], lambda _: 5.0) == (start, 5.0)
        assert climb(start, [], lambda _: 5.0) == (start, 5.0)

    def test_of_equals_the_first_stays(self) -> None:
        best, value = climb(Options(), [("x", (3, 2, 1))], lambda options: float(options.x > 0))
        assert (best.x, value) == (3, 1.0)

    def test_no_options_are_tried_twice_in_a_row(self) -> None:
        """The value that stands is not scored again; all others are, once a step."""
        tried: list[tuple[int, int]] = []

        def score(options: Options) -> float:
            tried.append((options.x, options.y))
            return float(options.x)

        climb(Options(), [("x", (0, 1, 2)), ("y", (0, 1)), ("x", (0, 1, 2))], score)
        assert tried == [(0, 0), (1, 0), (2, 0), (2, 1), (0, 0), (1, 0)]

    @given(
        st.lists(st.integers(-5, 5), min_size=5, max_size=5),
        st.lists(st.integers(-5, 5), min_size=5, max_size=5),
    )
    def test_independent_options_reach_the_best(self, a: list[int], b: list[int]) -> None:
        steps = [("x", range(5)), ("y", range(5))]
        best, value = climb(Options(), steps, lambda options: a[options.x] + b[options.y])
        assert value == max(a) + max(b)
        assert value == a[best.x] + b[best.y]
