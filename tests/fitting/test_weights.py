"""Weights chosen on what was held out: by hand, on tables of a few users."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from planes import query, settings, space
from polyscene.component import Query, Vectors
from polyscene.fitting.weights import Scored, choose_weights, declared_weights, found_by, scored
from polyscene.ranking.fuse import fuse
from polyscene.sources import Kernel, Source, Trending
from polyscene.sources.base import SILENT

SECOND = 1 / math.log2(3)
"""NDCG of one relevant target at rank 2."""


def table(parts: dict[str, list[list[float]]], right: list[list[int]],
          counts: list[int] | None = None, users: range | None = None) -> Scored:  # fmt: skip
    hits = np.array(right, np.bool_)
    return Scored(
        users=np.array(users or range(len(hits))),
        parts={name: np.array(values, np.float32) for name, values in parts.items()},
        right=hits,
        counts=hits.sum(axis=1) if counts is None else np.array(counts),
    )


class TestNdcg:
    def test_one_source(self) -> None:
        """The right one is second for the first user, first for the other."""
        one = table({"a": [[1, 0.5, 0.2], [0.1, 0.3, 1]]}, [[0, 1, 0], [0, 0, 1]])
        np.testing.assert_allclose(one.ndcg({"a": 1.0}), [SECOND, 1])

    def test_weighted_parts_are_added(self) -> None:
        """a: 1, 0.5; b: 0, 1. The second overtakes when b counts for more than half of a."""
        one = table({"a": [[1, 0.5]], "b": [[0, 1]]}, [[0, 1]])
        np.testing.assert_allclose(one.ndcg({"a": 1.0, "b": 0.4}), [SECOND])
        np.testing.assert_allclose(one.ndcg({"a": 1.0, "b": 0.6}), [1])

    def test_what_no_source_returned_is_not_ranked(self) -> None:
        one = table({"a": [[1, 0]], "b": [[0, 1]]}, [[0, 1]])
        assert one.ndcg({"a": 1.0}).tolist() == [0]
        assert one.ndcg({}).tolist() == [0]

    def test_sources_of_weight_0_fill_up_one_after_the_other(self) -> None:
        """a gives the first; then come the fourth and third of b, then the second of c."""
        parts = {"a": [[1, 0, 0, 0.0]], "b": [[0, 0, 0.2, 0.9]], "c": [[0.5, 1, 0, 1.0]]}
        rank = {}
        for place in range(4):
            one = table(parts, [[int(column == place) for column in range(4)]])
            gain = one.ndcg({"a": 1.0, "b": 0.0, "c": 0.0})[0]
            rank[place] = round(2 ** (1 / gain) - 1)
        assert rank == {0: 1, 3: 2, 2: 3, 1: 4}

    def test_a_list_that_is_long_enough_is_not_filled_up(self) -> None:
        """a gives ten; the eleventh, of b, has no place."""
        one = table({"a": [[0.5] * 10 + [0]], "b": [[0] * 10 + [1]]}, [[0] * 10 + [1]])
        assert one.ndcg({"a": 1.0, "b": 0.0}).tolist() == [0]

    def test_what_no_source_found_lowers_it(self) -> None:
        """One of two relevant targets stands first: 1 / (1 + 1/log2 3)."""
        one = table({"a": [[1, 0.5]]}, [[1, 0]], [2])
        np.testing.assert_allclose(one.ndcg({"a": 1.0}), [1 / (1 + SECOND)])

    def test_only_ten_ranks_count(self) -> None:
        values = [[1 - place / 20 for place in range(12)]]
        eleventh = [[int(place == 10) for place in range(12)]]
        assert table({"a": values}, eleventh).ndcg({"a": 1.0}).tolist() == [0]


class TestChoice:
    def useful(self) -> Scored:
        """Twenty users: a puts the right one second, b puts it first for half of them, and d
        knows only the wrong one."""  # fmt: skip
        return table(
            {
                "a": [[1.0, 0.9]] * 20,
                "b": [[0.0, 1.0]] * 10 + [[0.0, 0.0]] * 10,
                "d": [[1.0, 0.0]] * 20,
            },
            [[0, 1]] * 20,
        )

    def test_a_useful_source_gets_weight_and_a_useless_one_none(self) -> None:
        """Alone a has 0.63, b 0.5 and d 0; b lifts half of the users to 1."""
        fusion = choose_weights([self.useful()], dict.fromkeys("abd", "auto"))
        assert fusion.weights["a"] == 1.0
        assert fusion.weights["b"] > 0
        assert fusion.weights["d"] == 0
        assert fusion.alone == pytest.approx({"a": SECOND, "b": 0.5, "d": 0.0})
        assert fusion.ndcg == pytest.approx((1 + SECOND) / 2)
        assert fusion.users == 20

    def test_a_source_that_changes_nothing_gets_none(self) -> None:
        """c gives all candidates the same."""
        one = table({"a": [[0.9, 1.0]] * 20, "c": [[0.5, 0.5]] * 20}, [[0, 1]] * 20)
        assert choose_weights([one], {"a": "auto", "c": "auto"}).weights == {"a": 1.0, "c": 0.0}

    def test_the_best_alone_leads(self) -> None:
        one = table({"a": [[1.0, 0.5]] * 20, "b": [[0.5, 1.0]] * 20}, [[0, 1]] * 20)
        assert choose_weights([one], {"a": "auto", "b": "auto"}).weights == {"a": 0.0, "b": 1.0}

    def test_of_equals_the_first_leads(self) -> None:
        same = [[0.5, 1.0]] * 20
        one = table({"a": same, "b": same}, [[0, 1]] * 20)
        assert choose_weights([one], {"a": "auto", "b": "auto"}).weights == {"a": 1.0, "b": 0.0}
        assert choose_weights([one], {"b": "auto", "a": "auto"}).weights == {"b": 1.0, "a": 0.0}

    @pytest.mark.parametrize("weight", [0.0, 0.07, 3.0])
    def test_a_fixed_weight_stays(self, weight: float) -> None:
        """Whether it is good or bad for the list; one of weight 0 does not lead."""
        for name in "bd":
            fusion = choose_weights([self.useful()], {"a": "auto", name: weight})
            assert fusion.weights[name] == weight

    def test_beside_a_fixed_source_the_others_start_from_nothing(self) -> None:
        """d is useless, but fixed: a and b get what helps beside it."""
        fusion = choose_weights([self.useful()], {"d": 0.5, "a": "auto", "b": "auto"})
        assert fusion.weights["d"] == 0.5
        assert fusion.weights["b"] > 0.4

    def test_nothing_to_choose_is_measured_all_the_same(self) -> None:
        fusion = choose_weights([self.useful()], {"a": 1.0, "b": 0.5})
        assert fusion.weights == {"a": 1.0, "b": 0.5}
        assert fusion.ndcg == pytest.approx((1 + SECOND) / 2)

    def trade(self, wrong: int) -> Scored:
        """With 0.05 of b, two of ten users gain 1, and one falls behind so many wrong ones.

        a gives the first two ten wrong ones, so that b does not fill the list up.
        """

        def row(*values: float) -> list[float]:
            return [*values, *[0.0] * (11 - len(values))]

        return table(
            {
                "a": [*[row(0, *[0.02] * 10)] * 2, row(0.02, *[0.01] * wrong), *[row(1)] * 7],
                "b": [*[row(1)] * 2, row(0, *[1] * wrong), *[row()] * 7],
            },
            [[1] + [0] * 10] * 10,
        )

    @pytest.mark.parametrize(("wrong", "taken"), [(1, True), (9, False)])
    def test_a_change_must_be_better_by_a_standard_error(self, wrong: int, taken: bool) -> None:
        """Two come to rank 1, one falls from there to 2 or to 10.

        To 2: mean 0.163, standard error 0.137, taken. To 10: mean 0.129, error 0.153, not taken.
        """
        one = self.trade(wrong)
        gain = one.ndcg({"a": 1.0, "b": 0.05}) - one.ndcg({"a": 1.0})
        assert gain.mean() > 0
        assert (gain.mean() > gain.std() / math.sqrt(10)) == taken
        fusion = choose_weights([one], {"a": "auto", "b": "auto"})
        assert fusion.weights == {"a": 1.0, "b": 0.05 if taken else 0.0}

    def test_the_users_of_all_splits_count_alike(self) -> None:
        """b helps the one user of the first split, but harms the nine of the second."""
        good = table({"a": [[1.0, 0.9]], "b": [[0.0, 1.0]]}, [[0, 1]], users=range(9, 10))
        bad = table({"a": [[0.9, 1.0, 0.1]] * 9, "b": [[1.0, 0.0, 0.0]] * 9}, [[0, 1, 0]] * 9)
        fixed = {"a": "auto", "b": "auto"}
        assert choose_weights([good], fixed).weights["b"] > 0
        both = choose_weights([good, bad], fixed)
        assert both.weights == {"a": 1.0, "b": 0.0}
        assert both.users == 10
        assert both.ndcg == pytest.approx((9 + SECOND) / 10)

    def test_a_user_in_several_splits_counts_once(self) -> None:
        """Mean 0.129, standard error 0.153; of thirty users it would be 0.088, and taken.

        Three splits of the same ten users are no thirty users.
        """
        one = self.trade(9)
        gain = one.ndcg({"a": 1.0, "b": 0.05}) - one.ndcg({"a": 1.0})
        assert gain.std() / math.sqrt(30) < gain.mean() < gain.std() / math.sqrt(10)
        fusion = choose_weights([one] * 3, {"a": "auto", "b": "auto"})
        assert fusion.weights == {"a": 1.0, "b": 0.0}
        assert fusion.users == 10

    def test_a_user_is_worth_the_mean_of_their_splits(self) -> None:
        """The first stands first and second, the other second once: (0.82 + 0.63) / 2."""
        first = table({"a": [[1.0, 0.5], [1.0, 0.5]]}, [[1, 0], [0, 1]])
        second = table({"a": [[1.0, 0.5]]}, [[0, 1]])
        expected = ((1 + SECOND) / 2 + SECOND) / 2
        assert choose_weights([first, second], {"a": "auto"}).ndcg == pytest.approx(expected)

    @given(
        st.lists(
            st.tuples(*[st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4)] * 2),
            min_size=2, max_size=12,
        )
    )  # fmt: skip
    def test_never_worse_than_the_first_of_the_best_alone(
        self, users: list[tuple[list[float], list[float]]]
    ) -> None:
        one = table(
            {"a": [own[0] for own in users], "b": [own[1] for own in users]},
            [[0, 1, 0, 0]] * len(users),
        )
        fusion = choose_weights([one], {"a": "auto", "b": "auto"})
        assert fusion.ndcg is not None
        lead = one.ndcg({"b": 1.0}) - one.ndcg({"a": 1.0})
        as_good = lead.mean() <= lead.std() / np.sqrt(len(lead))
        best = fusion.alone["a"] if as_good else fusion.alone["b"]
        assert fusion.ndcg >= best - 1e-9
        assert fusion.ndcg == pytest.approx(one.ndcg(fusion.weights).mean())

    def test_of_equally_good_sources_the_first_declared_leads(self) -> None:
        """b finds for three of five users what a does not, a for two what b does not: no more than
        chance."""
        right = [[0, 1, 0, 0]] * 5
        first, last = [1.0, 0.5, 0.2, 0.1], [0.1, 1.0, 0.2, 0.5]
        one = table(
            {"a": [last, last, first, first, first], "b": [first, first, last, last, last]}, right
        )
        assert one.ndcg({"b": 1.0}).mean() > one.ndcg({"a": 1.0}).mean()
        assert choose_weights([one], {"a": "auto", "b": "auto"}).weights["a"] == 1.0


def test_declared_weights_are_kept_and_auto_is_the_usual_one() -> None:
    spec = settings(here={"sources": {"kernel": "auto", "trending": "auto", "fresh": 0.4}})
    sources = {"kernel": Kernel(), "trending": Trending()}
    assert declared_weights(spec.scenario("here"), sources) == {
        "kernel": Kernel.usual, "trending": Trending.usual, "fresh": 0.4,
    }  # fmt: skip


class Told(Source):
    """Gives each user the scores it was told, by name."""

    def __init__(self, scores: dict[str, list[float]]) -> None:
        super().__init__()
        self._told = scores

    def scores(self, queries: Sequence[Query]) -> Vectors:
        return np.array([self._told[query.user or ""] for query in queries], np.float32)


S = float(SILENT)
PLANE = space(np.eye(5).tolist())


def asked(user: str, allowed: list[int], n: int = 300) -> Query:
    made = query(PLANE, n=n, allowed=allowed)
    return Query(**{name: getattr(made, name) for name in made.__slots__} | {"user": user})


class TestScored:
    A = Told({"x": [1.0, 3.0, S, 5.0, 9.0], "y": [S, S, 2.0, S, S]})
    B = Told({"x": [S, S, S, 7.0, 7.0], "y": [4.0, 0.0, S, S, S]})
    QUERIES = (asked("x", [0, 1, 2, 3]), asked("y", [0, 1, 2, 3, 4]))
    USERS = np.array([3, 5])
    RELEVANT = sp.csr_matrix(np.array([[0, 1, 0, 0, 1], [1, 0, 0, 0, 0]], np.float32))

    def test_by_hand(self) -> None:
        """x may get 0 to 3: a gives 0, 1, 3 the scores 1, 3, 5 → 0, 1/2, 1; b gives 3 alone → 1.
        y: a gives 2 alone → 1; b gives 0 and 1 → 1, 0. Rows ascend; of 1 and 4 x may get 1.
        """  # fmt: skip
        found = scored(
            found_by({"a": self.A, "b": self.B}, [self.QUERIES]), self.USERS, self.RELEVANT
        )
        np.testing.assert_allclose(found.parts["a"], [[0, 0.5, 1], [0, 0, 1]], atol=1e-9)
        np.testing.assert_allclose(found.parts["b"], [[0, 0, 1], [1, 0, 0]], atol=1e-9)
        assert (found.parts["a"] > 0).tolist() == [[True, True, True], [False, False, True]]
        assert (found.parts["b"] > 0).tolist() == [[False, False, True], [True, True, False]]
        assert found.users.tolist() == [3, 5]
        assert found.right.tolist() == [[False, True, False], [True, False, False]]
        assert found.counts.tolist() == [2, 1]

    def test_no_more_than_asked_for_of_each_source(self) -> None:
        """n = 1: of x's targets only the best, 3."""
        queries = [asked("x", [0, 1, 2, 3], n=1)]
        relevant = sp.csr_matrix(self.RELEVANT[:1])
        found = scored(found_by({"a": self.A}, [queries]), self.USERS[:1], relevant)
        assert found.parts["a"].tolist() == [[1.0]]
        assert found.right.tolist() == [[False]]

    def test_shorter_rows_end_with_nothing(self) -> None:
        queries = [self.QUERIES[0], asked("y", [2])]
        found = scored(found_by({"a": self.A, "b": self.B}, [queries]), self.USERS, self.RELEVANT)
        assert found.parts["a"][1].tolist() == [1, 0, 0]
        assert found.parts["b"][1].tolist() == [0, 0, 0]

    def test_nothing_found_at_all(self) -> None:
        queries = [asked("x", [2])]
        found = scored(
            found_by({"a": self.A}, [queries]), self.USERS[:1], sp.csr_matrix(self.RELEVANT[:1])
        )
        assert found.ndcg({"a": 1.0}).tolist() == [0]

    def test_many_in_parts_as_all_at_once(self) -> None:
        whole = scored(
            found_by({"a": self.A, "b": self.B}, [self.QUERIES]), self.USERS, self.RELEVANT
        )
        one_by_one = [[query] for query in self.QUERIES]
        parts = scored(found_by({"a": self.A, "b": self.B}, one_by_one), self.USERS, self.RELEVANT)
        for name in "ab":
            np.testing.assert_array_equal(whole.parts[name], parts.parts[name])
        np.testing.assert_array_equal(whole.right, parts.right)

    @given(
        st.lists(st.lists(st.integers(0, 20), min_size=5, max_size=5), min_size=2, max_size=2),
        st.sampled_from([0.125, 0.5, 1.0, 2.0]),
    )
    def test_the_sum_of_the_parts_is_the_fused_score(
        self, values: list[list[int]], weight: float
    ) -> None:
        """As the engine fuses the same candidates."""
        sources = {
            name: Told({"x": [float(value) for value in own]})
            for name, own in zip("ab", values, strict=True)
        }
        weights = {"a": 1.0, "b": weight}
        one = asked("x", [0, 1, 3, 4])
        found = scored(found_by(sources, [[one]]), self.USERS[:1], sp.csr_matrix(self.RELEVANT[:1]))
        total = weights["a"] * found.parts["a"][0] + weights["b"] * found.parts["b"][0]
        (fused,) = fuse({name: [source(one)] for name, source in sources.items()}, weights)
        np.testing.assert_allclose(
            total, fused.scores[np.argsort(fused.rows)], rtol=1e-5, atol=1e-9
        )
