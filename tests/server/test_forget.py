"""An erased person is nowhere: not in the files, not in answers, not in the next model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tiny_world
from calling import call
from polyscene.data.schema import Relation
from polyscene.data.tags import GivenTag
from polyscene.encoders.cache import CachedEncoder
from polyscene.errors import NotFoundError
from polyscene.fitting.labels import LABELS
from polyscene.settings import load_settings
from polyscene.storage import given_tags
from served import eventually, get, ids
from tiny_world import ITEMS, USERS, Maker, act

from .conftest import Server

NAME = "zoe-7f3a"
WORDS = "I restore marionettes"
WORLD = {
    "users": [*USERS, tiny_world.User(user_id=NAME, description=WORDS, tags=["marionettes"])],
    "events": [
        *tiny_world.EVENTS,
        act(NAME, "map-1"),
        act(NAME, "ann", "follow", "social"),
        act("bo", NAME, "follow", "social"),
    ],
    "relations": [
        Relation(subject=NAME, predicate="follows", object="cy"),
        Relation(subject="di", predicate="follows", object=NAME),
    ],
}


def found_in(path: Path, word: str) -> list[str]:
    """The files below a directory that contain a word; those of models are left out."""
    files = (file for file in path.rglob("*") if file.is_file() and "models" not in file.parts)
    return [file.name for file in files if word.encode() in file.read_bytes()]


def test_an_erased_person_is_nowhere(serve: Server) -> None:
    client = serve(**WORLD)
    store, path = client.service.workspace.store, client.service.workspace.path
    assert NAME in ids(get(client, "/v1/people/cy", n=20))
    asked = get(client, "/v1/recommend", scenario="shop", user=NAME)
    eventually(lambda: list(store.impressions(NAME)))
    answers = [
        {"user_id": name, "item_id": "tea-1", "scenario": "shop", "task": "buy", "answer": True}
        for name in (NAME, "ann")
    ]
    (path / LABELS).write_text("".join(json.dumps(one) + "\n" for one in answers))
    assert get(client, f"/v1/exports/{NAME}")["labels"] == answers[:1]
    assert found_in(path, NAME)
    get(client, "/v1/recommend", scenario="shop", user=NAME, n=9)  # it waits to be written
    receipt = client.delete(f"/v1/users/{NAME}").json()
    assert receipt["user_id"] == NAME
    erased = receipt["erased"]
    assert (erased["users"], erased["events"], erased["events on them"]) == (1, 2, 1)
    assert erased["relations"] == 2
    assert erased["labels"] == 1
    assert [json.loads(line) for line in (path / LABELS).read_text().splitlines()] == answers[1:]
    assert erased["impressions"] >= 1
    assert erased["shown to others"] <= 1
    assert receipt["models"] == [client.service.keeper.version]
    assert NAME not in ids(get(client, "/v1/people/cy", n=20))
    assert get(client, "/v1/recommend", scenario="shop", user=NAME)["notes"][0] == (
        f"user {NAME!r} is unknown"
    )
    client.service.impressions.flush()
    for request in store.impressions():
        assert request.request_id != asked["request_id"]
        assert NAME not in request.targets
    assert client.delete("/v1/users/nobody").status_code == 404
    # asked for after the erasure, as somebody unknown: that is held again, and erased again
    client.delete(f"/v1/users/{NAME}")
    client.service.impressions.flush()
    store.settle()
    assert found_in(path, NAME) == []
    assert found_in(path, "marionettes") == []


def test_the_next_model_knows_nothing_of_them(make: Maker) -> None:
    """Not a byte of a model that is fitted afterwards has their name or their words."""
    engine = make(**WORLD)
    models = engine.workspace.models
    old = engine.model.config.version
    assert any(NAME.encode() in file.read_bytes() for file in files(models / old))
    receipt = engine.forget(NAME)
    assert list(receipt.models) == [old]
    assert NAME not in tiny_world.ids(engine.recommend("cy", "social", 20, now=tiny_world.NOW))
    new = engine.fit(now=tiny_world.NOW).config.version
    for file in files(models / new):
        assert NAME.encode() not in file.read_bytes(), file
    with pytest.raises(NotFoundError, match="nothing is held"):
        engine.forget(NAME)
    with pytest.raises(NotFoundError, match="nothing is held"):
        engine.held(NAME)


def test_items_lose_the_tags_that_only_they_gave(make: Maker) -> None:
    """What somebody else gave too, and what nobody is known to have given, stays."""
    given = [
        GivenTag(NAME, "map-1", "marionettes", 5.0), GivenTag(NAME, "map-1", "seas"),
        GivenTag("ann", "map-1", "seas"),
    ]  # fmt: skip
    engine = make(**WORLD)
    store = engine.workspace.store
    (item,) = store.items(["map-1"])
    with store.write() as writer:
        tags = [*item.tags, "marionettes", "seas"]
        writer.put_items([item.model_copy(update={"tags": tags})])
        writer.put_given_tags("club", given)
    assert engine.held(NAME)["tags_given"] == [
        {"user_id": NAME, "item_id": "map-1", "tag": "marionettes", "timestamp": 5.0},
        {"user_id": NAME, "item_id": "map-1", "tag": "seas", "timestamp": None},
    ]
    assert engine.forget(NAME).erased["tags given"] == 2
    (left,) = store.items(["map-1"])
    assert left == item.model_copy(update={"tags": [*item.tags, "seas"]})
    assert list(given_tags(store)) == given[2:]


def files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if file.is_file()]


def test_a_model_from_before_shows_them_no_more_when_it_is_opened(make: Maker) -> None:
    """Also where the erasure came from another process, and for a removed item."""
    engine = make(**WORLD)
    path = engine.workspace.path
    with engine.workspace.store.write() as writer:
        writer.erase_user(NAME)
        writer.remove_item("tea-3")
    with tiny_world.reopen(path) as later:
        assert NAME not in tiny_world.ids(later.recommend("cy", "social", 20, now=tiny_world.NOW))
        assert "tea-3" not in tiny_world.ids(later.recommend("ann", "shop", 20, now=tiny_world.NOW))
        assert later.model.people["social"].targets.titles.count("Zoe") == 0


def test_an_item_of_the_same_name_keeps_its_relations(make: Maker) -> None:
    """Ids such as 1 name a user and an item: of the relations, those between users are theirs."""
    relations = [
        Relation(subject="tea-1", predicate="author", object="someone"),
        Relation(subject="tea-1", predicate="follows", object="ann"),
    ]
    users = [*USERS, tiny_world.User(user_id="tea-1")]
    engine = make(users=users, items=ITEMS, relations=relations)
    assert engine.forget("tea-1").erased["relations"] == 1
    assert list(engine.workspace.store.relations()) == relations[:1]
    assert engine.workspace.store.item("tea-1") is not None


def test_all_that_is_held_is_exported(serve: Server) -> None:
    client = serve(**WORLD)
    held = get(client, f"/v1/exports/{NAME}")
    assert held["user"]["description"] == WORDS
    assert [event["item_id"] for event in held["events"]] == ["ann", "map-1"]
    assert [event["user_id"] for event in held["events_on_them"]] == ["bo"]
    assert len(held["relations"]) == 2
    assert client.get("/v1/exports/nobody").status_code == 404


def test_forgotten_texts_leave_the_cache_of_vectors(tmp_path: Path) -> None:
    encoder = CachedEncoder(tiny_world.words(), tmp_path)
    encoder.encode(["maps", "tea"])
    assert encoder.forget(["maps", "maps", "", "never seen"]) == 1
    assert encoder.forget(["maps"]) == 0
    assert encoder.encode(["maps"]).any()
    encoder.close()


def test_the_command_exports_and_erases(tmp_path: Path) -> None:
    toml = 'version = 1\n[scenarios.shop]\npreset = "shop"\n'
    tiny_world.make(tmp_path, fit=False, **WORLD).close()
    (tmp_path / "polyscene.toml").write_text(toml)
    assert load_settings(tmp_path / "polyscene.toml").scenarios
    out = tmp_path / "zoe.json"
    kept = call("-w", tmp_path, "forget", "--user", NAME, "--keep", "--export", out)
    assert kept.code == 0
    assert json.loads(out.read_text("utf-8"))["user"]["description"] == WORDS
    assert call("-w", tmp_path, "forget", "--user", NAME, "--keep").json["user_id"] == NAME
    receipt = call("-w", tmp_path, "forget", "--user", NAME, "--json").json
    assert receipt["erased"]["events"] == 2
    assert call("-w", tmp_path, "forget", "--user", NAME).code == 1
    assert "erased ann" in call("-w", tmp_path, "forget", "--user", "ann").out
