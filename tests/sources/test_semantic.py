from __future__ import annotations

import numpy as np
import pytest

from planes import history, query, space
from polyscene.component import Candidates
from polyscene.data.schema import User
from polyscene.sources import SemanticMean, SemanticMulti, SemanticSoft
from polyscene.sources.semantic import (
    EntriesConfig,
    SemanticMeanConfig,
    SemanticMultiConfig,
    SemanticSoftConfig,
)

PLANE = space([[1, 0], [0, 1], [0.6, 0.8], [0.8, 0.6]])
"""i0 along x, i1 along y, and two between: cosines with x are 1, 0, 0.6, 0.8."""


def scores(found: Candidates) -> dict[int, float]:
    return {
        row: round(score, 5)
        for row, score in zip(found.rows.tolist(), found.scores.tolist(), strict=True)
    }


def multi(k: int = 3, **options: float) -> SemanticMulti:
    return SemanticMulti(SemanticMultiConfig.model_validate({"k": k, **options}))


def soft(power: float = 1.0, **options: float) -> SemanticSoft:
    return SemanticSoft(SemanticSoftConfig.model_validate({"power": power, **options}))


class TestMean:
    def test_the_score_is_the_cosine_with_the_user(self) -> None:
        """u = x: 1, 0.8, 0.6, 0, best first."""
        found = SemanticMean()(query(PLANE, vector=[1, 0]))
        assert found.rows.tolist() == [0, 3, 2, 1]
        np.testing.assert_allclose(found.scores, [1, 0.8, 0.6, 0], atol=1e-6)
        np.testing.assert_array_equal(found.parts["semantic-mean"], found.scores)

    def test_only_allowed_targets_and_no_more_than_n(self) -> None:
        found = SemanticMean()(query(PLANE, vector=[1, 0], allowed=[1, 2, 3], n=2))
        assert found.rows.tolist() == [3, 2]

    def test_a_user_of_whom_nothing_is_known_gets_nothing(self) -> None:
        assert len(SemanticMean()(query(PLANE))) == 0

    def test_the_support_is_the_liked_history_nearest_first(self) -> None:
        """For i3: w·c is 0.5·0.8 = 0.4 with i0 and 1·0.6 with i1; itself and dislikes never."""
        past = history(PLANE, [0, 1, 2, 3], [0.5, 1, -1, 1])
        asked = query(PLANE, past, vector=[1, 0], allowed=[3])
        assert SemanticMean().support(asked, np.array([3])).tolist() == [[1, 0, -1]]

    def test_history_that_does_not_count_is_no_support(self) -> None:
        past = history(PLANE, [0], [1])
        asked = query(PLANE, past, vector=[1, 0], users={"behaviour": 0})
        assert SemanticMean().support(asked, np.arange(4)).size == 0

    def test_no_support_is_named_when_none_is_wanted(self) -> None:
        source = SemanticMean(SemanticMeanConfig(support=0))
        asked = query(PLANE, history(PLANE, [0], [1]), vector=[1, 0])
        assert source.support(asked, np.arange(4)).shape == (4, 0)


class TestMulti:
    def test_the_score_is_the_mean_of_the_best_weighted_cosines(self) -> None:
        """History x with 1, y with 0.5: i2 = (0.6 + 0.4)/2, i3 = (0.8 + 0.3)/2."""
        past = history(PLANE, [0, 1], [1, 0.5])
        found = multi()(query(PLANE, past, allowed=[2, 3]))
        assert scores(found) == {3: 0.55, 2: 0.5}

    def test_only_the_k_best_count(self) -> None:
        """k = 1: the nearest entry alone, 0.6 and 0.8."""
        past = history(PLANE, [0, 1], [1, 0.5])
        assert scores(multi(k=1)(query(PLANE, past, allowed=[2, 3]))) == {3: 0.8, 2: 0.6}

    def test_weights_are_relative_to_the_strongest_entry(self) -> None:
        """Strengths 4 and 2 give the same as 1 and 0.5."""
        past = history(PLANE, [0, 1], [4, 2])
        assert scores(multi()(query(PLANE, past, allowed=[2, 3]))) == {3: 0.55, 2: 0.5}

    def test_stated_interests_are_one_more_entry(self) -> None:
        """Interests y beside history x: i2 = (0.6 + 0.8)/2, i3 = (0.8 + 0.6)/2, tie by row."""
        past = history(PLANE, [0], [1])
        found = multi()(query(PLANE, past, interests=[0, 1], allowed=[2, 3]))
        assert found.rows.tolist() == [2, 3]
        assert scores(found) == {2: 0.7, 3: 0.7}

    def test_interests_can_be_turned_off(self) -> None:
        found = multi(interests=0)(query(PLANE, interests=[0, 1]))
        assert len(found) == 0

    def test_a_target_is_not_compared_with_itself(self) -> None:
        """i0 and i3 in the history: i0 = (0 + 0.8)/2 and i3 = (0.8 + 0)/2; i1 = (0 + 0.6)/2."""
        past = history(PLANE, [0, 3], [1, 1])
        found = multi()(query(PLANE, past, allowed=[0, 1, 3]))
        assert scores(found) == {0: 0.4, 3: 0.4, 1: 0.3}

    def test_likeness_to_a_dislike_costs(self) -> None:
        """Like x, dislike y with |w| = 1, γ = 0.5: i3 = 0.8 - 0.3, i2 = 0.6 - 0.4."""
        past = history(PLANE, [0, 1], [1, -1])
        assert scores(multi()(query(PLANE, past, allowed=[2, 3]))) == {3: 0.5, 2: 0.2}
        assert scores(multi(dislike=0)(query(PLANE, past, allowed=[2, 3]))) == {3: 0.8, 2: 0.6}

    def test_somebody_who_only_dislikes_gets_nothing(self) -> None:
        assert len(multi()(query(PLANE, history(PLANE, [0], [-1])))) == 0


class TestSoft:
    def test_power_one_is_the_weighted_mean_of_cosines(self) -> None:
        """History x with 1, y with 0.5: i2 = (0.6 + 0.4)/1.5, i3 = (0.8 + 0.3)/1.5."""
        past = history(PLANE, [0, 1], [1, 0.5])
        found = soft()(query(PLANE, past, allowed=[2, 3]))
        assert scores(found) == {3: 0.73333, 2: 0.66667}

    def test_power_two_is_the_weighted_quadratic_mean(self) -> None:
        """i2 = √((0.36 + 0.5·0.64)/1.5) = √0.45333, i3 = √((0.64 + 0.5·0.36)/1.5) = √0.54667."""
        past = history(PLANE, [0, 1], [1, 0.5])
        found = soft(power=2)(query(PLANE, past, allowed=[2, 3]))
        assert scores(found) == {3: 0.73937, 2: 0.6733}

    def test_cosines_below_zero_count_as_zero(self) -> None:
        """History x and -x: x scores (1 + 0)/2, though the mean vector is zero."""
        line = space([[1, 0], [-1, 0], [1, 0]])
        past = history(line, [0, 1], [1, 1])
        assert scores(soft()(query(line, past, allowed=[2]))) == {2: 0.5}

    def test_stated_interests_have_their_share(self) -> None:
        """Share 0.3: i2 = 0.7·0.6 + 0.3·0.8, i3 = 0.7·0.8 + 0.3·0.6, whatever the strengths."""
        for strength in (1, 5):
            past = history(PLANE, [0], [strength])
            found = soft()(query(PLANE, past, interests=[0, 1], allowed=[2, 3]))
            assert scores(found) == {3: 0.74, 2: 0.66}

    def test_without_a_history_interests_are_all(self) -> None:
        found = soft()(query(PLANE, interests=[0, 1]))
        assert scores(found) == {1: 1.0, 2: 0.8, 3: 0.6, 0: 0.0}

    def test_likeness_to_a_dislike_costs(self) -> None:
        """Like x, dislike y with half the strength, γ = 0.5: i3 = 0.8 - 0.5·0.5·0.6."""
        past = history(PLANE, [0, 1], [1, -0.5])
        assert scores(soft()(query(PLANE, past, allowed=[2, 3]))) == {3: 0.65, 2: 0.4}


@pytest.mark.parametrize("source", [multi(), soft()])
def test_entries_without_strength_count_for_nothing(source: SemanticMulti | SemanticSoft) -> None:
    """A rating at the neutral value neither likes nor dislikes."""
    past = history(PLANE, [0, 1], [1, 0])
    only = history(PLANE, [0], [1])
    assert scores(source(query(PLANE, past, allowed=[2, 3]))) == scores(
        source(query(PLANE, only, allowed=[2, 3]))
    )


@pytest.mark.parametrize("source", [SemanticMean(), multi(), soft()])
def test_people_are_compared_with_items_of_the_same_row_number(
    source: SemanticMean | SemanticMulti | SemanticSoft,
) -> None:
    """Row 0 of the people is not row 0 of the history: it keeps its score and its support."""
    people = space([[1, 0], [0, 1]], [User(user_id="a"), User(user_id="b")])
    past = history(PLANE, [0], [1])
    asked = query(people, past, vector=[1, 0], target="person")
    assert scores(source(asked))[0] == 1.0
    assert source.support(asked, np.array([0])).tolist() == [[0, -1, -1]]


def test_many_targets_are_searched_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Past the dense limit only the neighbours of the entries are scored: the best agree."""
    rng = np.random.default_rng(0)
    many = space(rng.standard_normal((300, 8)) / np.sqrt(8))
    past = history(many, range(5), [1] * 5)
    asked = query(many, past, n=20, allowed=range(5, 300))
    dense = soft()(asked)
    monkeypatch.setattr("polyscene.sources.semantic._DENSE_BELOW", 0)
    searched = soft()(asked)
    assert searched.rows[:5].tolist() == dense.rows[:5].tolist()
    assert len(searched) == 20


def test_options_have_bounds() -> None:
    for wrong in ({"dislike": -1}, {"support": -1}, {"interests": -0.1}):
        with pytest.raises(ValueError, match="greater than"):
            EntriesConfig.model_validate(wrong)
    with pytest.raises(ValueError, match="less than 1"):
        SemanticSoftConfig(interests=1)
