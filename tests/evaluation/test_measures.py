"""Metrics and parts by numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from planes import DAY, NOW, dataset
from polyscene.data.questions import Questions
from polyscene.evaluation.measures import Context, action_matrices, hits_of, measured, slices

# Three users, five targets; the last target is not ranked.
RELEVANT = sp.csr_matrix([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]], dtype=np.float32)
LISTS = np.array([[2, 0], [2, 3], [0, -1]])
POPULAR = np.array([[2, 3], [3, 0], [0, 1]])


def context(**changed: object) -> Context:
    found: dict[str, object] = {
        "questions": Questions.of(np.arange(3)),
        "relevant": RELEVANT,
        "popularity": np.array([4, 0, 25, 5, 9]),
        "activity": np.array([3, 100, 5]),
        "published_at": NOW - np.array([3.0, np.nan, 400.0, -2.0, 1.0]) * DAY,
        "first_event": NOW - np.array([8.0, np.nan, 40.0, np.nan, 2000.0]) * DAY,
        "now": NOW,
        "vectors": np.eye(5, dtype=np.float32),
        "ranked": np.array([True, True, True, True, False]),
        "actions": [],
    }
    return Context(**(found | changed))  # type: ignore[arg-type]


def test_a_hit_is_a_listed_target_that_is_relevant() -> None:
    """-1 past the end of a list is no hit, even where target 0 is relevant."""
    assert hits_of(LISTS, RELEVANT).tolist() == [[False, True], [True, False], [False, False]]
    assert hits_of(np.array([[-1, -1]] * 3), RELEVANT).sum() == 0


class TestMeasured:
    def test_means_over_users(self) -> None:
        found, main = measured(LISTS, {"a": 1.0, "b": 0.0}, context(), POPULAR, (2, 1))
        gain = 1 / np.log2(3)
        assert main == pytest.approx([gain / (1 + gain), 1.0, 0.0])
        means = {name: value.mean for name, value in found.metrics.items()}
        assert means["ndcg@2"] == pytest.approx(main.mean())
        assert means["recall@2"] == pytest.approx((0.5 + 1 + 0) / 3)
        assert means["precision@2"] == pytest.approx((0.5 + 0.5 + 0) / 3)
        assert means["hit_rate@2"] == pytest.approx(2 / 3)
        assert means["mrr@2"] == pytest.approx((0.5 + 1 + 0) / 3)
        assert means["map@2"] == pytest.approx((0.25 + 1 + 0) / 3)
        assert means["recall@1"] == pytest.approx(1 / 3)
        assert found.weights == {"a": 1.0}
        assert all(value.users == 3 for name, value in found.metrics.items() if "@1" in name)

    def test_questions_for_one_user_are_no_three_users(self) -> None:
        """Means are over questions; of two users one was asked for twice."""
        asked = Questions.of(np.array([0, 0, 1]), np.array([3, 4, -1]))
        found, _ = measured(LISTS, {}, context(questions=asked), POPULAR, (2,))
        assert found.metrics["recall@2"].mean == pytest.approx((0.5 + 1 + 0) / 3)
        assert found.metrics["recall@2"].users == 2

    def test_beyond_accuracy(self) -> None:
        """User 0 hits target 0, user 1 target 2: neither was expected of popularity."""
        found, _ = measured(LISTS, {}, context(), POPULAR, (2,))
        assert found.metrics["serendipity@2"].mean == pytest.approx((0.5 + 0.5 + 0) / 3)
        assert found.metrics["diversity@2"].mean == pytest.approx(1.0)
        assert found.metrics["diversity@2"].users == 2  # one target alone has no diversity

    def test_coverage_and_gini_are_over_what_is_ranked(self) -> None:
        """Of four ranked targets three are shown, twice, twice and once: 2·(3·2 + 2 - 1) / 15."""
        found, _ = measured(LISTS, {}, context(), POPULAR, (2,))
        assert found.catalogue["coverage@2"] == pytest.approx(3 / 4)
        shares = np.array([0, 1, 2, 2]) / 5
        assert found.catalogue["gini@2"] == pytest.approx(([-3, -1, 1, 3] @ shares) / 3)

    def test_the_curve_has_a_point_for_each_length(self) -> None:
        """Recall and precision of the first rank, then of both."""
        found, _ = measured(LISTS, {}, context(), POPULAR, (1,))
        assert found.curve == [
            pytest.approx((1 / 3, 1 / 3)),
            pytest.approx((0.5, 1 / 3)),
        ]


class TestSlices:
    def test_pairs_by_activity_popularity_and_age(self) -> None:
        """The pairs are (0, 0), (0, 1), (1, 2), (2, 3); the first and the third are found."""
        found = slices({"a": LISTS, "none": np.full((3, 2), -1)}, context(), 2)
        parts = {(one.kind, one.part): (one.pairs, one.recall["a"]) for one in found}
        assert parts == {
            ("user activity", "1-4"): (2, 0.5),
            ("user activity", "5-19"): (1, 0.0),
            ("user activity", "100+"): (1, 1.0),
            ("target popularity", "0"): (1, 0.0),
            ("target popularity", "1-4"): (1, 1.0),
            ("target popularity", "5-19"): (1, 0.0),
            ("target popularity", "20-99"): (1, 1.0),
            ("target age in days", "0-6"): (2, 0.5),  # one of them appears after the question
            ("target age in days", "365-1824"): (1, 1.0),
        }
        assert all(one.recall["none"] == 0 for one in found)

    def test_only_the_first_k_ranks_count(self) -> None:
        found = slices({"a": LISTS}, context(), 1)
        assert {one.part: one.recall["a"] for one in found if one.kind == "user activity"} == {
            "1-4": 0.0, "5-19": 0.0, "100+": 1.0,
        }  # fmt: skip

    def test_without_dates_a_target_is_as_old_as_the_first_event_on_it(self) -> None:
        """The pairs of targets 1 and 3, on which nobody acted before, are of no age."""
        found = slices({"a": LISTS}, context(published_at=np.full(5, np.nan)), 2)
        parts = {one.part: one.recall["a"] for one in found if "first event" in one.kind}
        assert parts == {"7-29": 1.0, "30-364": 1.0}
        assert not any(one.kind == "target age in days" for one in found)

    def test_no_ages_where_nothing_has_a_date(self) -> None:
        undated = context(published_at=np.full(5, np.nan), first_event=np.full(5, np.nan))
        assert {one.kind for one in slices({"a": LISTS}, undated, 2)} == {
            "user activity", "target popularity",
        }  # fmt: skip

    def test_actions_are_parts(self) -> None:
        bought = sp.csr_matrix([[1, 0, 0, 0, 0], [0] * 5, [0, 0, 0, 1, 0]], dtype=np.float32)
        found = slices({"a": LISTS}, context(actions=[("buy", bought)]), 2)
        assert [
            (one.part, one.pairs, one.recall["a"]) for one in found if one.kind == "action"
        ] == [("buy", 2, 0.5)]


class TestActions:
    EVENTS = (
        ("a", "i0", "buy", "shop", 1), ("a", "i0", "like", "shop", 1),
        ("a", "i1", "buy", "shop", 1), ("b", "i0", "buy", "shop", 1),
        ("c", "i2", "like", "shop", 1),
    )  # fmt: skip

    def test_a_pair_is_in_each_of_its_actions(self) -> None:
        """User b is not under test, and (a, i1) is not to be found."""
        right = dataset(self.EVENTS, ["i0", "i1", "i2"])
        relevant = sp.csr_matrix([[1, 0, 0], [0, 0, 1]], dtype=np.float32)
        found = dict(action_matrices(right, Questions.of(np.array([0, 2])), relevant))
        assert found["buy"].toarray().tolist() == [[1, 0, 0], [0, 0, 0]]
        assert found["like"].toarray().tolist() == [[1, 0, 0], [0, 0, 1]]

    def test_what_was_done_about_another_context_is_no_part(self) -> None:
        """User a is asked for about i1 alone."""
        about = ["i2", "i2", "i1", None, None]
        right = dataset(self.EVENTS, ["i0", "i1", "i2"], about=about)
        relevant = sp.csr_matrix([[1, 1, 0], [0, 0, 1]], dtype=np.float32)
        asked = Questions.of(np.array([0, 2]), np.array([1, -1]))
        found = dict(action_matrices(right, asked, relevant))
        assert found["buy"].toarray().tolist() == [[0, 1, 0], [0, 0, 0]]
        assert found["like"].toarray().tolist() == [[0, 0, 0], [0, 0, 1]]

    def test_one_action_is_no_part(self) -> None:
        right = dataset([self.EVENTS[0]], ["i0"])
        assert action_matrices(right, Questions.of(np.array([0])), sp.csr_matrix([[1.0]])) == []
