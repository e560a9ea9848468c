"""The sample world and its simulated behaviour."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from polyscene.data.schema import Event, Item, Relation, User, parse_timestamp
from polyscene.demo.run import SCENARIOS
from polyscene.demo.simulate import NEWCOMERS, NOW, simulate, write_world
from polyscene.demo.world import World, load_world
from polyscene.rerank.safety import Screen
from polyscene.settings import Scenario, parse_settings


@pytest.fixture(scope="module")
def world() -> World:
    return load_world()


@pytest.fixture(scope="module")
def scenarios() -> dict[str, Scenario]:
    presets = {name: {"preset": name} for name in SCENARIOS}
    return parse_settings({"scenarios": presets}).scenarios


def test_there_are_400_targets_and_every_preset_has_some(world: World) -> None:
    assert len(world.items) >= 400
    shown = Counter(name for item in world.items for name in item["scenarios"])
    assert set(shown) | {"social"} == set(SCENARIOS)
    assert min(shown.values()) >= 50
    assert len(world.users) >= 90


def test_ids_and_titles_are_unique_and_descriptions_are_there(world: World) -> None:
    assert len({item["item_id"] for item in world.items}) == len(world.items)
    assert len({item["title"] for item in world.items}) == len(world.items)
    assert len({user["user_id"] for user in world.users}) == len(world.users)
    assert all(item["description"] for item in world.items)


@pytest.mark.parametrize("scenario", [*sorted(set(SCENARIOS) - {"social"}), "people"])
def test_a_third_is_chinese(world: World, scenario: str) -> None:
    if scenario == "people":
        records = world.users
    else:
        records = [item for item in world.items if scenario in item["scenarios"]]
    share = sum(record["language"] == "zh" for record in records) / len(records)
    assert 0.30 <= share <= 0.37


def test_the_records_are_valid_and_hidden_interests_are_not_among_them(world: World) -> None:
    items = [Item.model_validate(item) for item in world.items]
    users = [User.model_validate(user) for user in world.users]
    assert not any("interests" in record.attributes for record in (*items, *users))
    assert all(world.item_interests)
    assert all(world.user_interests)


def test_activities_have_place_and_time(world: World) -> None:
    trips = [item for item in world.items if item["kind"] == "activity"]
    assert len(trips) >= 50
    for trip in trips:
        assert trip["place"]
        assert parse_timestamp(trip["ends_at"]) >= parse_timestamp(trip["starts_at"])


def test_equal_seeds_give_equal_behaviour_and_others_do_not(world: World) -> None:
    assert simulate(world, 7) == simulate(world, 7)
    assert simulate(world, 7) != simulate(world, 8)


def test_behaviour_is_valid_and_ends_in_time_order_before_now(world: World) -> None:
    events, relations = simulate(world)
    parsed = [Event.model_validate(event) for event in events]
    assert len(parsed) > 3000
    assert len({event.event_id for event in parsed}) == len(parsed)
    times = [event.timestamp or 0 for event in parsed]
    assert times == sorted(times)
    assert times[-1] <= NOW.timestamp()
    assert all(Relation.model_validate(relation).predicate == "follows" for relation in relations)


def test_people_act_on_what_interests_them_and_newcomers_hardly_act(world: World) -> None:
    events, _ = simulate(world)
    interests = dict(
        zip([item["item_id"] for item in world.items], world.item_interests, strict=True)
    )
    likes = dict(zip([u["user_id"] for u in world.users], world.user_interests, strict=True))
    strong = [event for event in events if event["action"] in ("purchase", "like", "book", "enrol")]
    fitting = sum(
        bool(set(interests[event["item_id"]]) & set(likes[event["user_id"]])) for event in strong
    )
    assert fitting / len(strong) > 0.85
    counts = Counter(event["user_id"] for event in events)
    newcomers = [user["user_id"] for user in world.users[-NEWCOMERS:]]
    assert [counts[name] for name in newcomers[: NEWCOMERS // 2]] == [0] * (NEWCOMERS // 2)
    assert max(counts[name] for name in newcomers) < counts["u-001"] / 2


def test_targets_are_of_the_kind_that_their_scenarios_recommend_and_complete(
    world: World, scenarios: dict[str, Scenario]
) -> None:
    for item in map(Item.model_validate, world.items):
        assert item.scenarios
        assert all(scenarios[name].target == item.kind for name in item.scenarios)
        assert len(item.tags) >= 2
        assert item.provider
        assert item.published_at is not None
        assert item.published_at <= NOW.timestamp()


def test_the_text_is_in_the_language_that_is_stated(world: World) -> None:
    for record in (*world.items, *world.users):
        text = record.get("description", "")
        chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in text)
        if record["language"] == "zh":
            assert chinese > len(text) / 2 or not text
        else:
            assert record["language"] == "en"
            assert chinese == 0


def test_safety_withholds_nothing_of_it(world: World, scenarios: dict[str, Scenario]) -> None:
    screens = {name: Screen(spec.safety) for name, spec in scenarios.items()}
    for item in map(Item.model_validate, world.items):
        for name in item.scenarios:
            assert screens[name].withheld(item) is None, item.item_id


def test_activities_are_still_to_come(world: World) -> None:
    for item in world.items:
        if item["kind"] == "activity":
            assert parse_timestamp(item["starts_at"]) > NOW.timestamp()


def test_events_are_on_what_exists_and_not_before_it_appeared(
    world: World, scenarios: dict[str, Scenario]
) -> None:
    """In a scenario that shows the target, with an action that has a weight and two verbs."""
    items = {item.item_id: item for item in map(Item.model_validate, world.items)}
    people = {user["user_id"] for user in world.users}
    for event in map(Event.model_validate, simulate(world)[0]):
        spec = scenarios[event.scenario or ""]
        assert event.user_id in people
        assert event.action in spec.actions
        assert spec.verbs[event.action].keys() >= {"en", "zh"}
        if event.scenario == "social":
            assert event.item_id in people - {event.user_id}
        else:
            item = items[event.item_id]
            assert event.scenario in item.scenarios
            assert (event.timestamp or 0) >= (item.published_at or 0)


def test_the_written_files_are_the_same_each_time_and_hide_the_interests(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = write_world(world, tmp_path / "a", 3), write_world(load_world(), tmp_path / "b", 3)
    assert list(one) == list(two) == ["items", "users", "events", "relations"]
    for kind, path in one.items():
        assert path.read_bytes() == two[kind].read_bytes()
        for line in path.read_text("utf-8").splitlines():
            assert "interests" not in json.loads(line)
