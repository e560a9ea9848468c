"""Cold everything: each of these users and items gets a sensible answer."""

from __future__ import annotations

import pytest

from polyscene.data.schema import Item, User
from polyscene.engine import Engine
from tiny_world import EVENTS, ITEMS, NOW, USERS, Maker, act, ids


def test_a_user_with_only_tags_is_served_by_the_tags(make: Maker) -> None:
    engine = make(users=[*USERS, User(user_id="new", tags=["maps"])])
    answer = engine.recommend("new", "shop", 3, now=NOW)
    assert {name.split("-")[0] for name in ids(answer)} == {"map"}
    assert answer.notes == []
    assert all(item.reason.startswith("Matches what you say you like") for item in answer.items)
    assert all(not item.evidence.support for item in answer.items)


def test_a_user_with_only_a_description_is_served_by_it(make: Maker) -> None:
    engine = make(users=[*USERS, User(user_id="new", description="Running on trails.")])
    assert set(ids(engine.recommend("new", "shop", 2, now=NOW))) == {"run-1", "run-2"}


def test_a_user_with_only_one_event_is_served_by_it(make: Maker) -> None:
    """In each source, and with the one event as the reason."""
    for source in ("semantic-mean", "semantic-multi", "semantic-soft"):
        engine = make({"shop": {"preset": "shop", "sources": {source: 1.0}}})
        answer = engine.recommend("cy", "shop", 1, now=NOW)
        assert ids(answer) == ["run-2"]
        assert answer.items[0].reason == "You bought “Running shoes for trails”; shared: running"


def test_one_event_without_a_time_counts_as_well(make: Maker) -> None:
    engine = make(events=[act("nil", "map-1", days=None, scenario=None)])
    assert set(ids(engine.recommend("nil", "shop", 2, now=NOW))) == {"map-2", "map-3"}


@pytest.mark.parametrize("user", ["stranger", None, "nil"])
def test_somebody_of_whom_nothing_is_known_gets_what_trends_then_the_rest(
    world: Engine, user: str | None
) -> None:
    """Trending first, then what is new, and the note says so."""
    answer = world.recommend(user, "shop", 12, now=NOW)
    assert len(answer.items) == 12
    trending = [item for item in answer.items if "trending" in item.sources]
    assert answer.items[: len(trending)] == trending
    assert {item.item_id for item in trending} == {
        event.item_id for event in EVENTS if event.scenario == "shop"
    }
    assert any("nothing is known" in note for note in answer.notes)
    assert any("unknown" in note for note in answer.notes) == (user == "stranger")
    scores = [item.score for item in answer.items]
    assert scores == sorted(scores, reverse=True)


def test_an_unknown_user_leaves_no_trace_in_the_store(world: Engine) -> None:
    before = world.workspace.store.counts()
    world.recommend("stranger", "shop", now=NOW)
    assert world.workspace.store.counts() == before


def test_a_world_without_any_event_answers_too(make: Maker) -> None:
    """News without events: the newest first."""
    engine = make(events=[])
    assert ids(engine.recommend(None, "news", 3, now=NOW)) == ["news-1", "news-2", "news-3"]
    assert engine.recommend(None, "news", 1, now=NOW).items[0].reason == "Just published"


def test_a_world_without_users_answers_too(make: Maker) -> None:
    engine = make(users=[], events=[])
    assert len(engine.recommend(None, "shop", 5, now=NOW).items) == 5
    assert engine.recommend("stranger", "social", 5, now=NOW).items == []


def test_an_item_with_only_a_title_and_one_without_any_text_are_found(make: Maker) -> None:
    """The title counts as all there is; without text an item comes last, but it comes."""
    extra = [Item(item_id="bare", title="Baltic map"), Item(item_id="empty")]
    engine = make(items=[*ITEMS, *extra])
    found = ids(engine.recommend("bo", "shop", 20, now=NOW))
    assert found.index("bare") < 3
    assert found[-1] == "empty"


def test_an_empty_description_is_no_text(make: Maker) -> None:
    engine = make(items=[*ITEMS, Item(item_id="blank", title="Paper map", description="  ")])
    assert "blank" in ids(engine.recommend("bo", "shop", 3, now=NOW))


def test_languages_mix(world: Engine) -> None:
    """A Chinese reader with Chinese tags gets Chinese tea first, with a Chinese reason."""
    answer = world.recommend("wei", "shop", 3, now=NOW)
    assert ids(answer)[0] == "zh-2"
    assert answer.items[0].reason == "你购买了「龙井绿茶」；共同点：茶"


def test_a_user_who_only_dislikes_gets_the_trend_without_it(make: Maker) -> None:
    engine = make(events=[*EVENTS, act("nil", "run-1", "dislike")])
    answer = engine.recommend("nil", "shop", 3, now=NOW)
    assert len(answer.items) == 3
    assert "run-1" not in ids(answer)


def test_one_item_is_a_world(make: Maker) -> None:
    engine = make({"shop": {"preset": "shop"}}, items=[Item(item_id="only", title="One")],
                  users=[], events=[])  # fmt: skip
    assert ids(engine.recommend(None, "shop", 5, now=NOW)) == ["only"]
    assert ids(engine.similar("only", "shop")) == []
