"""A list filled place by place: what is best, as far as the rules leave a choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polyscene.component import Vectors
from polyscene.rerank.duplicates import Twins, distinct
from polyscene.rerank.select import DIVERSE, PINNED, ByValue, Cap, Choice, Floor, select

AXES = np.eye(8, dtype=np.float32)


def floor(size: int, members: Sequence[int], *steps: tuple[int, int]) -> Floor:
    mask = np.zeros(size, np.bool_)
    mask[list(members)] = True
    return Floor(mask, steps, "floor")


def cap(most: int, **members: Sequence[int]) -> Cap:
    return Cap({value: np.array(own, np.int64) for value, own in members.items()}, most)


def chosen(
    size: int,
    n: int,
    pins: Mapping[int, int] | None = None,
    floors: Sequence[Floor] = (),
    caps: Sequence[Cap] = (),
) -> list[int]:
    """Positions that are chosen; the value of each candidate is its place from the end."""
    values = np.arange(size, 0, -1).astype(np.float64)
    found = select(ByValue(values), size, n, pins=pins, floors=floors, caps=caps)
    return [choice.position for choice in found]


def test_without_rules_the_best_stand_first() -> None:
    assert chosen(5, 3) == [0, 1, 2]
    assert chosen(2, 3) == [0, 1]
    assert chosen(0, 3) == []


def test_a_pin_stands_at_its_place_and_nowhere_else() -> None:
    """Candidate 4 at the second place; candidate 0, pinned to the third, is not first."""
    assert chosen(5, 4, pins={1: 4, 2: 0}) == [1, 4, 0, 2]


def test_pins_past_the_last_candidate_close_the_list() -> None:
    assert chosen(3, 5, pins={3: 0, 4: 1}) == [2, 0, 1]
    assert chosen(3, 2, pins={4: 2}) == [0, 1]


def test_a_floor_takes_a_place_only_when_it_must() -> None:
    """Two of {3, 4, 5} in the first four: the last two of the four, the best of them first."""
    assert chosen(6, 6, floors=[floor(6, [3, 4, 5], (4, 2))]) == [0, 1, 3, 4, 2, 5]


def test_a_floor_that_is_met_by_itself_changes_nothing() -> None:
    assert chosen(6, 4, floors=[floor(6, [0, 2], (4, 2))]) == [0, 1, 2, 3]


def test_floors_with_steps_are_met_in_every_prefix() -> None:
    """One of {4, 5} in two, two in four: places two and four."""
    assert chosen(6, 5, floors=[floor(6, [4, 5], (2, 1), (4, 2))]) == [0, 4, 1, 5, 2]


def test_several_floors_share_the_places_in_time() -> None:
    """One of {4} in two and two of {5, 6} in three: the three places are theirs from the first."""
    floors = [floor(7, [4], (2, 1)), floor(7, [5, 6], (3, 2))]
    assert chosen(7, 4, floors=floors) == [4, 5, 6, 0]


def test_a_pin_counts_towards_a_floor_and_takes_its_place_away() -> None:
    """One of {4, 5} in three: pinned 5 is that one. Pinned 0 and 1 leave one place for it."""
    one = [floor(6, [4, 5], (3, 1))]
    assert chosen(6, 3, pins={2: 5}, floors=one) == [0, 1, 5]
    assert chosen(6, 3, pins={1: 0, 2: 1}, floors=one) == [4, 0, 1]


def test_a_floor_with_too_few_candidates_takes_those_there_are() -> None:
    assert chosen(5, 3, floors=[floor(5, [4], (3, 2))]) == [0, 1, 4]
    assert chosen(5, 3, floors=[floor(5, [], (3, 2))]) == [0, 1, 2]


def test_what_a_floor_brought_in_says_so() -> None:
    values = np.arange(4, 0, -1).astype(np.float64)
    found = select(ByValue(values), 4, 2, floors=[floor(4, [1, 3], (1, 1))], pins={1: 2})
    assert found == [Choice(1, "floor"), Choice(2, PINNED)]


def test_a_maximum_closes_its_value() -> None:
    """At most one of a and two of b: 0 and 1 are a, 2, 3 and 4 are b, 5 has no value."""
    own = {"a": [0, 1], "b": [2, 3, 4]}
    assert chosen(6, 6, caps=[cap(1, **own)]) == [0, 2, 5]
    assert chosen(6, 6, caps=[cap(2, **own)]) == [0, 1, 2, 3, 5]


def test_a_candidate_of_several_values_needs_room_in_each() -> None:
    """0 is a and b, 1 is a, 2 is b, 3 is c: after 0 neither a nor b has room."""
    assert chosen(4, 4, caps=[cap(1, a=[0, 1], b=[0, 2], c=[3])]) == [0, 3]


def test_pins_count_in_a_maximum_and_are_not_kept_from_their_place() -> None:
    """Both pinned candidates are a, of which one is allowed: they stand, and no other a does."""
    assert chosen(5, 4, pins={1: 0, 3: 1}, caps=[cap(1, a=[0, 1, 2])]) == [3, 0, 4, 1]


def test_duplicates_of_what_is_chosen_or_pinned_are_left_out() -> None:
    """1 repeats 0 by its text; 3, pinned to the third place, repeats 2 by its vector."""
    keys = np.array([1, 1, 2, 3, 4], np.uint64)
    vectors = AXES[[0, 1, 2, 2, 3]]
    values = np.arange(5, 0, -1).astype(np.float64)
    found = select(
        ByValue(values), 5, 5, pins={2: 3}, twins=Twins(keys, vectors, np.arange(5), 0.98)
    )
    assert [choice.position for choice in found] == [0, 4, 3]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=12),
    st.integers(1, 12),
    st.sampled_from([0.98, 1.0]),
)
def test_without_other_rules_it_is_the_removal_of_duplicates(
    made: list[tuple[int, int]], n: int, threshold: float
) -> None:
    """The list of `distinct`, which looks at candidates from the best down."""
    keys = np.array([key for key, _ in made], np.uint64)
    vectors: Vectors = AXES[[axis for _, axis in made]]
    values, rows = np.arange(len(made), 0, -1).astype(np.float64), np.arange(len(made))
    found = select(ByValue(values), len(made), n, twins=Twins(keys, vectors, rows, threshold))
    expected = distinct(keys, vectors, rows, threshold, n)
    assert [choice.position for choice in found] == expected.tolist()


@st.composite
def worlds(draw: st.DrawFn) -> tuple[int, int, dict[int, int], list[Floor], list[Cap]]:
    size, n = draw(st.integers(0, 12)), draw(st.integers(1, 12))
    positions = st.sets(st.integers(0, max(size - 1, 0))) if size else st.just(set())
    pinned = sorted(draw(positions))[:3]
    places = draw(st.lists(st.integers(0, 11), min_size=3, max_size=3, unique=True))
    pins = dict(zip(places, pinned, strict=False))
    floors = [
        floor(size, sorted(draw(positions)), (draw(st.integers(1, n)), draw(st.integers(1, 4))))
        for _ in range(draw(st.integers(0, 2)))
    ]
    values = [draw(st.sampled_from("abc ")) for _ in range(size)]
    own = {v: [p for p, value in enumerate(values) if value == v] for v in set(values) - {" "}}
    return size, n, pins, floors, [cap(draw(st.integers(1, 3)), **own)]


@given(worlds())
def test_every_rule_holds_in_any_world(
    world: tuple[int, int, dict[int, int], list[Floor], list[Cap]],
) -> None:
    """Nothing is invented or repeated, the maximum holds but for pins among themselves, and a pin
    lands unless too few others are left to stand before it."""
    size, n, pins, floors, caps = world
    found = chosen(size, n, pins, floors, caps)
    assert len(found) == len(set(found)) <= min(n, size)
    assert all(0 <= position < size for position in found)
    landing = {place: position for place, position in pins.items() if place < n}
    assert set(landing.values()) <= set(found)
    others = len(set(found) - set(landing.values()))
    for place, position in landing.items():
        if others >= place - sum(earlier < place for earlier in landing):
            assert found[place] == position
    for own in caps[0].members.values():
        count = len(set(own.tolist()) & set(found))
        assert count <= max(caps[0].most, len(set(own.tolist()) & set(landing.values())))


@given(worlds())
def test_a_lone_floor_holds_whenever_it_can(
    world: tuple[int, int, dict[int, int], list[Floor], list[Cap]],
) -> None:
    """Without a maximum, one floor is met as far as there are members and places without pins."""
    size, n, pins, floors, _ = world
    for one in floors:
        found = chosen(size, n, pins, [one])
        (top, least), members = one.steps[0], set(np.flatnonzero(one.members).tolist())
        before = {position for place, position in pins.items() if place < top}
        later = {position for place, position in pins.items() if top <= place < n}
        free = top - len(before)
        possible = len(before & members) + min(free, len(members - before - later))
        assert len(set(found[:top]) & members) >= min(least, possible)


class Wish:
    """Prefers candidates in an order of its own."""

    def __init__(self, *order: int) -> None:
        self._gains = np.array([-order.index(one) for one in range(len(order))], np.float64)

    def gains(self) -> np.ndarray:
        return self._gains

    def add(self, position: int) -> None:
        pass


def moved(*args: Any, **more: Any) -> list[tuple[int, str, tuple[str, ...]]]:
    return [(one.position, one.why, tuple(one.moved)) for one in select(*args, **more)]


def test_what_the_preference_moved_is_told() -> None:
    """2 passes 1, which 3 passes too; 0 and 4 stand where their values have them."""
    assert moved(Wish(0, 2, 3, 1, 4), 5, 5) == [
        (0, "", ()),
        (2, "", (DIVERSE,)),
        (3, "", (DIVERSE,)),
        (1, "", ("put back by diversity",)),
        (4, "", ()),
    ]
    assert moved(ByValue(np.array([3.0, 2, 1])), 3, 3) == [(one, "", ()) for one in range(3)]


def test_what_a_floor_puts_back_is_told() -> None:
    """3 is in the first two by the floor alone, and 1 comes after it."""
    found = moved(ByValue(np.array([4.0, 3, 2, 1])), 4, 3, floors=[floor(4, [3], (2, 1))])
    assert found == [(0, "", ()), (3, "floor", ()), (1, "", ("put back by floor",))]


def test_pins_and_duplicates_that_move_others_say_nothing_of_diversity() -> None:
    """1 is pinned behind; 2 repeats 0, so that 3 comes to its place by value."""
    found = moved(ByValue(np.array([4.0, 3, 2, 1])), 4, 3, pins={2: 1})
    assert found == [(0, "", ()), (2, "", ()), (1, PINNED, ())]
    keys, rows = np.array([7, 8, 7, 9], np.uint64), np.arange(4)
    twins = Twins(keys, np.zeros((4, 1), np.float32), rows, 1.0)
    assert moved(Wish(0, 1, 3, 2), 4, 4, twins=twins) == [(0, "", ()), (1, "", ()), (3, "", ())]
