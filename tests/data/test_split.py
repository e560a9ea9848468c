"""Splits hold out whole pairs, the share that was asked for, and nothing else."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planes import DAY, NOW, dataset
from polyscene.data.dataset import Dataset, Mask
from polyscene.data.split import (
    after,
    last_pairs,
    pairs_of,
    random_groups,
    random_pairs,
    requests_of,
    time_at,
)

ITEMS = ["i0", "i1", "i2", "i3", "i4"]
USERS = ["a", "b", "c"]

acts = st.tuples(
    st.sampled_from(USERS),
    st.sampled_from([*ITEMS, *USERS]),
    st.sampled_from(["like", "view"]),
    st.sampled_from(["here", None]),
    st.none() | st.integers(0, 9).map(float),
)
worlds = st.lists(acts, max_size=40).map(lambda events: dataset(events, ITEMS, USERS))


def pairs(data: Dataset, chosen: Mask | None = None) -> set[tuple[int, int, bool]]:
    """The pairs (user, target, is the target a person) of some events, or of all."""
    rows = np.flatnonzero(np.ones(len(data), np.bool_) if chosen is None else chosen)
    return {(int(data.user[r]), int(data.target[r]), bool(data.on_person[r])) for r in rows}


def everything(data: Dataset) -> Mask:
    return np.ones(len(data), np.bool_)


def eligible_of(data: Dataset, seed: int) -> Mask:
    return np.random.default_rng(seed).random(len(data)) < 0.7


class TestPairs:
    def test_events_of_one_user_on_one_target_have_one_number(self) -> None:
        """Numbered by user, then target; item 0 and person 0 are different targets."""
        data = dataset(
            [
                ("b", "i0", "like", "here", 1),
                ("a", "i1", "like", "here", 1),
                ("b", "i0", "view", None, None),
                ("a", "i0", "like", "here", 1),
                ("b", "a", "like", "here", 1),
            ],
            ITEMS,
            USERS,
        )
        assert pairs_of(data).tolist() == [2, 1, 2, 0, 3]

    def test_all_that_a_user_did_about_one_context_is_one_pair(self) -> None:
        """What b did about i0 is one pair, apart from what they did with i0 and i1 themselves."""
        data = dataset(
            [
                ("b", "i1", "tag", None, 1),
                ("b", "i2", "tag", None, 1),
                ("b", "i1", "tag", None, 1),
                ("a", "i1", "tag", None, 1),
                ("b", "i1", "like", None, 1),
                ("b", "i0", "like", None, 1),
            ],
            ITEMS,
            USERS,
            about=["i0", "i0", "i3", "i0", None, None],
        )
        assert pairs_of(data).tolist() == [3, 3, 4, 0, 2, 1]

    @given(worlds)
    def test_numbers_are_equal_where_pairs_are(self, data: Dataset) -> None:
        numbers = pairs_of(data)
        assert len(set(numbers.tolist())) == len(pairs(data))
        for one, other in itertools.combinations(range(len(data)), 2):
            same = (
                data.user[one] == data.user[other]
                and data.target[one] == data.target[other]
                and data.on_person[one] == data.on_person[other]
            )
            assert (numbers[one] == numbers[other]) == same

    def test_no_events_are_no_pairs(self) -> None:
        assert pairs_of(dataset([], ITEMS, USERS)).shape == (0,)

    def test_unknown_targets_are_a_pair_of_their_own_user(self) -> None:
        """An item that the model does not know has row -1; it is nobody else's target."""
        events = [("a", "c", "like", None, 1.0), ("b", "i0", "like", None, 1.0)]
        data = dataset(events, ITEMS, USERS)
        data = replace(data, target=np.array([2, -1]))
        numbers = pairs_of(data)
        assert numbers[0] != numbers[1]


class TestRandom:
    @given(worlds, st.integers(0, 5), st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), st.integers(0, 9))
    def test_whole_pairs_of_eligible_events_in_the_share_of_each_user(
        self, data: Dataset, mask: int, share: float, seed: int
    ) -> None:
        """A pair with one event that may not be held out stays; counts are rounded, half to even.

        Of 5 pairs a share of 0.5 is 2, of 3 it is 2.
        """
        eligible = eligible_of(data, mask)
        held = random_pairs(data, eligible, share, seed)
        assert not pairs(data, held) & pairs(data, ~held)
        assert not held[~eligible].any()
        able = pairs(data) - pairs(data, ~eligible)
        for user in range(len(USERS)):
            own = [pair for pair in able if pair[0] == user]
            taken = [pair for pair in pairs(data, held) if pair[0] == user]
            assert len(taken) == np.rint(share * len(own))

    @given(worlds, st.integers(0, 1000))
    def test_the_same_seed_draws_the_same(self, data: Dataset, seed: int) -> None:
        first = random_pairs(data, everything(data), 0.5, seed)
        np.testing.assert_array_equal(first, random_pairs(data, everything(data), 0.5, seed))

    def test_another_seed_draws_others(self) -> None:
        """Thirty users with ten items each: every seed draws differently, all draw 60 pairs."""
        names = [f"i{number}" for number in range(10)]
        events = [(f"u{user}", item, "like", None, 1.0) for user in range(30) for item in names]
        data = dataset(events, names)
        draws = [random_pairs(data, everything(data), 0.2, seed) for seed in range(5)]
        assert len({draw.tobytes() for draw in draws}) == 5
        assert [int(draw.sum()) for draw in draws] == [60] * 5

    def test_every_pair_has_its_chance(self) -> None:
        """Of one user's five items each is drawn about as often as the others."""
        data = dataset([("a", item, "like", None, 1.0) for item in ITEMS], ITEMS)
        drawn = sum(
            random_pairs(data, everything(data), 0.2, seed).astype(int) for seed in range(300)
        )
        assert drawn.sum() == 300
        assert drawn.min() > 30

    def test_no_events(self) -> None:
        data = dataset([], ITEMS, USERS)
        assert random_pairs(data, everything(data), 0.5, 0).shape == (0,)


class TestRequests:
    EVENTS = [("a", "i0"), ("a", "i1"), ("b", "i0"), ("a", "i2"), ("b", "i3")]

    def events(self, requests: list[int]) -> Dataset:
        told = [(*one, "like", None, 1.0) for one in self.EVENTS]
        return dataset(told, ITEMS, USERS, requests=requests)

    def test_events_of_one_user_and_request_have_one_number(self) -> None:
        """b's event in the same request is another list; an event without one has none."""
        first, second, third, fourth, fifth = requests_of(self.events([7, 7, 7, -1, 0]))
        assert first == second
        assert len({int(first), int(third), int(fifth)}) == 3
        assert min(first, third, fifth) >= 0
        assert fourth == -1

    def test_where_requests_were_not_read_there_are_none(self) -> None:
        assert requests_of(self.events([])).tolist() == [-1] * 5

    def test_a_group_is_drawn_whole(self) -> None:
        """Half of a's two groups; one of b's events may not be held out, so neither is."""
        data = self.events([])
        groups, eligible = np.array([0, 1, 2, 0, 2]), np.array([1, 1, 1, 1, 0], np.bool_)
        for seed in range(5):
            held = random_groups(data, groups, eligible, 0.5, seed)
            assert held.tolist() in ([1, 0, 0, 1, 0], [0, 1, 0, 0, 0])

    def test_requests_go_along_with_their_events(self) -> None:
        taken = self.events([4, 5, 6, 7, 8]).take(np.array([0, 3]))
        assert taken.request.tolist() == [4, 7]


class TestLast:
    def events(self, *days: float | None, item: str = "i{}") -> Dataset:
        """One user's events, each on an item of its own, in order of arrival."""
        return dataset(
            [("a", item.format(n), "like", None, age) for n, age in enumerate(days)], ITEMS, USERS
        )

    def test_the_latest_by_time_whenever_it_arrived(self) -> None:
        data = self.events(3, 1, 2)
        assert last_pairs(data, everything(data)).tolist() == [False, True, False]

    def test_the_last_to_arrive_where_times_are_equal_or_unknown(self) -> None:
        for days in ((1, 1, 1), (None, None, None)):
            data = self.events(*days)
            assert last_pairs(data, everything(data)).tolist() == [False, False, True]

    def test_events_without_a_time_are_older_than_all_others(self) -> None:
        data = self.events(None, 900, None)
        assert last_pairs(data, everything(data)).tolist() == [False, True, False]

    def test_a_pair_is_as_late_as_its_last_event_and_goes_as_a_whole(self) -> None:
        """i0 was seen long ago and again today: both of its events are held out."""
        data = dataset(
            [
                ("a", "i0", "view", None, 9),
                ("a", "i1", "like", None, 5),
                ("a", "i0", "like", None, 0),
            ],
            ITEMS,
        )
        assert last_pairs(data, everything(data)).tolist() == [True, False, True]

    def test_who_did_one_thing_only_keeps_it(self) -> None:
        """Twice the same is still one pair."""
        data = dataset(
            [
                ("a", "i0", "like", None, 1),
                ("a", "i0", "view", None, 0),
                ("b", "i0", "like", None, 1),
            ],
            ITEMS,
        )
        assert not last_pairs(data, everything(data)).any()

    def test_the_last_of_the_eligible_ones(self) -> None:
        """The last of all may not be held out; it counts as the other pair that is needed."""
        data = self.events(3, 2, 1)
        assert last_pairs(data, np.array([True, True, False])).tolist() == [False, True, False]
        assert last_pairs(data, np.array([True, False, False])).tolist() == [True, False, False]
        assert not last_pairs(data, np.zeros(3, np.bool_)).any()

    @given(worlds, st.integers(0, 5))
    def test_one_whole_pair_of_each_user_who_has_two(self, data: Dataset, mask: int) -> None:
        eligible = eligible_of(data, mask)
        held = last_pairs(data, eligible)
        assert not pairs(data, held) & pairs(data, ~held)
        assert pairs(data, held) <= pairs(data, eligible)
        for user in range(len(USERS)):
            all_own = {pair for pair in pairs(data) if pair[0] == user}
            able = {pair for pair in pairs(data, eligible) if pair[0] == user}
            taken = {pair for pair in pairs(data, held) if pair[0] == user}
            assert len(taken) == (1 if able and len(all_own) > 1 else 0)

    @given(worlds)
    def test_nothing_eligible_of_the_user_comes_later(self, data: Dataset) -> None:
        held = last_pairs(data, everything(data))
        times = np.nan_to_num(data.timestamp, nan=-np.inf)
        for user in set(data.user[held].tolist()):
            own = data.user == user
            assert times[own & held].max() >= times[own].max()


class TestTime:
    def test_a_share_of_the_dated_events_lies_before_the_moment(self) -> None:
        """Ages 10 to 1 days and two unknown: at 0.8 the moment lies between ages 3 and 2."""
        days = [*map(float, range(10, 0, -1)), None, None]
        data = dataset([("a", "i0", "like", None, age) for age in days], ITEMS)
        moment = time_at(data, 0.8)
        assert NOW - 3 * DAY <= moment < NOW - 2 * DAY
        assert after(data, moment).tolist() == [False] * 8 + [True, True, False, False]

    def test_the_moment_itself_is_not_after_it(self) -> None:
        data = dataset([("a", "i0", "like", None, 1.0)], ITEMS)
        assert not after(data, NOW - DAY).any()
        assert after(data, NOW - DAY - 1).all()

    def test_without_dates_there_is_no_moment_and_nothing_after_it(self) -> None:
        for data in (dataset([], ITEMS), dataset([("a", "i0", "like", None, None)], ITEMS)):
            moment = time_at(data, 0.8)
            assert np.isnan(moment)
            assert not after(data, moment).any()

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    @given(worlds)
    def test_more_share_is_a_later_moment(self, share: float, data: Dataset) -> None:
        if np.isnan(time_at(data, share)):
            return
        assert time_at(data, share) <= time_at(data, 1.0)
        assert not after(data, time_at(data, 1.0)).any()
