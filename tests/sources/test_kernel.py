"""The kernel source on a world of two tastes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planes import NOW, dataset, history, query, settings, space
from polyscene.component import Query, Training
from polyscene.represent.interactions import graded, interactions
from polyscene.represent.whiten import normalise
from polyscene.sources.kernel import Kernel, KernelConfig

NAMES = [f"i{number}" for number in range(12)]
"""i0 to i4 are of the first taste, i5 to i9 of the second; nobody acted on i10 and i11."""
SCENARIOS = {"shop": {"target": "item", "actions": {"like": 1.0, "hide": -1.0}}}
AGREED = [[1.0, 0.0, 0.1 * number] for number in range(5)]
OTHER = [[0.0, 1.0, 0.1 * number] for number in range(5)]
NEW = [[1.0, 0.1, 0.9], [0.1, 1.0, 0.9]]


def unit(vectors: list[list[float]]) -> list[list[float]]:
    return normalise(np.array(vectors, np.float32)).tolist()


THINGS = space(unit([*AGREED, *OTHER, *NEW]))


def training(seed: int = 0) -> Training:
    """Forty users who each liked three of the five items of one taste."""
    rng = np.random.default_rng(seed)
    events = []
    for number in range(40):
        first = 5 * (number % 2)
        for row in rng.choice(5, 3, replace=False):
            events.append((f"u{number}", f"i{first + row}", "like", "shop", 1.0))
    data = dataset(events, NAMES, [f"u{number}" for number in range(40)])
    return Training(data, settings(**SCENARIOS), THINGS.vectors, NOW)


def fitted(**options: object) -> Kernel:
    source = Kernel(KernelConfig.model_validate({"rank": 8, **options}))
    source.fit(training())
    return source


def asked(rows: list[int], strengths: list[float], n: int = 12) -> Query:
    allowed = [row for row in range(12) if row not in rows]
    return query(THINGS, history(THINGS, rows, strengths), n=n, allowed=allowed)


def test_the_taste_of_the_history_comes_first() -> None:
    source = fitted(rank=12, reg=5.0, text=0.0, graded=True)
    for liked, same, other in (([0, 1], [2, 3, 4], [6, 7, 8, 9]), ([5], [6, 7, 8, 9], [1, 2, 3])):
        rows = source(asked(liked, [1.0] * len(liked))).rows.tolist()
        assert max(map(rows.index, same)) < min(map(rows.index, other))


def test_an_item_without_events_has_its_place_by_its_text() -> None:
    """Of the two that nobody acted on, the one that reads like the history comes first."""
    source = fitted()
    for liked, near, far in ((0, 10, 11), (5, 11, 10)):
        rows = source(asked([liked], [1.0])).rows.tolist()
        assert rows.index(near) < rows.index(far)


def test_an_item_that_came_after_the_fit_has_its_place_too() -> None:
    source = Kernel(KernelConfig(rank=8))
    known = training()
    source.fit(replace(known, vectors=known.vectors[:12]))
    wider = space([*THINGS.vectors.tolist(), *unit([[1.0, 0.0, 0.2], [0.0, 1.0, 0.2]])])
    made = query(wider, history(wider, [0], [1.0]), n=14)
    rows = source(made).rows.tolist()
    assert rows.index(12) < rows.index(13)


def test_the_support_is_what_gave_most_and_never_the_target_itself() -> None:
    made = query(THINGS, history(THINGS, [0, 5], [1.0, 1.0]), n=12)
    found = fitted(support=2)(made)
    assert found.support is not None
    for row, support in zip(found.rows.tolist(), found.support.tolist(), strict=True):
        assert row not in support
        if row in (1, 2, 3, 4):
            assert support[0] == 0
        if row in (6, 7, 8, 9):
            assert support[0] == 5


def test_signed_dislikes_push_their_taste_down() -> None:
    source = fitted(graded=False)
    liked = source(asked([0], [1.0])).rows.tolist()
    mixed = source(asked([0, 5], [1.0, -1.0]))
    of_other = [row for row in mixed.rows.tolist() if row in (6, 7, 8, 9)]
    scores = dict(zip(mixed.rows.tolist(), mixed.scores.tolist(), strict=True))
    assert liked[0] in (1, 2, 3, 4)
    assert all(scores[row] < 0 for row in of_other)


def test_options_that_are_given_are_kept_and_the_others_chosen() -> None:
    choice = fitted(reg=30.0).choice
    assert choice is not None
    assert choice.reg == 30.0
    assert 0.5 < choice.ndcg <= 1.0
    given = fitted(reg=30.0, text=0.0, graded=False).choice
    assert given is not None
    assert (given.text, given.graded) == (0.0, False)
    assert np.isnan(given.ndcg)


def test_without_events_it_has_nothing_to_say() -> None:
    source = Kernel()
    data = dataset([], NAMES, ["u0"])
    source.fit(Training(data, settings(**SCENARIOS), THINGS.vectors, NOW))
    assert source.choice is None
    assert len(source(asked([0], [1.0]))) == 0


def test_interactions_add_up_decay_and_scale_each_user() -> None:
    """u0: i0 twice, now and a half-life ago: 1.5 is the largest; i1 once now: 1 / 1.5."""
    shop = {"shop": {**SCENARIOS["shop"], "half_life_days": 10.0}}
    events = [
        ("u0", "i0", "like", "shop", 0.0),
        ("u0", "i0", "like", "shop", 10.0),
        ("u0", "i1", "like", "shop", 0.0),
        ("u1", "i1", "hide", "shop", 10.0),
    ]
    matrix = interactions(dataset(events, ["i0", "i1"], ["u0", "u1"]), settings(**shop), NOW)
    np.testing.assert_allclose(matrix.toarray(), [[1, 1 / 1.5], [0, -1]], atol=1e-6)


@pytest.mark.parametrize(("strength", "weight"), [(1.0, 1.0), (0.0, 0.6), (-1.0, 0.2)])
def test_graded_weights_by_hand(strength: float, weight: float) -> None:
    assert graded(np.array([strength], np.float32))[0] == pytest.approx(weight)


def test_a_neutral_action_is_an_interaction_too() -> None:
    """A rating of 3 with center 3 has strength 0, and stands in the matrix all the same."""
    rated = {"shop": {"target": "item", "actions": {"rate": {"value": "linear", "center": 3.0}}}}
    data = dataset([("u0", "i0", "rate", "shop", 0.0)], ["i0", "i1"], ["u0"], value=3.0)
    matrix = interactions(data, settings(**rated), NOW)
    assert matrix.getnnz() == 1
    assert matrix[0, 0] == 0.0
