"""Events recorded by the engine: which are taken, and what they change."""

from __future__ import annotations

import pytest

from polyscene.data.schema import Item, User
from polyscene.engine import Engine
from polyscene.errors import DataError
from tiny_world import EVENTS, ITEMS, NOW, SCENARIOS, USERS, Maker, act, ids, reopen


def named(engine: Engine, user: str, scenario: str) -> set[str]:
    """The history that the reasons of a long answer rest on."""
    answer = engine.recommend(user, scenario, 50, now=NOW)
    return {support.item_id for item in answer.items for support in item.evidence.support}


@pytest.mark.parametrize("scenario", ["shop", "news", None, "undeclared"])
def test_a_person_is_no_target_outside_scenarios_of_people(
    make: Maker, scenario: str | None
) -> None:
    """bo is a user, not an item: an event on bo is refused and leaves nothing."""
    engine = make()
    with pytest.raises(DataError, match="'bo'"):
        engine.record(act("ann", "bo", "view", scenario))
    assert engine.workspace.store.counts().events == len(EVENTS)


def test_a_refused_event_makes_no_user(make: Maker) -> None:
    engine = make()
    with pytest.raises(DataError, match="'nothing'"):
        engine.record(act("brand new", "nothing"))
    assert engine.workspace.store.user("brand new") is None
    assert engine.recommend("brand new", "shop", now=NOW).notes[0] == "user 'brand new' is unknown"


def test_following_somebody_takes_them_off_the_list(make: Maker) -> None:
    engine = make()
    first = ids(engine.recommend("cy", "social", 50, now=NOW))[0]
    assert engine.record(act("cy", first, "follow", "social", days=0))
    after = ids(engine.recommend("cy", "social", 50, now=NOW))
    assert first not in after
    assert set(after) == {user.user_id for user in USERS} - {"cy", first}


def test_somebody_unknown_cannot_be_followed(make: Maker) -> None:
    engine = make()
    with pytest.raises(DataError, match="unknown target 'who'"):
        engine.record(act("ann", "who", "follow", "social"))
    assert engine.workspace.store.user("who") is None


def test_an_event_in_private_stays_there(make: Maker) -> None:
    """Read in health: it is a ground there, and nowhere else."""
    engine = make()
    before = engine.recommend("di", "shop", 50, now=NOW).rows()
    engine.record(act("di", "heal-2", "read", "health", days=0))
    assert "heal-2" not in ids(engine.recommend("di", "health", 50, now=NOW))
    assert named(engine, "di", "health") == {"heal-2"}
    assert engine.recommend("di", "shop", 50, now=NOW).rows() == before
    for scenario in ("shop", "news", "travel", "social"):
        assert "heal-2" not in named(engine, "di", scenario)


def test_an_event_in_the_open_changes_other_scenarios(make: Maker) -> None:
    engine = make()
    engine.record(act("nil", "tea-1", "purchase", "shop", days=0))
    answer = engine.recommend("nil", "travel", 1, now=NOW)
    assert ids(answer) == ["trip-1"]
    assert answer.items[0].reason.startswith("You bought “Green tea from Hangzhou”")


def test_it_needs_no_model_and_the_next_engine_knows(make: Maker) -> None:
    engine = make(fit=False)
    assert engine.record(act("nil", "map-1", days=0))
    with reopen(engine.workspace.path) as other:
        other.fit(now=NOW)
        assert set(ids(other.recommend("nil", "shop", 2, now=NOW))) == {"map-2", "map-3"}


def test_an_item_that_came_after_the_fit_can_be_acted_on_at_once(make: Maker) -> None:
    """It is known to the store before the running model takes it in; then it is a ground."""
    engine = make()
    engine.recommend("nil", "shop", now=NOW)
    with engine.workspace.store.write() as writer:
        writer.put_items([Item(item_id="late", title="Old map of Porto")])
    assert engine.record(act("nil", "late", days=0))
    assert "late" not in named(engine, "nil", "shop")
    engine.ingest()
    assert set(ids(engine.recommend("nil", "shop", 3, now=NOW))) == {"map-1", "map-2", "map-3"}
    assert named(engine, "nil", "shop") == {"late"}


class TestSimilar:
    def test_what_the_scenario_may_not_show_is_left_out_but_may_be_asked_about(
        self, make: Maker
    ) -> None:
        """A sold-out map still leads to other maps, and is never among them."""
        items = [*ITEMS, Item(item_id="gone", title="Old map of Porto", available=False)]
        engine = make(items=items)
        assert set(ids(engine.similar("gone", "shop", 3))) == {"map-1", "map-2", "map-3"}
        assert "gone" not in ids(engine.similar("map-1", "shop", 50))

    def test_doubles_come_once(self, make: Maker) -> None:
        twin = Item(item_id="twin", title="Old map of Lisbon harbour", tags=["maps", "paper"])
        engine = make(items=[*ITEMS, twin])
        found = ids(engine.similar("map-1", "shop", 50))
        assert len({"twin", "map-2"} & set(found)) == 1

    def test_the_reasons_are_the_shared_tags_and_nothing_else(self, world: Engine) -> None:
        tags = {item.item_id: set(item.tags) for item in ITEMS}
        for name in tags:
            for found in world.similar(name, "shop", 50).items:
                assert set(found.evidence.tags) == tags[name] & tags[found.item_id]
                assert not found.evidence.support
                assert not found.evidence.stated
                assert bool(found.reason) == bool(found.evidence.tags)

    def test_n_is_the_length_of_the_list(self, world: Engine) -> None:
        everything = ids(world.similar("map-1", "shop", 50))
        assert len(everything) == 11
        for n in (1, 4, 11):
            assert ids(world.similar("map-1", "shop", n)) == everything[:n]


class TestTexts:
    def test_a_chinese_user_gets_the_chinese_template(self, world: Engine) -> None:
        assert world.texts(user="wei", scenario="shop") == ["兴趣：茶", "购买了龙井绿茶"]

    def test_of_somebody_with_no_word_and_no_deed_there_are_none(self, world: Engine) -> None:
        assert world.texts(user="nil", scenario="shop") == []

    def test_a_follow_is_no_text(self, world: Engine) -> None:
        """People have no titles that an encoder should read: ann's follow of di is left out."""
        assert not any("di" in text.split() for text in world.texts(user="ann", scenario="social"))

    def test_the_first_scenario_is_the_default(self, world: Engine) -> None:
        first = next(iter(SCENARIOS))
        assert world.texts(user="di") == world.texts(user="di", scenario=first)

    def test_a_long_history_stays_within_the_budget(self, make: Maker) -> None:
        user = User(user_id="busy")
        events = [act("busy", item.item_id, "view", days=n) for n, item in enumerate(ITEMS[:12])]
        engine = make(users=[user], events=events, text={"max_tokens": 12}, fit=False)
        (text,) = engine.texts(user="busy", scenario="shop")
        assert text.startswith("looked at Green tea from Hangzhou")
        assert len(text.split()) <= 13
