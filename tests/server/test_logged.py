"""What a service answered, and what was made of it, is what the next fit learns tasks from."""

from __future__ import annotations

import time

import numpy as np
import pytest

import tiny_world
from polyscene.data.schema import Event, Item, User
from polyscene.engine import Engine
from served import eventually, get, ids
from tiny_world import DAY

from .conftest import Server

TASTES = ("tea", "map")
SHOP = {
    "tasks": ["click"], "actions": {"click": 1.0}, "seen": "include",
    "sources": {"semantic-soft": "auto", "trending": "auto"},
}  # fmt: skip
SPEC = {"scenarios": {"shop": SHOP}, "validation": {"share": 0.5, "folds": 1}, "pages": {}}
ROUNDS, LENGTH, CHANCE = 6, 5, 0.4


def world() -> dict[str, object]:
    """60 users who bought three of the 20 things to their taste, all long ago."""
    rng, now = np.random.default_rng(0), time.time()
    items = [Item(item_id=f"{name}-{n}", title=f"{name} number{n}") for name in TASTES
             for n in range(20)]  # fmt: skip
    events = [
        Event(user_id=f"u{user}", item_id=f"{TASTES[user % 2]}-{n}", action="click",
              scenario="shop", timestamp=now - float(rng.integers(2, 40)) * DAY)
        for user in range(60) for n in rng.choice(20, 3, replace=False)
    ]  # fmt: skip
    users = [User(user_id=f"u{user}") for user in range(60)]
    return {"items": items, "events": events, "users": users} | SPEC


def predicted(engine: Engine, lists: list[tuple[str, list[str]]]) -> float:
    """The mean probability of a click over the rows of some lists."""
    said = []
    for user, listed in lists:
        answer = engine.recommend(user, "shop", 40, now=time.time(), explain=True)
        told = {
            item.item_id: item.waterfall.tasks["click"]
            for item in answer.items if item.waterfall is not None
        }  # fmt: skip
        said += [told[name] for name in listed]
    return float(np.mean(said))


def test_a_fit_learns_from_what_was_answered(serve: Server) -> None:
    """Four of ten rows shown are clicked, which only the log of lists knows.

    After a fit the predictions are those of a row of a list. With `negatives = "sampled"` they are
    of a click at any time in the half that is held out, in which things are shown again and again.
    """
    rng, client = np.random.default_rng(1), serve(**world())
    path, shown, clicks = client.service.workspace.path, [], 0
    for _ in range(ROUNDS):
        for user in (f"u{n}" for n in range(60)):
            body = get(client, "/v1/recommend", scenario="shop", user=user, n=LENGTH)
            shown.append((user, ids(body)))
            done = [
                {"user_id": user, "item_id": name, "action": "click", "scenario": "shop",
                 "request_id": body["request_id"]}
                for name in ids(body) if rng.random() < CHANCE
            ]  # fmt: skip
            clicks += len(done)
            if done:
                assert client.post("/v1/events", json=done).json()["accepted"] == len(done)
    store = client.service.workspace.store
    eventually(lambda: len(list(store.impressions())) == len(shown))
    rate, last = clicks / (len(shown) * LENGTH), shown[-60:]
    assert rate == pytest.approx(CHANCE, abs=0.03)
    with tiny_world.reopen(path, **SPEC) as engine:
        before = predicted(engine, last)
        engine.fit()
        after = predicted(engine, last)
        assert engine.model.tasks is not None
        assert engine.model.tasks._builder.names[-1] == "position"
    sampled = SPEC | {"scenarios": {"shop": SHOP | {"negatives": "sampled"}}}
    with tiny_world.reopen(path, **sampled) as engine:
        engine.fit()
        without = predicted(engine, last)
    assert abs(after - rate) < 0.05
    assert abs(after - rate) < abs(before - rate)
    assert abs(after - rate) + 0.05 < abs(without - rate)


def test_the_lists_of_an_erased_user_are_not_learned_from(serve: Server) -> None:
    client = serve(**world())
    for user in ("u0", "u1"):
        get(client, "/v1/recommend", scenario="shop", user=user, n=LENGTH)
    store = client.service.workspace.store
    eventually(lambda: len(list(store.impressions())) == 2)
    assert client.request("DELETE", "/v1/users/u0").status_code == 200
    data = store.dataset(lists=True)
    assert {data.users.ids[row] for row in data.lists.user.tolist()} == {"u1"}
