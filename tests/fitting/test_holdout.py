"""What a fit holds out to choose by: whole pairs, of users who have something left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from planes import DAY, NOW, dataset
from polyscene.component import Training, Validation
from polyscene.data.dataset import NO_LINKS, Dataset, Links
from polyscene.data.questions import Questions
from polyscene.fitting.friends import split_friends, unlinked
from polyscene.fitting.holdout import (
    in_scenario,
    successes,
    unseen,
    validations,
)
from polyscene.settings import Settings, parse_settings

ITEMS = [f"i{number}" for number in range(10)]
SHOP: dict[str, Any] = {"shop": {"actions": {"like": 1.0, "hide": -1.0}}}

Act = tuple[str, str, str, str | None, float | None]


def settings(scenarios: dict[str, Any] | None = None, **validation: Any) -> Settings:
    return parse_settings({"scenarios": scenarios or SHOP, "validation": validation})


def training(
    data: Dataset,
    scenarios: dict[str, Any] | None = None,
    links: Links = NO_LINKS,
    **validation: Any,
) -> Training:
    vectors = np.zeros((len(data.items), 2), np.float32)
    return Training(data, settings(scenarios, **validation), vectors, NOW, links=links)


def many(users: int, each: int = 10, dated: bool = True) -> Dataset:
    """Users who liked so many items; the older the lower the number of the item."""
    return dataset(
        [
            (f"u{user}", f"i{number}", "like", "shop", 100.0 - number if dated else None)
            for user in range(users)
            for number in range(each)
        ],
        ITEMS,
    )


def pairs(data: Dataset) -> set[tuple[str, str]]:
    return {
        (data.users.ids[user], (data.users if person else data.items).ids[target])
        for user, target, person in zip(data.user, data.target, data.on_person, strict=True)
        if target >= 0
    }


def found(validation: Validation, scenario: str = "shop") -> set[tuple[str, str]]:
    """The pairs that are to be found in a scenario."""
    data, matrix = validation.training.data, validation.relevant[scenario].tocoo()
    person = validation.training.settings.scenario(scenario).target == "person"
    targets = (data.users if person else data.items).ids
    return {
        (data.users.ids[validation.users[row]], targets[column])
        for row, column in zip(matrix.row, matrix.col, strict=True)
    }


def names(validation: Validation) -> list[str]:
    return [validation.training.data.users.ids[row] for row in validation.users]


class TestRandom:
    def test_a_share_of_the_pairs_of_each_user(self) -> None:
        """Twelve users with ten likes each: a share of 0.3 is three of each."""
        data = many(12)
        for validation in validations(training(data, split="random", share=0.3)):
            assert validation.users.tolist() == list(range(12))
            assert validation.relevant["shop"].getnnz(axis=1).tolist() == [3] * 12
            assert len(validation.training.data) == 120 - 36
            assert pairs(validation.training.data) | found(validation) == pairs(data)
            assert not pairs(validation.training.data) & found(validation)

    def test_everything_else_of_the_training_stays(self) -> None:
        known = training(many(12), split="random")
        for validation in validations(known):
            assert validation.training.now == known.now
            assert validation.training.settings is known.settings
            assert validation.training.vectors is known.vectors
            assert validation.training.data.users is known.data.users

    def test_users_who_are_not_on_trial_lose_nothing(self) -> None:
        data = many(12)
        for validation in validations(training(data, split="random", users=4)):
            assert len(validation.users) == 4
            held = pairs(data) - pairs(validation.training.data)
            assert {user for user, _ in held} == set(names(validation))

    def test_each_fold_holds_out_others(self) -> None:
        splits = validations(training(many(12), split="random", folds=4))
        assert len({frozenset(found(one)) for one in splits}) == 4

    def test_the_seed_decides(self) -> None:
        def drawn(seed: int) -> list[set[tuple[str, str]]]:
            return [found(one) for one in validations(training(many(12), seed=seed))]

        assert drawn(1) == drawn(1)
        assert drawn(1) != drawn(2)

    def test_who_has_nothing_left_is_not_on_trial(self) -> None:
        """one did one thing, which a share of 0.9 holds out."""
        data = dataset(
            [("one", "i0", "like", "shop", 1.0)]
            + [("many", item, "like", "shop", 1.0) for item in ITEMS],
            ITEMS,
        )
        for validation in validations(training(data, split="random", share=0.9)):
            assert names(validation) == ["many"]

    def test_who_has_no_success_held_out_is_not_on_trial(self) -> None:
        data = dataset(
            [("grim", item, "hide", "shop", 1.0) for item in ITEMS]
            + [("glad", item, "like", "shop", 1.0) for item in ITEMS],
            ITEMS,
        )
        splits = validations(training(data, split="random"))
        assert [names(one) for one in splits] == [["glad"]] * 3


class TestLatest:
    def test_what_came_after_a_moment(self) -> None:
        """Ages 100 to 91 days: the latest fifth is i8 and i9, asked as it was before them."""
        data = many(60)
        validation = validations(training(data, split="latest", folds=1))[0]
        assert found(validation) == {(f"u{user}", item) for user in range(60) for item in ITEMS[8:]}
        assert pairs(validation.training.data) == pairs(data) - found(validation)
        assert NOW - 93 * DAY <= validation.training.now < NOW - 92 * DAY

    def test_each_further_split_is_of_an_earlier_time(self) -> None:
        """Half a share earlier each time: i7 and i8, then i6 and i7; what is later is unknown."""
        splits = validations(training(many(60), split="latest"))
        held = [sorted({item for _, item in found(one)}) for one in splits]
        left = [sorted({item for _, item in pairs(one.training.data)}) for one in splits]
        assert held == [["i8", "i9"], ["i7", "i8"], ["i6", "i7"]]
        assert left == [ITEMS[:8], ITEMS[:7], ITEMS[:6]]
        moments = [one.training.now for one in splits]
        assert moments == sorted(moments, reverse=True)

    @pytest.mark.parametrize(("share", "count"), [(0.9, 1), (0.6, 2), (0.5, 2), (0.4, 3)])
    def test_there_are_no_more_splits_than_time(self, share: float, count: int) -> None:
        """A share s leaves 1 - s·(1 + fold/2) to learn from, which must be more than nothing."""
        assert len(validations(training(many(60), split="latest", share=share, folds=9))) == count

    def test_only_users_with_events_on_both_sides(self) -> None:
        data = dataset(
            [("both", f"i{n}", "like", "shop", 10.0 - n) for n in range(10)]
            + [("late", "i0", "like", "shop", 0.0), ("early", "i0", "like", "shop", 9.0)],
            ITEMS,
        )
        for validation in validations(training(data, split="latest")):
            assert names(validation) == ["both"]

    def test_undated_events_are_learned_from(self) -> None:
        data = many(60)
        undated = np.arange(len(data)) % 10 == 9
        data = replace(data, timestamp=np.where(undated, np.nan, data.timestamp))
        validation = validations(training(data, split="latest", folds=1))[0]
        assert {(f"u{user}", "i9") for user in range(60)} <= pairs(validation.training.data)

    def test_what_was_done_before_is_not_to_be_found_again(self) -> None:
        """i0 again, late: it is seen, so only i9 is to be found; where seen targets come, both."""
        data = dataset(
            [("u", f"i{n}", "like", "shop", 100.0 - n) for n in range(8)]
            + [("u", "i9", "like", "shop", 1.0), ("u", "i0", "like", "shop", 0.0)],
            ITEMS,
        )
        again = {"shop": SHOP["shop"] | {"seen": "include"}}
        for scenarios, expected in ((SHOP, {"i9"}), (again, {"i9", "i0"})):
            validation = validations(training(data, scenarios, split="latest", folds=1))[0]
            assert {item for _, item in found(validation)} == expected

    def test_without_dates_there_is_none(self) -> None:
        assert validations(training(many(60, dated=False), split="latest")) == []


class TestLast:
    def test_the_last_pair_of_each_user(self) -> None:
        """By time; who has one pair only keeps it and is not on trial."""
        data = dataset(
            [
                ("a", "i1", "like", "shop", 1.0),
                ("a", "i2", "like", "shop", 5.0),
                ("b", "i3", "like", "shop", 5.0),
                ("c", "i4", "like", "shop", None),
                ("c", "i5", "like", "shop", None),
            ],
            ITEMS,
        )
        validation = validations(training(data, split="last"))[0]
        assert found(validation) == {("a", "i1"), ("c", "i5")}
        assert names(validation) == ["a", "c"]
        assert pairs(validation.training.data) == pairs(data) - found(validation)

    def test_where_all_are_on_trial_there_is_one_split(self) -> None:
        """A further one would be the same; with fewer on trial, others have their turn."""
        assert len(validations(training(many(12), split="last", folds=3))) == 1
        splits = validations(training(many(12), split="last", users=4, folds=3))
        assert len({tuple(one.users.tolist()) for one in splits}) == 3


class TestColdUsers:
    SCENARIOS = {"shop": {"actions": {"like": 1.0}}, "news": {"actions": {"read": 1.0}}}

    def data(self) -> Dataset:
        """Twenty users read and like, five only like."""
        acts: list[Act] = []
        for user in range(25):
            acts += [(f"u{user}", f"i{n}", "like", "shop", 1.0) for n in range(4)]
            if user < 20:
                acts += [(f"u{user}", f"i{n}", "read", "news", 1.0) for n in (0, 7, 8)]
        return dataset(acts, ITEMS)

    def test_all_that_some_did_in_one_scenario(self) -> None:
        """Whole pairs: i0, which they both read and liked, is gone from what is learned from."""
        data = self.data()
        for validation in validations(training(data, self.SCENARIOS, split="cold-users")):
            rest = pairs(validation.training.data)
            both = {name: {user for user, _ in found(validation, name)} for name in self.SCENARIOS}
            assert not both["shop"] & both["news"], "each is new in one place only"
            # a fifth of twenty and one more, then a fifth of the other fifteen and one more
            assert sorted(map(len, both.values())) == [4, 5]
            assert set(names(validation)) == both["shop"] | both["news"]
            for name, own in both.items():
                there = data.take(data.scenario == data.scenarios.index(name))
                for user in own:
                    done = {pair for pair in pairs(there) if pair[0] == user}
                    assert {pair for pair in found(validation, name) if pair[0] == user} == done
                    assert not done & rest
                    assert any(pair[0] == user for pair in rest)

    def test_no_more_are_on_trial_than_asked_for(self) -> None:
        """In all scenarios together; who is on trial loses what they did in one of them."""
        data = self.data()
        splits = validations(training(data, self.SCENARIOS, split="cold-users", users=3))
        assert {len(one.users) for one in splits} == {3}
        assert len({frozenset(names(one)) for one in splits}) > 1
        for validation in splits:
            lost = {user for user, _ in pairs(data) - pairs(validation.training.data)}
            assert lost == set(names(validation))

    def test_nobody_with_one_scenario_is_on_trial(self) -> None:
        for validation in validations(training(self.data(), self.SCENARIOS, split="cold-users")):
            assert not {f"u{user}" for user in range(20, 25)} & set(names(validation))

    def test_one_scenario_alone_has_no_cold_users(self) -> None:
        assert validations(training(many(20), split="cold-users")) == []


class TestAuto:
    def kind(self, data: Dataset) -> str:
        splits = validations(training(data))
        assert splits
        return "random" if splits[0].training.now == NOW else "latest"

    def test_the_latest_where_events_are_dated_and_users_are_many(self) -> None:
        assert self.kind(many(50)) == "latest"

    def test_random_ones_where_users_are_few(self) -> None:
        assert self.kind(many(49)) == "random"

    def test_random_ones_where_events_have_no_time(self) -> None:
        assert self.kind(many(60, dated=False)) == "random"

    @pytest.mark.parametrize(("undated", "kind"), [(1, "latest"), (2, "random")])
    def test_more_than_four_fifths_must_be_dated(self, undated: int, kind: str) -> None:
        """Of ten events of each user one or two have no time."""
        data = many(60)
        unknown = np.arange(len(data)) % 10 < undated
        assert self.kind(replace(data, timestamp=np.where(unknown, np.nan, data.timestamp))) == kind

    def test_nothing_to_hold_out(self) -> None:
        assert validations(training(dataset([], ITEMS))) == []
        assert validations(training(many(5, each=1))) == []


class TestFolds:
    @pytest.mark.parametrize("folds", [0, 1, 5])
    @pytest.mark.parametrize("split", ["auto", "random", "latest"])
    def test_as_many_as_asked_for(self, folds: int, split: str) -> None:
        assert len(validations(training(many(60), split=split, folds=folds))) == folds

    def test_no_further_one_when_users_are_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With 12 users a split and 20 enough, the second split is the last."""
        monkeypatch.setattr("polyscene.fitting.holdout._ENOUGH", 20)
        assert len(validations(training(many(12), split="random", folds=5))) == 2


class TestScenarios:
    """Two scenarios: all users of one, few of whom do something in the other too."""

    TWO = SHOP | {"news": {"actions": {"like": 1.0}}}

    def data(self) -> Dataset:
        events = [
            (f"u{user}", f"i{number}", "like", "news" if user < 20 and number < 5 else "shop", None)
            for user in range(400)
            for number in range(10)
        ]
        return dataset(events, ITEMS)

    def test_each_has_its_part_of_the_users_on_trial(self) -> None:
        """Drawn from all alike two or so of 40 would be of the 20."""
        split = validations(training(self.data(), self.TWO, split="random", users=40, folds=1))[0]
        assert len(split.users) == 40
        assert np.count_nonzero(split.users < 20) == 20

    @pytest.mark.parametrize(("each", "splits"), [(10, 1), (35, 2), (500, 3)])
    def test_splits_are_made_until_each_has_users_enough(
        self, each: int, splits: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All 20 are on trial in every split, and each has something to find in the news or not."""
        monkeypatch.setattr("polyscene.fitting.holdout._ENOUGH", 20)
        monkeypatch.setattr("polyscene.fitting.holdout._ENOUGH_EACH", each)
        tried = {"split": "random", "users": 40, "folds": 3, "share": 0.9}
        assert len(validations(training(self.data(), self.TWO, **tried))) == splits


class TestSuccesses:
    TWO = {
        "films": {"positive": ["rate>=4"], "actions": {"rate": 1.0}},
        "shop": {"actions": {"buy": 1.0, "rate": 1.0, "return": -0.5}},
        "social": {"target": "person", "positive": ["follow"]},
    }

    def events(self, *events: tuple[str, str, str, str | None, float]) -> Dataset:
        """Events as (user, target, action, scenario, value)."""
        data = dataset([(*event[:4], 1.0) for event in events], ITEMS, ["a", "b", "c"])
        return replace(data, value=np.array([event[4] for event in events]))

    def right(
        self, data: Dataset, held: Sequence[bool] | None = None, users: Sequence[int] = (0, 1, 2)
    ) -> dict[str, list[list[int]]]:
        chosen = np.ones(len(data), np.bool_) if held is None else np.array(held)
        rows = np.array(users, np.int64)
        matrices = successes(data, chosen, settings(self.TWO), Questions.of(rows))
        assert {matrix.shape[0] for matrix in matrices.values()} == {len(users)}
        return {
            name: [matrix.indices[matrix.indptr[u] : matrix.indptr[u + 1]].tolist()
                   for u in range(len(users))]
            for name, matrix in matrices.items()
        }  # fmt: skip

    def test_a_declared_success_needs_its_least_value(self) -> None:
        data = self.events(
            ("a", "i0", "rate", "films", 4.0),
            ("a", "i1", "rate", "films", 3.5),
            ("b", "i2", "rate", "films", 5.0),
            ("b", "i3", "buy", "films", 9.0),
        )
        assert self.right(data)["films"] == [[0], [2], []]

    def test_undeclared_every_positive_strength_is_one(self) -> None:
        data = self.events(
            ("a", "i0", "buy", "shop", 1.0),
            ("a", "i1", "return", "shop", 1.0),
            ("a", "i2", "rate", "shop", 1.0),
        )
        assert self.right(data)["shop"] == [[0, 2], [], []]

    def test_each_scenario_has_its_own_and_events_of_none_count_in_all(self) -> None:
        """The rating of 3 in no scenario is a success in the shop, not for films."""
        data = self.events(
            ("a", "i0", "rate", "films", 5.0),
            ("a", "i1", "rate", "shop", 5.0),
            ("a", "i2", "rate", None, 5.0),
            ("a", "i3", "rate", None, 3.0),
        )
        right = self.right(data)
        assert right["films"] == [[0, 2], [], []]
        assert right["shop"] == [[1, 2, 3], [], []]
        assert right["social"] == [[], [], []]

    def test_people_are_the_targets_of_scenarios_of_people(self) -> None:
        data = self.events(
            ("a", "b", "follow", "social", 1.0),
            ("a", "c", "wave", "social", 1.0),
            ("b", "i1", "follow", "social", 1.0),
        )
        right = self.right(data)
        assert right["social"] == [[1], [], []]
        assert right["shop"] == right["films"] == [[], [], []]

    def test_only_what_was_held_out_each_target_once(self) -> None:
        data = self.events(
            ("a", "i0", "buy", "shop", 1.0),
            ("a", "i0", "buy", "shop", 1.0),
            ("a", "i1", "buy", "shop", 1.0),
        )
        held = np.array([True, True, False])
        matrix = successes(data, held, settings(self.TWO), Questions.of(np.array([0])))["shop"]
        assert matrix.toarray().tolist() == [[1.0] + [0.0] * 9]

    def test_only_the_users_asked_for_in_their_order(self) -> None:
        data = self.events(("c", "i2", "buy", "shop", 1.0), ("b", "i1", "buy", "shop", 1.0),
                           ("a", "i0", "buy", "shop", 1.0))  # fmt: skip
        assert self.right(data, users=(0, 2))["shop"] == [[0], [2]]
        assert self.right(data, users=())["shop"] == []

    def test_targets_that_the_model_does_not_know_are_none(self) -> None:
        data = self.events(("a", "i0", "buy", "shop", 1.0), ("a", "i1", "buy", "shop", 1.0))
        data = replace(data, target=np.array([-1, 1]))
        assert self.right(data)["shop"] == [[1], [], []]

    def test_held_out_friends_are_added_where_people_are_recommended(self) -> None:
        data = self.events(("a", "b", "follow", "social", 1.0))
        friends = {"social": np.array([[0, 2], [0, 1], [1, 2]])}
        held, asked = np.ones(1, np.bool_), Questions.of(np.array([0]))
        matrix = successes(data, held, settings(self.TWO), asked, friends)["social"]
        assert matrix.toarray().tolist() == [[0.0, 1.0, 1.0]]


class TestSeen:
    def test_only_actions_that_make_a_target_seen_hide_it(self) -> None:
        """a viewed i0 and bought i1 before: bought things are not shown again."""
        rest = dataset(
            [("a", "i0", "view", "shop", 1.0), ("a", "i1", "buy", "shop", 1.0)], ITEMS, ["a"]
        )
        right = sp.csr_matrix(np.ones((1, 10), np.float32))
        for spec, hidden in (
            ({}, {0, 1}),
            ({"seen_actions": ["buy"]}, {1}),
            ({"seen": "include"}, set()),
        ):
            declared, asked = settings({"shop": spec}), Questions.of(np.array([0]))
            left = unseen(right, rest, declared, "shop", asked)
            assert set(range(10)) - set(left.indices.tolist()) == hidden

    def test_what_the_scenario_may_not_read_hides_nothing(self) -> None:
        rest = dataset([("a", "i0", "view", "secret", 1.0)], ITEMS, ["a"])
        declared = settings({"shop": {}, "secret": {"private": True}})
        right = sp.csr_matrix(np.ones((1, 10), np.float32))
        assert unseen(right, rest, declared, "shop", Questions.of(np.array([0]))).nnz == 10
        assert unseen(right, rest, declared, "secret", Questions.of(np.array([0]))).nnz == 9

    def test_a_tag_is_seen_where_it_was_given_to_the_same_thing(self) -> None:
        """a gave i9 to i0, and uses i8 as it is; asked about i0, i1 and nothing."""
        rest = dataset(
            [("a", "i9", "tag", None, 1.0), ("a", "i8", "tag", None, 1.0)],
            ITEMS, ["a"], about=["i0", None], tags=["i8", "i9"],
        )  # fmt: skip
        asked = Questions.of(np.zeros(3, np.int64), np.array([-1, 0, 1]))
        right = sp.csr_matrix(np.ones((3, 10), np.float32))
        left = unseen(right, rest, settings({"tags": {"target": "tag"}}), "tags", asked).toarray()
        assert [np.flatnonzero(row == 0).tolist() for row in left] == [[8], [9], []]


class TestContexts:
    """Posts: all that a user did about one context."""

    BOTH: dict[str, Any] = SHOP | {"tags": {"target": "tag"}}
    TAGS = ("i8", "i9")

    def data(self, users: int = 12, dated: bool = False) -> Dataset:
        """Users who like i0 to i7, and give i8 and i9 to each of them."""
        times = [100.0 - n if dated else None for n in range(8)]
        liked = [
            (f"u{u}", f"i{n}", "like", "shop", times[n]) for u in range(users) for n in range(8)
        ]
        given = [
            (user, tag, "tag", None, when) for user, _, _, _, when in liked for tag in self.TAGS
        ]
        about = [None] * len(liked) + [item for _, item, *_ in liked for _ in self.TAGS]
        return dataset([*liked, *given], ITEMS, about=about, tags=self.TAGS)

    def splits(self, data: Dataset, **options: Any) -> list[Validation]:
        return validations(training(data, self.BOTH, **options))

    def test_a_post_is_held_out_and_asked_for_as_a_whole(self) -> None:
        """A fifth of the eight posts of each user, rounded: two, each with both tags to find."""
        data = self.data()
        split = self.splits(data, split="random", folds=1)[1]
        asked, matrix = split.questions, split.relevant["tags"]
        assert len(asked) == 12 * 2
        assert (asked.contexts >= 0).all()
        assert [matrix[row].indices.tolist() for row in range(len(asked))] == [[8, 9]] * len(asked)
        rest = split.training.data
        left = Questions.of(rest.user[rest.on_tag], rest.context[rest.on_tag])
        assert (left.rows(asked.users, asked.contexts) < 0).all()
        assert len(left) + len(asked) == 12 * 8

    def test_tags_and_items_have_splits_of_their_own(self) -> None:
        """Those of items are what they are without tags, and hold no tags out; and the reverse."""
        data = self.data()
        plain = self.splits(data.take(~data.on_tag), split="random")
        both = self.splits(data, split="random")
        assert len(plain) == 3
        assert len(both) == 6
        for alone, beside in zip(plain, both, strict=False):
            assert found(alone) == found(beside)
            assert beside.relevant["tags"].nnz == 0
            assert int(beside.training.data.on_tag.sum()) == int(data.on_tag.sum())
        for split in both[3:]:
            assert split.relevant["shop"].nnz == 0
            assert int((~split.training.data.on_tag).sum()) == int((~data.on_tag).sum())

    def test_what_is_later_is_not_learned_from_whatever_it_is_on(self) -> None:
        """The latest fifth of the times begins with that of i6; held out is what came after it."""
        data = self.data(60, dated=True)
        plain, tags = self.splits(data, split="latest", folds=1)
        for split in (plain, tags):
            assert np.nanmax(split.training.data.timestamp) <= split.training.now
        assert {data.items.ids[row] for row in tags.questions.contexts} == {"i7"}

    def test_no_more_posts_are_asked_for_than_users_may_be_on_trial(self) -> None:
        """All twelve users are on trial with two posts each; as many of these are asked."""
        split = self.splits(self.data(), split="random", folds=1, users=15)[1]
        assert len(split.questions) == 15
        assert {matrix.shape[0] for matrix in split.relevant.values()} == {15}
        assert int((~split.training.data.on_tag).sum()) == 12 * 8

    def test_items_chosen_about_something_are_posts_too(self) -> None:
        """u clicked i1 and i2 on the page of i0, and bought i3 elsewhere: two questions."""
        data = dataset(
            [("u", name, "like", "shop", None) for name in ("i1", "i2", "i3", "i4")],
            ITEMS, about=["i0", "i0", None, None],
        )  # fmt: skip
        asked = Questions.of(np.array([0, 0]), np.array([-1, 0]))
        matrix = successes(data, np.ones(4, np.bool_), settings(), asked)["shop"]
        assert [matrix[row].indices.tolist() for row in range(2)] == [[3, 4], [1, 2]]


class TestFriends:
    SOCIAL = {"social": {"target": "person"}}
    CIRCLE = Links.of(
        [(f"u{n}", "friend", f"u{(n + 1) % 40}") for n in range(40)]
        + [(f"u{n}", "likes", "tea") for n in range(40)]
        + [("u3", "friend", "nobody")]
    )

    def split(self, links: Links, seed: int = 0, **spec: Any) -> tuple[Links, Any]:
        declared = settings({"social": {"target": "person", **spec}})
        users = dataset([], ITEMS, [f"u{n}" for n in range(40)]).users
        return split_friends(links, users, declared, ["social"], 0.25, seed)

    def said(self, links: Links) -> set[tuple[str, str, str]]:
        ids = links.names.ids
        return {
            (ids[subject], links.predicates[code], ids[target])
            for subject, code, target in zip(
                links.subject, links.predicate, links.object, strict=True
            )
        }

    def test_a_share_of_the_friendships_and_nothing_else(self) -> None:
        """Mutual friends are to be found by each other; about 10 of 40 pairs are held out."""
        left, friends = self.split(self.CIRCLE)
        gone = self.said(self.CIRCLE) - self.said(left)
        assert {predicate for _, predicate, _ in gone} == {"friend"}
        assert ("u3", "friend", "nobody") not in gone
        assert 3 <= len(gone) <= 20
        expected = {(int(a[1:]), int(b[1:])) for a, _, b in gone}
        assert {tuple(pair) for pair in friends["social"].tolist()} == expected | {
            (b, a) for a, b in expected
        }

    def test_both_directions_go_together(self) -> None:
        both = Links.of(
            [triple for n in range(0, 40, 2)
             for triple in ((f"u{n}", "follows", f"u{n + 1}"), (f"u{n + 1}", "follows", f"u{n}"))]
        )  # fmt: skip
        left, friends = self.split(both)
        assert 0 < len(left) < 40
        for subject, _, target in self.said(left):
            assert (target, "follows", subject) in self.said(left)
        held = {tuple(pair) for pair in friends["social"].tolist()}
        assert held == {(b, a) for a, b in held}
        assert len(held) == 40 - len(left)

    def test_following_is_to_be_found_by_who_follows(self) -> None:
        one_way = Links.of([(f"u{n}", "follows", "u0") for n in range(1, 40)])
        _, friends = self.split(one_way)
        assert set(friends["social"][:, 1].tolist()) == {0}

    def test_the_seed_decides(self) -> None:
        first, again, other = (self.split(self.CIRCLE, seed)[0] for seed in (1, 1, 2))
        assert self.said(first) == self.said(again) != self.said(other)

    def test_where_nobody_is_recommended_all_relations_stay(self) -> None:
        left, friends = self.split(self.CIRCLE, target="item")
        assert left is self.CIRCLE
        assert friends == {}
        nothing = self.split(Links.of([("u1", "likes", "tea")]))
        assert nothing[1] == {}

    def test_a_split_holds_friendships_out_too(self) -> None:
        """A friend is to be found by those who have another left, and is no friend in training."""
        data = dataset([("u0", "i0", "like", None, None)], ITEMS, [f"u{n}" for n in range(40)])
        splits = validations(training(data, self.SOCIAL, self.CIRCLE, split="random"))
        assert splits
        for validation in splits:
            held = found(validation, "social")
            assert held
            left = self.said(validation.training.links)
            around = {name for subject, _, target in left for name in (subject, target)}
            for user, other in held:
                assert (user, "friend", other) not in left
                assert (other, "friend", user) not in left
                assert user in around

    def test_no_more_users_are_on_trial_than_asked_for(self) -> None:
        """With and without events; of forty in a circle, ten, who each have what they have held
        out: pairs of two others stay."""
        data = dataset(
            [(f"u{n}", item, "like", None, None) for n in range(5) for item in ITEMS],
            ITEMS, [f"u{n}" for n in range(40)],
        )  # fmt: skip
        known = training(data, self.SOCIAL, self.CIRCLE, split="random", users=10, share=0.5)
        for validation in validations(known):
            on_trial = set(names(validation))
            assert 0 < len(on_trial) <= 10
            gone = self.said(self.CIRCLE) - self.said(validation.training.links)
            assert 0 < len(gone) <= 20

    def test_who_has_no_relation_left_is_not_on_trial(self) -> None:
        """Twenty couples who know nobody else: held out, nothing of them is left."""
        couples = Links.of([(f"u{n}", "friend", f"u{n + 1}") for n in range(0, 40, 2)])
        data = dataset([("u0", "i0", "like", None, None)], ITEMS, [f"u{n}" for n in range(40)])
        for validation in validations(training(data, self.SOCIAL, couples, split="random")):
            assert set(names(validation)) <= {"u0"}

    def test_a_relation_with_who_was_met_in_a_held_out_event_is_nothing_left(self) -> None:
        """All that u1 has besides the held-out events is a friendship that these give away."""
        people = [f"u{n}" for n in range(40)]
        acts: list[Act] = [("u1", "u0", "follow", None, None)]
        data = dataset(acts, ITEMS, people)
        links = Links.of(
            [("u1", "friend", "u0")] + [(f"u{n}", "friend", f"u{n + 1}") for n in range(2, 39)]
        )
        for seed in range(5):
            known = training(data, self.SOCIAL, links, split="random", share=0.7, seed=seed)
            for validation in validations(known):
                assert "u1" not in names(validation)

    def test_people_who_met_in_held_out_events_are_no_friends_in_training(self) -> None:
        """In either direction; other relations of the same people stay."""
        met = dataset([("u1", "u0", "follow", None, 1.0)], ITEMS, [f"u{n}" for n in range(40)])
        links = Links.of(
            [("u0", "friend", "u1"), ("u1", "follows", "u0"), ("u0", "friend", "u2"),
             ("u0", "near", "u1"), ("u0", "likes", "tea")]
        )  # fmt: skip
        assert self.said(unlinked(links, met)) == {
            ("u0", "friend", "u2"), ("u0", "near", "u1"), ("u0", "likes", "tea")
        }  # fmt: skip
        assert unlinked(links, met.take(np.zeros(0, np.int64))) is links


def test_events_of_a_scenario_and_of_none() -> None:
    data = dataset(
        [("a", "i0", "like", name, 1.0) for name in ("shop", None, "news", "shop")], ITEMS
    )
    assert in_scenario(data, "shop").tolist() == [True, True, False, True]
    assert in_scenario(data, "elsewhere").tolist() == [False, True, False, False]


WORLD = {
    "shop": {"actions": {"like": 1.0, "hide": -1.0}},
    "news": {"positive": ["like"]},
    "social": {"target": "person"},
}
PEOPLE = [f"u{number}" for number in range(6)]

acts = st.tuples(
    st.sampled_from(PEOPLE),
    st.sampled_from([*ITEMS[:5], *PEOPLE]),
    st.sampled_from(["like", "hide", "view"]),
    st.sampled_from(["shop", "news", "social", None]),
    st.none() | st.integers(0, 20).map(float),
)
ties = st.tuples(st.sampled_from(PEOPLE), st.sampled_from(["friend", "follows", "likes"]),
                 st.sampled_from(PEOPLE))  # fmt: skip


@hypothesis(deadline=None)
@given(
    st.lists(acts, max_size=60),
    st.lists(ties, max_size=12),
    st.sampled_from(["auto", "random", "latest", "last", "cold-users"]),
    st.sampled_from([0.1, 0.3, 0.7]),
    st.integers(0, 3),
)
def test_every_split_is_sound(
    events: list[Act], links: list[tuple[str, str, str]], split: str, share: float, seed: int
) -> None:
    """Users ascend, each has something to find and something left, and no pair is in both."""
    data = dataset(events, ITEMS[:5], PEOPLE)
    known = training(data, WORLD, Links.of(links), split=split, share=share, seed=seed)
    for validation in validations(known):
        assert len(validation.users)
        assert (np.diff(validation.users) > 0).all()
        rest, left = validation.training.data, validation.training.links
        counts = sum(matrix.getnnz(axis=1) for matrix in validation.relevant.values())
        assert (np.asarray(counts) > 0).all()
        around = {left.names.ids[row] for row in (*left.subject, *left.object)}
        for row in validation.users.tolist():
            assert row in rest.user or data.users.ids[row] in around
        assert len(rest) < len(data) or len(left) < len(known.links)
        for name, matrix in validation.relevant.items():
            size = len(data.users if name == "social" else data.items)
            assert matrix.shape == (len(validation.users), size)
            assert (matrix.data == 1).all()
            held = found(validation, name)
            readable = known.settings.readable(name)
            assert readable == WORLD.keys()
            assert not held & pairs(rest)
            befriended = {(s, t) for s, _, t in links} | {(t, s) for s, _, t in links}
            assert held <= pairs(data) | (befriended if name == "social" else set())
        late = rest.timestamp[~np.isnan(rest.timestamp)] > validation.training.now
        assert not late.any()
        assert validation.training.now <= NOW + DAY
