"""Events are durable when acknowledged, count once, and change the next answer."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from typing import Any

import pytest

import tiny_world
from polyscene.data.schema import Event, Item
from polyscene.server.pace import USUAL
from served import PACE, Served, eventually, get, ids
from tiny_world import act

from .conftest import Server


def bought(user: str, item: str, **fields: Any) -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "action": "purchase", "scenario": "shop", **fields}


def test_an_event_changes_the_next_answer(serve: Server) -> None:
    """Cy bought running shoes; after a map, the other maps are in front, with no fit."""
    client = serve()
    before = get(client, "/v1/recommend", scenario="shop", user="cy", n=3)
    assert ids(before)[0] == "run-2"
    again = get(client, "/v1/recommend", scenario="shop", user="cy", n=3)
    assert ids(again) == ids(before)
    done = client.post("/v1/events", json=[bought("cy", "map-1"), bought("cy", "map-2")])
    assert done.json() == {"accepted": 2, "repeated": 0}
    after = get(client, "/v1/recommend", scenario="shop", user="cy", n=3)
    assert "map-3" in ids(after)
    assert {"map-1", "map-2"}.isdisjoint(ids(after))


def test_what_another_process_writes_counts_at_once(serve: Server) -> None:
    client = serve()
    get(client, "/v1/recommend", scenario="shop", user="cy", n=3)
    with tiny_world.reopen(client.service.workspace.path) as other:
        tiny_world.put(other, act("cy", "map-1"), act("cy", "map-2"))
    assert "map-3" in ids(get(client, "/v1/recommend", scenario="shop", user="cy", n=3))


def test_the_last_place_taken_by_one_is_gone_for_all(serve: Server) -> None:
    """An answer that was kept for another user is not given again."""
    trip = Item(item_id="trip", kind="activity", title="A walk", capacity=1)
    client = serve(scenarios={"travel": {"preset": "travel"}}, items=[trip], events=[], pages={})
    assert ids(get(client, "/v1/recommend", scenario="travel", user="ann", n=3)) == ["trip"]
    one = {"user_id": "cy", "item_id": "trip", "scenario": "travel"}
    client.post("/v1/events", json={**one, "action": "book"})
    assert ids(get(client, "/v1/recommend", scenario="travel", user="ann", n=3)) == []
    client.post("/v1/events", json={**one, "action": "cancel"})
    assert ids(get(client, "/v1/recommend", scenario="travel", user="ann", n=3)) == ["trip"]


def test_an_event_counts_once(serve: Server) -> None:
    client = serve()
    one = bought("ann", "map-1", event_id="e1")
    assert client.post("/v1/events", json=one).json() == {"accepted": 1, "repeated": 0}
    assert client.post("/v1/events", json=one).json() == {"accepted": 0, "repeated": 1}
    twice = client.post("/v1/events", json=[one, bought("ann", "map-2", event_id="e2")] * 2)
    assert twice.json() == {"accepted": 1, "repeated": 3}


def test_an_event_without_a_time_happened_now(serve: Server) -> None:
    client = serve()
    client.post("/v1/events", json=bought("nil", "map-1"))
    client.post("/v1/events", json=bought("nil", "map-2", timestamp="2026-01-02"))
    history = client.service.workspace.store.history("nil")
    assert [event.item_id for event in history] == ["map-1", "map-2"]
    assert history[0].timestamp is not None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (bought("ann", "none"), "unknown target 'none'"),
        ([bought("ann", "tea-1"), bought("ann", "none")], "event 1: unknown target"),
        (bought("ann", "bo"), "unknown target 'bo'"),
        (bought("ann", "tea-1", context="none"), "unknown context"),
        (bought("ann", "tea-1", valu=1), "valu"),
        ({"user_id": "ann"}, "item_id"),
        ([], "at least 1"),
        (bought("ann", "tea-1", timestamp="soon"), "timestamp"),
    ],
)
def test_a_wrong_event_is_refused_and_nothing_is_stored(
    world: Served, body: Any, says: str
) -> None:
    before = world.service.workspace.store.counts()
    answer = world.post("/v1/events", json=body)
    assert answer.status_code == 422
    assert says in answer.text
    assert world.service.workspace.store.counts() == before


def test_people_are_targets_where_people_are_recommended(serve: Server) -> None:
    client = serve()
    follow = {"user_id": "new", "item_id": "bo", "action": "follow", "scenario": "social"}
    assert client.post("/v1/events", json=follow).json()["accepted"] == 1
    people = get(client, "/v1/people/new")
    assert "bo" not in ids(people)


def test_writers_at_once_share_a_transaction_and_fail_alone(serve: Server) -> None:
    """Of 200 writers at once, one is wrong: it alone is told, with far fewer commits than 199."""
    client = serve()
    commits = client.service.commits
    seen: list[int] = []
    commits.observe = lambda events, seconds: seen.append(events)

    async def write() -> list[Any]:
        events = [Event(**bought("ann", "tea-1", event_id=str(n))) for n in range(199)]
        events.append(Event(**bought("ann", "none")))
        return await asyncio.gather(
            *(commits.add([event]) for event in events), return_exceptions=True
        )

    outcomes = client.run(write())
    assert [outcome.accepted for outcome in outcomes[:-1]] == [1] * 199
    assert "unknown target" in str(outcomes[-1])
    eventually(lambda: len(seen) <= 50 and sum(seen) == 200)


def test_an_answer_is_logged_and_its_events_join_it(serve: Server) -> None:
    client = serve()
    body = get(client, "/v1/recommend", scenario="shop", user="ann", n=3)
    request = body["request_id"]
    first, second = ids(body)[:2]
    client.post("/v1/events", json=bought("ann", first, request_id=request))
    store = client.service.workspace.store
    shown = eventually(lambda: [one for one in store.impressions() if one.request_id == request])
    assert len(shown) == 1
    assert shown[0].user_id == "ann"
    assert shown[0].model == body["model"]
    assert shown[0].variant == "default"
    assert list(shown[0].targets) == ids(body)
    assert list(shown[0].propensities) == [1.0] * 3
    outcomes = [row[1:] for row in store.outcomes() if row[0] == request]
    assert outcomes[:2] == [(1, first, "purchase"), (2, second, None)]


def test_what_is_drawn_is_drawn_anew_and_logged_with_its_probability(serve: Server) -> None:
    """Place 2 among three, each alike: over 30 requests more than one, at 1/3 each."""
    explore = {"slots": [2], "among": 3, "draw": "uniform"}
    client = serve(scenarios={"shop": {"preset": "shop", "explore": explore}}, pages={})
    found = [get(client, "/v1/recommend", scenario="shop", user="ann", n=3) for _ in range(30)]
    assert len({ids(body)[1] for body in found}) > 1
    for body in found:
        chances = [item["propensity"] for item in body["items"]]
        assert chances == pytest.approx([1, 1 / 3, 1])
    store = client.service.workspace.store
    eventually(lambda: len(list(store.impressions())) == len(found))
    for shown in store.impressions():
        assert list(shown.propensities) == pytest.approx([1, 1 / 3, 1])


def test_what_was_answered_is_written_when_the_service_stops(serve: Server) -> None:
    client = serve()
    client.service.impressions._every = 3600.0
    asked = get(client, "/v1/recommend", scenario="shop", user="ann")["request_id"]
    path = client.service.workspace.path / "store.db"
    client.service.impressions.close()
    raw = sqlite3.connect(path)
    found = raw.execute("SELECT request_id FROM impressions").fetchall()
    raw.close()
    assert (asked,) in found


TRENDING = {"shop": {"preset": "shop", "sources": {"trending": 1.0}}}


def test_trends_follow_events_without_a_fit(serve: Server) -> None:
    """Nobody acted on zh-3 before; then it leads for a stranger, whose list was kept.

    An item that is new to the model trends as well.
    """
    client = serve(scenarios=TRENDING, pages={}, pace=replace(PACE, trends_s=0.05))
    asked = {"scenario": "shop", "user": "nil", "n": 2}
    assert set(ids(get(client, "/v1/recommend", **asked))).isdisjoint({"zh-3", "new-1"})
    client.put("/v1/items/new-1", json={"title": "A vest that is new"})
    for number in range(9):
        for name in ("zh-3", "new-1")[: 1 + number % 2]:
            client.post("/v1/events", json=bought(f"user-{number}", name))
    eventually(lambda: ids(get(client, "/v1/recommend", **asked)) == ["zh-3", "new-1"])
    assert not client.service.keeper.trouble


def test_trends_are_no_older_than_a_minute() -> None:
    """As a service is started; answers are not kept over a look that found events."""
    assert USUAL.trends_s + USUAL.looks_s < 60
