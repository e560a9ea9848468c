"""What orders the candidates: sim·f, or the value of an expression."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planes import DAY, NOW, settings
from polyscene.component import Candidates
from polyscene.data.schema import Item, User
from polyscene.errors import SettingsError
from polyscene.ranking.objective import objective, ordered, similarities
from polyscene.represent.targets import Targets

TARGETS = Targets()
TARGETS.put(
    [
        Item(item_id="a", price=2, tags=["tea"], published_at=NOW - 3 * DAY),
        Item(item_id="b", price=4, tags=["maps"]),
        Item(item_id="c", tags=["tea", "maps"]),
    ]
)
ANN = User(user_id="ann", tags=["Tea"], budget=3)


def found(**parts: list[float]) -> Candidates:
    given = {name.replace("_", "-"): np.array(part, np.float32) for name, part in parts.items()}
    return Candidates(np.arange(3), np.sum(list(given.values()), axis=0), given)


def value(reward: Any, candidates: Candidates, **given: list[float]) -> list[float]:
    spec = settings(
        here={"reward": reward, "sources": {"kernel": 1, "user-knn": 1}, "tasks": ["click"]}
    ).scenario("here")
    columns = {name: np.array(column) for name, column in given.items()}
    made = objective("here", spec, columns.keys())
    return made(candidates, TARGETS, ANN, NOW, columns).tolist()


def test_a_table_is_satisfaction() -> None:
    """sim · price: 0.5·2, 0.25·4, and 1·0 for a missing price; sim below 0 counts as 0."""
    reward = {"type": "field", "field": "price"}
    assert value(reward, found(kernel=[0.5, 0.25, 1])) == [1, 1, 0]
    assert value({"type": "constant"}, found(kernel=[0.5, -0.25, 1])) == [0.5, 0, 1]


def test_similarity_of_one_source_is_its_score_below_one() -> None:
    """Cosines stay as they are, below 0 counts as 0; larger scores are divided by the largest."""
    assert value("similarity", found(kernel=[0.5, -0.25, 1])) == [0.5, 0, 1]
    assert value("similarity", found(kernel=[0.5, -0.25, 2])) == [0.25, 0, 1]


def test_similarity_of_several_is_the_share_of_their_weights() -> None:
    """Weights 0.6 and 0.2: what each gave, divided by 0.8; the parts add up to it."""
    several = found(kernel=[0.6, 0.3, 0], user_knn=[0, 0.1, 0.2])
    assert value("similarity", several) == pytest.approx([0.75, 0.5, 0.25])
    assert value("kernel", several) == pytest.approx([0.75, 0.375, 0])
    assert value("kernel + user_knn - similarity", several) == pytest.approx([0, 0, 0], abs=1e-7)


def test_a_source_that_found_nothing_adds_nothing() -> None:
    assert value("user_knn", found(kernel=[0.5, 0.25, 1])) == [0, 0, 0]
    none = Candidates(np.zeros(0, np.int64), np.zeros(0, np.float32))
    assert similarities(none, ["user-knn"])["similarity"].tolist() == []


def test_an_expression_sees_targets_user_age_and_what_is_predicted() -> None:
    """click is handed in as a column; a is 3 days old; ann shares the tag tea with a and c."""
    one = found(kernel=[1, 1, 1])
    assert value("2*click", one, click=[0.1, 0.2, 0.3]) == pytest.approx([0.2, 0.4, 0.6])
    assert value("shared(tags, user.tags)", one) == [1, 0, 1]
    assert value("1 if price <= user.budget else 0", one) == [1, 0, 0]
    assert value("age_days", one) == pytest.approx([3, math.nan, math.nan], nan_ok=True)


def test_a_task_that_is_not_predicted_is_refused() -> None:
    with pytest.raises(SettingsError, match="the task 'click' is not predicted by this model"):
        value("click + 1", found(kernel=[1, 1, 1]))


def test_ties_are_ordered_by_the_fused_score() -> None:
    order = ordered(found(kernel=[0.1, 0.3, 0.2]), np.array([1.0, 1.0, 2.0]))
    assert order.rows.tolist() == [2, 1, 0]
    assert order.scores.tolist() == [2, 1, 1]
    assert order.parts["kernel"].tolist() == pytest.approx([0.2, 0.3, 0.1])


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, math.nan]), st.sampled_from([0.2, 0.4])),
             min_size=1, max_size=40),
)  # fmt: skip
def test_ties_are_broken_as_in_a_full_sort(pairs: list[tuple[float, float]]) -> None:
    """Sound values first, then by value, by fused score, by row."""
    values, scores = (np.array(column) for column in zip(*pairs, strict=True))
    candidates = Candidates(np.arange(len(pairs)), scores.astype(np.float32))
    keys = [
        (math.isnan(v), 0 if math.isnan(v) else -v, -s, row) for row, (v, s) in enumerate(pairs)
    ]
    assert ordered(candidates, values).rows.tolist() == [key[-1] for key in sorted(keys)]
    for first in range(1, len(pairs) + 2):  # the first alone are those of all
        some = ordered(candidates, values, first=first)
        assert len(some) >= min(first, len(pairs))
        assert some.rows.tolist() == [key[-1] for key in sorted(keys)][: len(some)]
        assert some.scores.tolist() == ordered(candidates, values).scores.tolist()[: len(some)]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=3, max_size=3))
def test_no_value_breaks_an_order(values: list[float]) -> None:
    """Whatever the values: all candidates, finite scores that do not rise, sound ones first."""
    order = ordered(found(kernel=[0.1, 0.3, 0.2]), np.array(values))
    assert sorted(order.rows.tolist()) == [0, 1, 2]
    assert np.isfinite(order.scores).all()
    assert order.scores.tolist() == sorted(order.scores.tolist(), reverse=True)
    sound = [math.isfinite(values[row]) for row in order.rows]
    assert sound == sorted(sound, reverse=True)
