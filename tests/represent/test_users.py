from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planes import DAY, NOW, dataset, settings
from polyscene.component import History, Vectors
from polyscene.data.dataset import IdMap
from polyscene.data.schema import Event, User
from polyscene.represent.deeds import Deeds, DeedsOfAll
from polyscene.represent.people import person_vectors
from polyscene.represent.strength import Strengths
from polyscene.represent.users import (
    gather_histories,
    gather_history,
    interest_vectors,
    user_vectors,
)
from polyscene.represent.whiten import Transform
from polyscene.settings import Settings, UserVectors
from polyscene.testing.word_encoder import WordEncoder

AXES = np.eye(4, dtype=np.float32)
NOTHING = np.zeros(4, np.float32)
USUAL = UserVectors()
ITEMS = IdMap(["i0", "i1", "i2", "i3"])
IDENTITY = Transform({"item": np.zeros(64, np.float32)}, np.eye(64, dtype=np.float32))


def event(item: str, action: str = "like", days: float | None = 0, **fields: Any) -> Event:
    time = None if days is None else NOW - days * DAY
    return Event(user_id="u", item_id=item, action=action, timestamp=time, **fields)


def gather(
    events: list[Event], declared: Settings | None = None, tags: Sequence[int] = ()
) -> History:
    """The history in `here` of events given newest first; some rows are tags."""
    declared = declared or settings(
        here={"half_life_days": 10, "actions": {"like": 1, "view": 0.4, "dislike": -1}}
    )
    deeds = Deeds.of(events, ITEMS, np.isin(np.arange(4), tags))
    return gather_history(deeds, AXES, Strengths(declared, "here"), declared.scenario("here"), NOW)


def vector(past: History, stated: Vectors = NOTHING, weights: UserVectors = USUAL) -> Vectors:
    """The vector of one user."""
    return user_vectors([past], stated[None], weights)[0]


class TestHistory:
    def test_one_entry_a_distinct_item_the_latest_first(self) -> None:
        found = gather([event("i2", days=1), event("i0", days=2), event("i2", days=3)])
        assert found.rows.tolist() == [2, 0]
        np.testing.assert_array_equal(found.vectors, AXES[[2, 0]])

    def test_order_is_by_time_not_by_arrival(self) -> None:
        found = gather([event("i0", days=9), event("i1", days=1), event("i2", days=5)])
        assert found.rows.tolist() == [1, 2, 0]

    def test_strength_is_the_sum_of_decayed_weights(self) -> None:
        """view today 0.4 + like 10 days ago 1/2 = 0.9; like 20 days ago 1/4; scaled by 0.9."""
        found = gather([event("i1", "view"), event("i1", days=10), event("i0", days=20)])
        np.testing.assert_allclose(found.strengths, [1.0, 0.25 / 0.9], atol=1e-6)

    def test_undecayed_is_the_sum_of_plain_weights(self) -> None:
        """view 0.4 + like 1 = 1.4; like 1, however long ago; scaled by 1.4."""
        found = gather([event("i1", "view"), event("i1", days=10), event("i0", days=20)])
        np.testing.assert_allclose(found.undecayed, [1.0, 1 / 1.4], atol=1e-6)

    def test_a_dislike_is_negative_and_weighs_against_a_like(self) -> None:
        """like 1 and dislike 10 days ago 1/2 leave 1/2; a dislike alone is -1."""
        found = gather([event("i0"), event("i0", "dislike", 10), event("i1", "dislike")])
        strengths = dict(zip(found.rows.tolist(), found.strengths.tolist(), strict=True))
        assert strengths == pytest.approx({0: 0.5, 1: -1.0})

    def test_events_without_a_time_do_not_decay_and_are_the_oldest(self) -> None:
        """Among themselves the first given is the latest, as the store gives them."""
        found = gather([event("i3", days=50), event("i1", days=None), event("i0", days=None)])
        assert found.rows.tolist() == [3, 1, 0]
        np.testing.assert_allclose(found.strengths, [2**-5, 1, 1])

    def test_only_the_latest_distinct_items_are_kept(self) -> None:
        """recent = 2 keeps the two latest, with all events on them."""
        declared = settings(here={"half_life_days": 10, "users": {"recent": 2}})
        events = [
            event("i0", days=1),
            event("i1", days=2),
            event("i2", days=3),
            event("i0", days=9),
        ]
        found = gather(events, declared)
        assert found.rows.tolist() == [0, 1]
        assert found.strengths[0] > found.strengths[1]

    def test_the_action_told_is_the_strongest_and_the_latest_of_equals(self) -> None:
        found = gather([event("i0", "view"), event("i0", "like", 1), event("i0", "view", 2)])
        assert list(found.actions) == ["like"]
        equal = settings(here={"actions": {"a": 1, "b": 1}, "half_life_days": 10})
        assert gather([event("i0", "b", None), event("i0", "a", None)], equal).actions[0] == "b"

    def test_the_scenario_told_is_that_of_the_same_event(self) -> None:
        declared = settings(here={"actions": {"like": 1, "view": 0.1}}, there={})
        events = [
            event("i0", "view", scenario="here"),
            event("i0", "like", scenario="there"),
            event("i1", "like"),
        ]
        found = gather(events, declared)
        told = dict(zip(found.rows.tolist(), found.scenarios, strict=True))
        assert told == {0: "there", 1: None}

    def test_unreadable_scenarios_and_unknown_items_are_left_out(self) -> None:
        declared = settings(here={"reads": []}, secret={})
        events = [event("i0", scenario="secret"), event("i1", scenario="here"), event("gone")]
        assert gather(events, declared).rows.tolist() == [1]

    @pytest.mark.parametrize(
        ("target", "rows"), [("content", [0]), ("person", [0]), ("tag", [3, 0])]
    )
    def test_tags_are_told_where_tags_are_recommended(self, target: str, rows: list[int]) -> None:
        """What was done with items is told everywhere."""
        events = [event("i3", days=1), event("i0", days=2)]
        assert gather(events, settings(here={"target": target}), tags=[3]).rows.tolist() == rows

    def test_posts_are_what_was_done_about_contexts_the_latest_first(self) -> None:
        """i3 given to i0 twice and to i1; i2 is no tag, and what was taken back was never given."""
        events = [
            event("i3", days=1, context="i0"),
            event("i3", "dislike", days=2, context="i2"),
            event("i3", days=3, context="i2"),
            event("i3", days=4, context="i1"),
            event("i3", days=5, context="i0"),
            event("i2", days=6, context="i0"),
            event("i3", days=7),
            event("i3", days=8, context="unknown"),
        ]
        spec = {"actions": {"like": 1, "dislike": -1}}
        tags = gather(events, settings(here=spec | {"target": "tag"}), tags=[3]).posts
        assert (tags.contexts.tolist(), tags.targets.tolist()) == ([0, 1], [3, 3])
        items = gather(events, settings(here=spec), tags=[3]).posts
        assert (items.contexts.tolist(), items.targets.tolist()) == ([0], [2])

    def test_no_events_give_an_empty_history(self) -> None:
        found = gather([])
        assert len(found) == 0
        assert found.vectors.shape == (0, 4)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["i0", "i1", "i2", "i3", "gone"]),
                st.sampled_from(["like", "view", "dislike"]),
                st.none() | st.integers(0, 40),
            ),
            max_size=12,
        )
    )
    def test_both_ways_to_gather_deeds_agree(self, acts: list[tuple[str, str, int | None]]) -> None:
        """From records as the store gives them, and from all events as arrays: one history."""
        data = dataset(
            [("u", item, action, None, days) for item, action, days in acts if item != "gone"],
            items=ITEMS.ids,
            users=["u"],
        )
        newest_first = sorted(
            (event(item, action, days) for item, action, days in reversed(acts)),
            key=lambda e: -np.inf if e.timestamp is None else e.timestamp,
            reverse=True,
        )
        declared = settings(here={"actions": {"like": 1, "view": 0.4, "dislike": -1}})
        one = gather(newest_first, declared)
        deeds, strengths = DeedsOfAll(data)[0], Strengths(declared, "here")
        other = gather_history(deeds, AXES, strengths, declared.scenario("here"), NOW)
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_allclose(one.strengths, other.strengths, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(one.undecayed, other.undecayed, rtol=1e-5, atol=1e-7)
        assert list(one.actions) == list(other.actions)
        if not any(item != "gone" for item, *_ in acts):
            assert len(one) == 0


def test_many_users_have_the_histories_they_have_alone() -> None:
    """Deeds with codes of their own, some empty, one after the other."""
    declared = settings(
        here={"half_life_days": 10, "actions": {"like": 1, "view": 0.4, "dislike": -1}}, there={}
    )
    spec, strengths = declared.scenario("here"), Strengths(declared, "here")
    users = [
        [event("i2", "view", days=3), event("i0", days=1, scenario="there")],
        [],
        [event("i0", "dislike", days=2, context="i1"), event("i0", "like", context="i2")],
        [event("i1", "like", days=None, scenario="here"), event("gone")],
    ]
    deeds = [Deeds.of(own, ITEMS, np.zeros(4, np.bool_)) for own in users]
    many = gather_histories(*Deeds.joined(deeds), AXES, strengths, spec, NOW)
    assert [history.rows.tolist() for history in many] == [[0, 2], [], [0], [1]]
    for own, found in zip(deeds, many, strict=True):
        alone = gather_history(own, AXES, strengths, spec, NOW)
        assert found.rows.tolist() == alone.rows.tolist()
        np.testing.assert_allclose(found.strengths, alone.strengths, rtol=1e-6)
        np.testing.assert_allclose(found.undecayed, alone.undecayed, rtol=1e-6)
        assert list(found.actions) == list(alone.actions)
        assert list(found.scenarios) == list(alone.scenarios)
        assert found.posts.contexts.tolist() == alone.posts.contexts.tolist()
        assert found.posts.targets.tolist() == alone.posts.targets.tolist()
    assert list(many[0].scenarios) == ["there", None]
    assert many[2].posts.contexts.tolist() == [2]


def test_nobody_at_all_has_no_history() -> None:
    declared = settings(here={})
    joined = Deeds.joined([])
    strengths = Strengths(declared, "here")
    assert gather_histories(*joined, AXES, strengths, declared.scenario("here"), NOW) == []


def test_deeds_of_all_leave_events_on_people_out() -> None:
    data = dataset(
        [("a", "b", "follow", None, 0), ("b", "i1", "like", None, 0), ("b", "i0", "like", None, 0)],
        items=["i0", "i1"],
    )
    deeds, row = DeedsOfAll(data), data.users.row("b")
    assert deeds.active().tolist() == [row]
    assert deeds[row].rows.tolist() == [0, 1]  # the last to arrive comes first
    assert len(deeds[data.users.row("a")].rows) == 0


def test_nobody_has_no_deeds() -> None:
    """Row -1 is nobody, not the last user."""
    data = dataset([("a", "i0", "like", None, 0)], items=["i0"])
    assert len(DeedsOfAll(data)[-1].rows) == 0
    assert len(DeedsOfAll(dataset([]))[-1].rows) == 0
    assert DeedsOfAll(dataset([])).active().tolist() == []


class TestVectors:
    def test_behaviour_is_the_normalised_sum_of_strength_times_vector(self) -> None:
        """3·e0 + 4·e1 → (0.6, 0.8)."""
        past = gather([event("i0"), event("i1")])
        past.strengths[:] = [3, 4]
        np.testing.assert_allclose(vector(past), [0.6, 0.8, 0, 0], atol=1e-6)

    def test_dislikes_point_away(self) -> None:
        past = gather([event("i0"), event("i1", "dislike")])
        found = vector(past)
        assert found[0] > 0 > found[1]

    def test_stated_and_behaviour_are_added_with_their_weights(self) -> None:
        """Stated e0 with weight 3, behaviour e1 with weight 4: u = (0.6, 0.8)."""
        past = gather([event("i1")])
        weights = UserVectors(tags=3, description=3, behaviour=4)
        np.testing.assert_allclose(vector(past, AXES[0], weights), [0.6, 0.8, 0, 0], atol=1e-6)

    def test_what_a_user_lacks_leaves_them_to_the_rest(self) -> None:
        """Only tags: the tags. Only behaviour: the behaviour. Nothing: zero."""
        nobody = gather([])
        np.testing.assert_allclose(vector(nobody, AXES[0]), AXES[0])
        np.testing.assert_allclose(vector(gather([event("i1")])), AXES[1])
        assert not vector(nobody).any()

    def test_a_weight_of_zero_turns_a_part_off(self) -> None:
        past = gather([event("i1")])
        np.testing.assert_allclose(vector(past, AXES[0], UserVectors(behaviour=0)), AXES[0])
        off = UserVectors(tags=0, description=0)
        np.testing.assert_allclose(vector(past, AXES[0], off), AXES[1])

    def test_interests_are_the_mean_of_tag_vectors_and_the_description(self) -> None:
        encoder = WordEncoder()
        both = User(user_id="u", tags=["tea", "maps"], description="old ships")
        tags = User(user_id="v", tags=["tea", "maps"])
        words = User(user_id="w", description="old ships")
        nobody = User(user_id="x")
        users = [both, tags, nobody, words]
        found = interest_vectors(users, encoder, IDENTITY, UserVectors(tags=2, description=1))
        tea, maps, ships = encoder.encode(["tea", "maps", "old ships"])
        t = (tea + maps) / np.linalg.norm(tea + maps)
        expected = 2 * t + ships
        np.testing.assert_allclose(found[0], expected / np.linalg.norm(expected), atol=1e-5)
        np.testing.assert_allclose(found[1], t, atol=1e-5)
        assert not found[2].any()
        np.testing.assert_allclose(found[3], ships, atol=1e-5)


def test_people_as_targets_are_the_vectors_they_have_as_users() -> None:
    """Of what they state, of what they did where the scenario may read it, or zero."""
    declared = settings(
        friends={"target": "person"}, shop={}, health={"private": True, "reads": []}
    )
    encoder = WordEncoder()
    things = encoder.encode(["green tea", "old maps", "insulin"])
    data = dataset(
        [
            ("anna", "tea", "like", "shop", 1),
            ("bo", "insulin", "like", "health", 1),
            ("gone", "tea", "like", "shop", 1),
        ],
        items=["tea", "maps", "insulin"],
    )
    people = [User(user_id="anna"), User(user_id="bo"), User(user_id="cy", tags=["maps"])]
    everyone = DeedsOfAll(data)
    deeds = [(data.users.ids[row], everyone[row]) for row in everyone.active()]
    found = person_vectors(people, deeds, things, encoder, IDENTITY, declared, "friends", NOW)
    np.testing.assert_allclose(found[0], things[0], atol=1e-6)
    assert not found[1].any(), "what is private must not leak into who is recommended"
    np.testing.assert_allclose(found[2], encoder.encode(["maps"])[0], atol=1e-6)
