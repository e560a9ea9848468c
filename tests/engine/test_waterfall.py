"""The waterfall: sources, tasks, reward, rules, rank."""

from __future__ import annotations

import json

import pytest

from polyscene.data.schema import Item
from polyscene.engine.waterfall import OTHERS
from tiny_world import NOW, Maker, act


def test_every_step_stands_with_its_value_and_place(make: Maker) -> None:
    """Green tea is nearer but costs 1; the kettle costs 9; a boost brings the cup to the top."""
    items = [
        Item(item_id="near", title="green tea", price=1),
        Item(item_id="kettle", title="green tea kettle", price=9),
        Item(item_id="cup", title="tea cup", price=2),
        Item(item_id="old", title="green tea"),
    ]
    shop = {
        "preset": "shop",
        "reward": "similarity * price",
        "rules": [{"boost": 'item_id == "cup"', "factor": 100.0}],
    }
    engine = make({"shop": shop}, items=items, events=[act("nil", "old")])
    cup, kettle, near = engine.recommend("nil", "shop", 3, now=NOW).items
    assert [item.item_id for item in (cup, kettle, near)] == ["cup", "kettle", "near"]
    assert cup.waterfall is not None
    assert kettle.waterfall is not None
    assert near.waterfall is not None
    assert near.waterfall.fused_place == 1
    assert (near.waterfall.value_place or 0) > 1
    assert near.waterfall.fused == pytest.approx(near.sources["semantic-soft"])
    assert kettle.waterfall.value == pytest.approx(9 * kettle.sources["semantic-soft"])
    assert kettle.waterfall.value_place == 1
    assert cup.waterfall.reward == "similarity * price"
    assert cup.waterfall.score == pytest.approx(100 * (cup.waterfall.value or 0))
    assert "boosted" in cup.waterfall.rules[0]
    assert [item.waterfall.place for item in (cup, kettle, near) if item.waterfall] == [1, 2, 3]


def test_tasks_stand_where_they_are_asked_for(make: Maker) -> None:
    """Only what was learned is a probability; without `explain` nothing is asked for."""
    shop = {"preset": "shop", "sources": {"semantic-soft": "auto", "fresh": "auto"}}
    engine = make({"shop": shop, "news": {"preset": "news"}})
    silent = engine.recommend("ann", "shop", 2, now=NOW).items[0]
    told = engine.recommend("ann", "shop", 2, now=NOW, explain=True)
    assert silent.waterfall is not None
    assert told.items[0].waterfall is not None
    assert silent.waterfall.tasks == {}
    assert told.items[0].waterfall.tasks == {}
    plain = json.loads(json.dumps(told.to_dict(), allow_nan=False))
    assert plain["items"][0]["waterfall"]["place"] == 1


def test_where_the_similarity_stands_in_for_a_task_is_told(make: Maker) -> None:
    """For the tasks of the reward, with or without `explain`; not for what fills the list up."""
    engine = make({"shop": {"preset": "shop", "reward": "purchase - 0.5*dislike"}})
    for explain in (False, True):
        for user, unlearned in (("ann", ("purchase", "dislike")), (None, ())):
            first = engine.recommend(user, "shop", 1, now=NOW, explain=explain).items[0].waterfall
            assert first is not None
            assert (first.tasks, first.unlearned) == ({}, unlearned)


def test_what_fills_up_has_no_value(make: Maker) -> None:
    engine = make()
    last = engine.recommend(None, "shop", 50, now=NOW).items[-1]
    assert last.waterfall is not None
    assert (last.waterfall.value, last.waterfall.value_place) == (None, None)
    assert last.waterfall.fused is None
    assert last.waterfall.reward == "sim * constant"


def test_what_others_did_to_a_place_is_told(make: Maker) -> None:
    """A pin in front: what follows was touched by nothing, and stands one place lower."""
    pinned = {"preset": "shop", "rules": [{"pin": "mug", "position": 1}]}
    items = [
        Item(item_id="old", title="green tea"),
        Item(item_id="near", title="green tea kettle"),
        Item(item_id="mug", title="stoneware mug"),
    ]
    plain, told = (
        make({"shop": spec}, items=items, events=[act("nil", "old")])
        .recommend("nil", "shop", 2, now=NOW)
        .items
        for spec in ({"preset": "shop"}, pinned)
    )
    falls = [item.waterfall for item in (plain[0], told[1])]
    assert [item.item_id for item in (plain[0], told[1])] == ["near", "near"]
    assert [fall and (fall.place, fall.rules) for fall in falls] == [(1, ()), (2, (OTHERS,))]
