"""Items, users and relations over HTTP, and how soon they are recommended."""

from __future__ import annotations

import time

import pytest

from served import Served, eventually, get, ids

from .conftest import Server


def test_a_new_item_is_recommended_within_two_seconds(serve: Server) -> None:
    """Without a fit: to whom it fits by history, and to whom searches for it."""
    client = serve()
    start = time.monotonic()
    new = {"title": "Old map of Porto", "tags": ["maps", "paper"], "price": 30}
    assert client.put("/v1/items/map-9", json=new).json() == {"stored": 1, "removed": 0}
    eventually(lambda: "map-9" in ids(get(client, "/v1/recommend", scenario="shop", user="bo")))
    found = get(client, "/v1/search", q="map of porto", scenario="shop", n=1)
    assert ids(found) == ["map-9"]
    assert time.monotonic() - start < 2
    assert client.get("/v1/items/map-9").json()["price"] == 30


def test_an_item_is_changed_hidden_and_removed(serve: Server) -> None:
    client = serve()
    asked = {"scenario": "shop", "user": "bo", "n": 20}
    assert "map-3" in ids(get(client, "/v1/recommend", **asked))
    assert client.patch("/v1/items/map-3", json={"available": False}).status_code == 200
    eventually(lambda: "map-3" not in ids(get(client, "/v1/recommend", **asked)))
    assert client.get("/v1/items/map-3").json()["title"] == "Atlas of old maps"
    assert client.delete("/v1/items/tea-3").json() == {"stored": 0, "removed": 1}
    eventually(lambda: "tea-3" not in ids(get(client, "/v1/recommend", **asked)))
    assert client.get("/v1/items/tea-3").status_code == 404
    assert client.delete("/v1/items/tea-3").status_code == 404
    client.put("/v1/items/tea-3", json={"title": "Green tea kettle", "tags": ["tea"]})
    eventually(lambda: "tea-3" in ids(get(client, "/v1/recommend", **asked)))


def test_a_removed_item_takes_its_events_with_it(serve: Server) -> None:
    client = serve()
    client.delete("/v1/items/tea-1")
    store = client.service.workspace.store
    assert "tea-1" not in [event.item_id for event in store.history("ann")]


def test_a_users_words_count_in_their_next_answer(serve: Server) -> None:
    client = serve()
    get(client, "/v1/recommend", scenario="shop", user="nil")
    client.put("/v1/users/nil", json={"tags": ["maps"]})
    assert set(ids(get(client, "/v1/recommend", scenario="shop", user="nil", n=3))) == {
        "map-1", "map-2", "map-3",
    }  # fmt: skip
    client.patch("/v1/users/nil", json={"language": "zh", "age": 40})
    held = client.get("/v1/users/nil").json()
    assert (held["tags"], held["language"], held["age"]) == (["maps"], "zh", 40)
    client.patch("/v1/users/nil", json={"age": None})
    assert "age" not in client.get("/v1/users/nil").json()


def test_relations_are_put_read_and_removed(serve: Server) -> None:
    """A block takes effect in the next answer."""
    client = serve()
    assert "bo" in ids(get(client, "/v1/people/ann"))
    block = {"subject": "ann", "predicate": "blocks", "object": "bo"}
    assert client.put("/v1/relations", json=[block, block]).json()["stored"] == 1
    assert "bo" not in ids(get(client, "/v1/people/ann"))
    assert client.get("/v1/relations", params={"subject": "ann"}).json() == [block]
    assert client.delete("/v1/relations", params=block).json()["removed"] == 1
    assert "bo" in ids(get(client, "/v1/people/ann"))
    assert client.delete("/v1/relations", params=block).status_code == 404


def test_batches_are_stored_as_a_whole(serve: Server) -> None:
    client = serve()
    good = {"item_id": "a/b ü", "title": "A slash"}
    assert client.put("/v1/items", json=[good, {"title": "no id"}]).status_code == 422
    assert client.get("/v1/items/a%2Fb%20%C3%BC").status_code == 404
    assert client.put("/v1/items", json=[good]).json()["stored"] == 1
    assert client.get("/v1/items/a%2Fb%20%C3%BC").json()["title"] == "A slash"
    users = [{"user_id": "u1", "tags": ["tea"]}, {"user_id": "u2"}]
    assert client.put("/v1/users", json=users).json()["stored"] == 2


@pytest.mark.parametrize("kind", ["items", "users"])
def test_wrong_fields_and_unknown_ids_are_refused(world: Served, kind: str) -> None:
    assert world.put(f"/v1/{kind}/x", json={"tags": 3}).status_code == 422
    assert world.put(f"/v1/{kind}/x", json={"deep": {"er": 1}}).status_code == 422
    assert world.patch(f"/v1/{kind}/none", json={}).status_code == 404
    assert world.put(f"/v1/{kind}/{'x' * 300}", json={}).status_code == 422
    assert world.get(f"/v1/{kind}/none").status_code == 404


def test_health_says_which_model_serves(world: Served) -> None:
    assert world.get("/health/live").json() == {"live": True}
    ready = world.get("/health/ready").json()
    assert ready["ready"]
    assert ready["model"] == get(world, "/v1/recommend", scenario="shop")["model"]
    assert b"polyscene_answers_total" in world.get("/metrics").content
