from __future__ import annotations

import pytest

from polyscene.data.schema import Relation, User
from polyscene.engine import Engine
from tiny_world import NOW, USERS, Maker, act, ids, put

ALL = {user.user_id for user in USERS}


def related(subject: str, predicate: str, object: str) -> Relation:
    return Relation(subject=subject, predicate=predicate, object=object)


@pytest.mark.parametrize("user", sorted(ALL))
def test_never_oneself(world: Engine, user: str) -> None:
    assert user not in ids(world.recommend(user, "social", 50, now=NOW))


def test_people_with_the_same_interests_come_first(make: Maker) -> None:
    """fan says what ann buys; ann is nearest to them, and the other way round."""
    fan = User(user_id="fan", tags=["green tea from Hangzhou"])
    engine = make(users=[*USERS, fan])
    assert ids(engine.recommend("fan", "social", 1, now=NOW)) == ["ann"]
    assert ids(engine.recommend("ann", "social", 1, now=NOW)) == ["fan"]


def test_people_followed_in_events_are_left_out(world: Engine) -> None:
    """ann follows di; di may still be offered ann."""
    assert "di" not in ids(world.recommend("ann", "social", 50, now=NOW))
    assert "ann" in ids(world.recommend("di", "social", 50, now=NOW))


@pytest.mark.parametrize("predicate", ["follow", "follows"])
def test_people_followed_in_relations_are_left_out(make: Maker, predicate: str) -> None:
    engine = make(relations=[related("ann", predicate, "bo")])
    assert "bo" not in ids(engine.recommend("ann", "social", 50, now=NOW))
    assert "ann" in ids(engine.recommend("bo", "social", 50, now=NOW))


@pytest.mark.parametrize("predicate", ["friend", "friends", "knows"])
def test_friendship_counts_in_both_directions(make: Maker, predicate: str) -> None:
    engine = make(relations=[related("ann", predicate, "bo")])
    assert "bo" not in ids(engine.recommend("ann", "social", 50, now=NOW))
    assert "ann" not in ids(engine.recommend("bo", "social", 50, now=NOW))


@pytest.mark.parametrize("seen", ["exclude", "include"])
@pytest.mark.parametrize("predicate", ["block", "blocks"])
def test_blocked_people_never_meet(make: Maker, predicate: str, seen: str) -> None:
    """In both directions, whatever the seen policy says."""
    engine = make(
        {"social": {"preset": "social", "seen": seen}}, events=[],
        relations=[related("ann", predicate, "bo")],
    )  # fmt: skip
    assert "bo" not in ids(engine.recommend("ann", "social", 50, now=NOW))
    assert "ann" not in ids(engine.recommend("bo", "social", 50, now=NOW))


@pytest.mark.parametrize("seen", ["exclude", "include"])
def test_a_block_told_as_an_event_keeps_both_apart(make: Maker, seen: str) -> None:
    """Whatever the seen policy says; and at once, when it comes after the fit."""
    engine = make(
        {"social": {"preset": "social", "seen": seen}}, events=[act("ann", "bo", "block", "social")]
    )
    assert "bo" not in ids(engine.recommend("ann", "social", 50, now=NOW))
    assert "ann" not in ids(engine.recommend("bo", "social", 50, now=NOW))
    assert "cy" in ids(engine.recommend("bo", "social", 50, now=NOW))
    engine.record(act("cy", "bo", "blocks", "social"))
    assert "cy" not in ids(engine.recommend("bo", "social", 50, now=NOW))


def test_other_relations_do_not_matter(make: Maker) -> None:
    engine = make(relations=[related("ann", "likes", "bo"), related("tea-1", "author", "bo")])
    assert "bo" in ids(engine.recommend("ann", "social", 50, now=NOW))


def test_followed_people_are_shown_when_the_scenario_includes_what_is_seen(make: Maker) -> None:
    engine = make({"social": {"preset": "social", "seen": "include"}},
                  relations=[related("ann", "follows", "bo")])  # fmt: skip
    assert {"bo", "di"} <= set(ids(engine.recommend("ann", "social", 50, now=NOW)))


def test_everybody_else_is_found_when_enough_are_asked_for(make: Maker) -> None:
    engine = make(relations=[related("ann", "blocks", "bo"), related("cy", "blocks", "ann")])
    assert set(ids(engine.recommend("ann", "social", 50, now=NOW))) == {"wei", "nil"}


def test_a_stranger_gets_the_people_that_trend(world: Engine) -> None:
    """di is the only one who was followed."""
    answer = world.recommend("stranger", "social", 3, now=NOW)
    assert answer.items[0].item_id == "di"
    assert answer.items[0].reason == "Many connect with them now"


def test_people_are_shown_by_name(world: Engine) -> None:
    answer = world.recommend(None, "social", 9, now=NOW)
    titles = {item.item_id: item.title for item in answer.items}
    assert titles["bo"] == "Bo"
    assert titles["nil"] == "nil"


def test_what_was_done_in_private_does_not_bring_people_together(make: Maker) -> None:
    """ann and nil both read of insulin in private: nil stays without a vector."""
    engine = make(events=[act("ann", "heal-1", "read", "health"),
                          act("nil", "heal-1", "read", "health")])  # fmt: skip
    answer = engine.recommend("ann", "social", 9, now=NOW)
    nil = next(item for item in answer.items if item.item_id == "nil")
    assert nil.score == 0
    assert not nil.evidence.support


def by_friends(**club: object) -> dict[str, dict[str, object]]:
    return {
        "social": {"preset": "social", "sources": {"social": 1.0}},
        "club": {"preset": "social", "sources": {"social": 1.0}, **club},
    }


@pytest.mark.parametrize("private", [False, True])
def test_a_follow_in_private_is_no_friendship_elsewhere(make: Maker, private: bool) -> None:
    """ann follows bo in the club, and cy and di have a friend in common with him."""
    around = [related(one, "friend", "wei") for one in ("bo", "cy", "di")]
    engine = make(
        by_friends(private=private), events=[act("ann", "bo", "follow", "club")], relations=around
    )
    scores = {i.item_id: i.score for i in engine.recommend("ann", "social", 9, now=NOW).items}
    assert (scores["cy"] > 0) == (not private)
    assert engine.recommend("ann", "club", 9, now=NOW).items[0].score > 0


def test_people_by_behaviour_for_somebody_without_friends(make: Maker) -> None:
    """cy runs and so does new, who came after the fit; ann is a friend of cy."""
    events = [act("cy", "run-1", scenario=None), act("bo", "map-1", scenario=None)]
    engine = make(by_friends(), events=events, relations=[related("ann", "friend", "cy")])
    put(engine, User(user_id="new"), act("new", "run-1", scenario=None))
    items = engine.recommend("new", "social", 9, now=NOW).items
    assert [item.item_id for item in items if item.score > 0] == ["cy", "ann"]


def test_the_reason_for_a_person_is_the_history_they_are_near_to(make: Maker) -> None:
    engine = make(events=[act("ann", "tea-1"), act("nil", "tea-1")], users=USERS)
    answer = engine.recommend("ann", "social", 1, now=NOW)
    assert ids(answer) == ["nil"]
    assert answer.items[0].reason == (
        "You bought “Green tea from Hangzhou”, which brings you near to this person"
    )


def test_similar_people(world: Engine) -> None:
    assert ids(world.similar("cy", "social", 1)) == ["di"]
    assert "cy" not in ids(world.similar("cy", "social", 50))


def test_people_who_come_after_the_fit_are_taken_in(make: Maker) -> None:
    engine = make()
    put(engine, User(user_id="late", tags=["maps"], name="Late"))
    engine.ingest()
    assert "late" in ids(engine.recommend("bo", "social", 2, now=NOW))
    assert "bo" in ids(engine.recommend("late", "social", 2, now=NOW))
