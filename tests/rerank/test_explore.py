"""Drawn places, and how likely what stands there was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.errors import SettingsError
from polyscene.rerank.explore import drawn, more, slots
from polyscene.settings import Explore, parse

DRAWS = 20_000


def test_slots_past_the_end_of_a_list_say_nothing() -> None:
    """Places 2 and 5, from 0 the places 1 and 4; a list of 3 has the first alone."""
    assert slots(Explore(slots=[5, 2, 5]), 10) == [1, 4]
    assert slots(Explore(slots=[5, 2]), 3) == [1]
    assert slots(Explore(), 10) == []


def test_a_share_is_spread_evenly() -> None:
    """A tenth: the places 10, 20, 30; three of ten: 4, 7, 10."""
    assert slots(Explore(share=0.1), 30) == [9, 19, 29]
    assert slots(Explore(share=0.3), 10) == [3, 6, 9]
    assert more(Explore(share=0.3, among=5), 10) == 3 * 4


def test_the_chances_of_a_softmax() -> None:
    """Values 3, 2, 1 at the only slot, t = 1: r = 1, 1/2, 0; e^r / Σ = .506, .307, .186."""
    declared = Explore(slots=[2], among=3, temperature=1.0)
    seen = {}
    for seed in range(100):
        order, chances = drawn(declared, np.array([4.0, 3.0, 2.0, 1.0]), 2, seed)
        assert order[0] == 0
        assert chances[0] == 1
        seen[int(order[1])] = float(chances[1])
    assert seen == pytest.approx({1: 0.5065, 2: 0.3072, 3: 0.1863}, abs=1e-4)


@pytest.mark.parametrize("draw", ["softmax", "uniform"])
def test_the_logged_probability_is_how_often_it_happens(draw: str) -> None:
    """Of 20,000 draws each target has its share of each place to within four standard errors; two
    places together the product of theirs."""
    declared = parse(Explore, {"slots": [2, 4], "among": 4, "draw": draw}, "explore")
    values = np.array([9, 8, 7, 6, 5, 4, 3, 2.5, 2, 1], np.float64)
    counts: dict[tuple[int, int], int] = {}
    chance: dict[tuple[int, int], float] = {}
    for seed in range(DRAWS):
        order, chances = drawn(declared, values, 4, seed)
        assert order[[0, 2]].tolist() == [0, 2]
        pair = int(order[1]), int(order[3])
        counts[pair] = counts.get(pair, 0) + 1
        chance[pair] = float(np.prod(chances))
    assert len(counts) == 16
    assert sum(chance.values()) == pytest.approx(1)
    for pair, count in counts.items():
        error = np.sqrt(chance[pair] * (1 - chance[pair]) / DRAWS)
        assert abs(count / DRAWS - chance[pair]) < 4 * error


def test_a_draw_keeps_what_a_floor_counts() -> None:
    """Candidate 1 and 3 count: at the place of 1 stands one of the two, never 2 or 4."""
    declared, floor = Explore(slots=[2], among=4, draw="uniform"), np.array([0, 1, 0, 1, 0]) > 0
    values = np.arange(5, 0, -1).astype(np.float64)
    found = [drawn(declared, values, 2, seed, floors=[floor]) for seed in range(50)]
    assert {int(order[1]) for order, _ in found} == {1, 3}
    assert {float(chances[1]) for _, chances in found} == {0.5}


def test_a_pin_is_not_drawn() -> None:
    values = np.arange(9, 0, -1).astype(np.float64)
    for seed in range(20):
        order, chances = drawn(Explore(slots=[2]), values, 3, seed, fixed={1})
        assert order.tolist() == [0, 1, 2]
        assert chances.tolist() == [1, 1, 1]


@given(
    st.lists(st.floats(-1e30, 1e30), max_size=40),
    st.integers(1, 20),
    st.floats(0, 0.5),
    st.integers(2, 9),
    st.integers(0, 2**64),
)
def test_no_target_comes_twice_and_no_weight_is_without_bound(
    values: list[float], n: int, share: float, among: int, seed: int
) -> None:
    """1/p ≤ among · e^(1/t), for any values; the same seed draws the same."""
    declared = Explore(share=share, among=among)
    order, chances = drawn(declared, np.array(values), n, seed)
    assert len(order) == len(chances) == min(n, len(values))
    assert len(set(order.tolist())) == len(order)
    assert (1 / chances <= among * np.exp(1 / declared.temperature) + 1e-6).all()
    again, _ = drawn(declared, np.array(values), n, seed)
    assert again.tolist() == order.tolist()


def test_one_way_to_say_which_places() -> None:
    with pytest.raises(SettingsError, match="slots and share both say"):
        parse(Explore, {"slots": [3], "share": 0.1}, "explore")
    with pytest.raises(SettingsError, match="greater than or equal to 1"):
        parse(Explore, {"slots": [0]}, "explore")
