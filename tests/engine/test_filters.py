"""What may be shown: n results whenever n exist, and never one that must not be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.data.schema import Item, User
from polyscene.engine import Engine
from tiny_world import EVENTS, ITEMS, NOW, USERS, Maker, act, ids

SHOP = [item.item_id for item in ITEMS if item.kind == "item"]


def shop(**spec: Any) -> dict[str, dict[str, Any]]:
    return {"shop": {"preset": "shop", **spec}}


@pytest.mark.parametrize("scenario", ["shop", "news", "travel", "health"])
def test_only_targets_of_the_scenario_are_shown(world: Engine, scenario: str) -> None:
    kind = world.workspace.settings.scenario(scenario).target
    kinds = {item.item_id: (item.kind, item.scenarios) for item in ITEMS}
    for user in ("ann", "cy", None):
        for name in ids(world.recommend(user, scenario, 50, now=NOW)):
            assert kinds[name][0] == kind
            assert not kinds[name][1] or scenario in kinds[name][1]


@settings(max_examples=40, deadline=None)
@given(
    user=st.sampled_from(["ann", "bo", "cy", "wei", "nil", "stranger", None]),
    targets=st.none() | st.lists(st.sampled_from([*SHOP, "news-1", "no such"])),
    n=st.integers(1, 15),
)
def test_as_many_as_exist_and_no_more_than_asked(
    world: Engine, user: str | None, targets: list[str] | None, n: int
) -> None:
    """min(n, what may be shown) results: allowed, distinct, ranked 1.., scores falling."""
    answer = world.recommend(user, "shop", n, targets=targets, now=NOW)
    bought = {e.item_id for e in EVENTS if e.user_id == user and e.action == "purchase"}
    possible = set(SHOP) - bought
    if targets is not None:
        possible &= set(targets)
    found = ids(answer)
    assert len(found) == len(set(found)) == min(n, len(possible))
    assert set(found) <= possible
    assert [item.rank for item in answer.items] == list(range(1, len(found) + 1))
    scores = [item.score for item in answer.items]
    assert scores == sorted(scores, reverse=True)


def test_the_list_is_full_however_many_are_filtered_or_alike(make: Maker) -> None:
    """2000 items, all but 7 unavailable, doubles or seen: the 7 are found."""
    double = {"title": "Green tea", "description": "The same tea."}
    many = [Item(item_id=f"double-{n}", **double) for n in range(400)]
    many += [Item(item_id=f"gone-{n}", title=f"Tea {n}", available=False) for n in range(1600)]
    many += [Item(item_id=f"odd-{word}", title=word) for word in ("kelp", "onyx", "quill", "zinc")]
    engine = make(
        shop(), items=[*many, *ITEMS[:4]], events=[act("ann", "tea-1"), act("ann", "tea-2")]
    )
    found = ids(engine.recommend("ann", "shop", 10, now=NOW))
    assert len(found) == 7  # one of the doubles, four odd ones, two teas not bought
    assert sum(name.startswith("double") for name in found) == 1
    assert sum(name.startswith("odd") for name in found) == 4
    assert not any(name.startswith("gone") for name in found)


def test_duplicates_are_judged_by_the_threshold_of_the_scenario(make: Maker) -> None:
    """Two texts that differ in one word are the same at 0.5 and distinct at 1."""
    twins = [
        Item(item_id="a", title="Steel tea kettle for two cups of tea"),
        Item(item_id="b", title="Steel tea kettle for six cups of tea"),
        Item(item_id="c", title="Onyx"),
    ]
    strict, loose = (
        make(shop(duplicates={"threshold": value}), items=twins, events=[]) for value in (0.5, 1.0)
    )
    assert len(ids(strict.recommend("ann", "shop", 5, now=NOW))) == 2
    assert len(ids(loose.recommend("ann", "shop", 5, now=NOW))) == 3


class TestSeen:
    def test_what_the_seen_actions_touched_is_left_out(self, world: Engine) -> None:
        """In the shop a purchase is seen, a look is not: tea-1 goes, tea-2 stays."""
        found = ids(world.recommend("ann", "shop", 50, now=NOW))
        assert "tea-1" not in found
        assert "tea-2" in found

    def test_without_seen_actions_every_action_counts(self, make: Maker) -> None:
        engine = make(shop(seen_actions=[]))
        found = ids(engine.recommend("ann", "shop", 50, now=NOW))
        assert not {"tea-1", "tea-2"} & set(found)

    def test_it_can_be_switched_off(self, make: Maker) -> None:
        engine = make(shop(seen="include"))
        assert "tea-1" in ids(engine.recommend("ann", "shop", 50, now=NOW))

    def test_what_was_seen_in_another_scenario_is_seen(self, make: Maker) -> None:
        """A news article that was read in the video scenario is not offered again in the news."""
        both = {"news": {"preset": "news"}, "video": {"preset": "video"}}
        item = Item(item_id="n", kind="content", title="Tea")
        other = Item(item_id="m", kind="content", title="Green tea")
        engine = make(both, items=[item, other], events=[act("ann", "n", "watch", "video")])
        assert ids(engine.recommend("ann", "news", 5, now=NOW)) == ["m"]


class TestScenarios:
    def test_a_private_history_is_not_used_elsewhere(self, make: Maker) -> None:
        """What ann read about insulin changes nothing in the shop, for score or reason."""
        items = [*ITEMS, Item(item_id="pump", title="Insulin pump", tags=["insulin"])]
        with_it, without = (
            make(items=items, events=[e for e in EVENTS if e.scenario != "health" or keep])
            for keep in (True, False)
        )
        first, second = (e.recommend("ann", "shop", 50, now=NOW).rows() for e in (with_it, without))
        assert first == second

    def test_an_isolated_scenario_uses_only_its_own_history(self, world: Engine) -> None:
        """health reads nothing of the shop: its reasons name only what was read there."""
        answer = world.recommend("ann", "health", 5, now=NOW)
        assert ids(answer) == ["heal-2"]
        named = [support.item_id for item in answer.items for support in item.evidence.support]
        assert named == ["heal-1"]
        assert world.recommend("bo", "health", 5, now=NOW).items

    def test_an_open_scenario_uses_the_history_of_others(self, world: Engine) -> None:
        """Tea bought in the shop leads to tea in the news and on the road."""
        assert ids(world.recommend("ann", "news", 1, now=NOW)) == ["news-1"]
        answer = world.recommend("ann", "travel", 1, now=NOW)
        assert ids(answer) == ["trip-1"]
        assert answer.items[0].reason.startswith("You bought “Green tea from Hangzhou”")

    def test_events_without_a_scenario_count_everywhere(self, make: Maker) -> None:
        engine = make(events=[act("nil", "heal-1", "read", None)])
        assert ids(engine.recommend("nil", "health", 1, now=NOW)) == ["heal-2"]

    def test_languages_of_a_scenario_are_kept(self, make: Maker) -> None:
        items = [
            Item(item_id="en", title="Tea", language="en"),
            Item(item_id="zh", title="绿茶", language="zh-CN"),
            Item(item_id="none", title="Cup"),
        ]
        engine = make(shop(languages=["zh"]), items=items, events=[])
        assert set(ids(engine.recommend("ann", "shop", 5, now=NOW))) == {"zh", "none"}

    def test_what_safety_withholds_is_never_shown(self, make: Maker) -> None:
        """Not to a fan, not to a stranger, not as similar, not when named as a target."""
        bad = Item(item_id="bad", title="Green tea, a counterfeit")
        engine = make(items=[*ITEMS, bad])
        for user in ("ann", None):
            assert "bad" not in ids(engine.recommend(user, "shop", 50, now=NOW))
        assert "bad" not in ids(engine.similar("tea-1", "shop", 50))
        assert ids(engine.recommend("ann", "shop", targets=["bad"], now=NOW)) == []


class TestTargets:
    def test_only_these_are_ranked_by_the_same_scores(self, world: Engine) -> None:
        free = {i.item_id: i.score for i in world.recommend("ann", "shop", 50, now=NOW).items}
        answer = world.recommend("ann", "shop", 5, targets=["map-1", "tea-3", "tea-4"], now=NOW)
        assert {i.item_id for i in answer.items} == {"map-1", "tea-3", "tea-4"}
        for item in answer.items:
            if "trending" not in item.sources:
                assert item.score == pytest.approx(free[item.item_id], abs=1e-6)

    def test_seen_unknown_and_foreign_targets_are_left_out(self, world: Engine) -> None:
        targets = ["tea-1", "no such", "news-1", "trip-1", "ann"]
        assert ids(world.recommend("ann", "shop", targets=targets, now=NOW)) == []

    def test_no_targets_give_no_results(self, world: Engine) -> None:
        assert ids(world.recommend("ann", "shop", targets=[], now=NOW)) == []

    def test_people_can_be_targets(self, world: Engine) -> None:
        assert ids(world.recommend("ann", "social", targets=["bo", "ann"], now=NOW)) == ["bo"]


def test_an_id_may_be_that_of_an_item_and_of_a_user(make: Maker) -> None:
    """Buying the item "di" neither hides nor recommends the person "di"."""
    engine = make(
        items=[*ITEMS, Item(item_id="di", title="Die for games")], users=USERS,
        events=[act("cy", "di"), act("cy", "run-1"), act("di", "run-2")],
    )  # fmt: skip
    assert "di" in ids(engine.recommend("cy", "social", 10, now=NOW))
    assert "di" not in ids(engine.recommend("cy", "shop", 50, now=NOW))


def test_a_person_has_no_id_of_their_own_twice(make: Maker) -> None:
    people = [User(user_id=f"u{n}", tags=["tea"]) for n in range(6)]
    engine = make({"social": {"preset": "social"}}, users=people, events=[])
    found = ids(engine.recommend("u0", "social", 10, now=NOW))
    assert sorted(found) == ["u1", "u2", "u3", "u4", "u5"], "alike people are still different"
