"""What is on hold is not shown, is listed, and what is decided on it counts at once."""

from __future__ import annotations

from pathlib import Path

import pytest

import tiny_world
from polyscene.data.schema import Item
from polyscene.engine import Engine
from polyscene.engine.review import Held
from polyscene.errors import DataError, NotFoundError, SettingsError
from polyscene.storage import reviewed
from tiny_world import NOW, Maker, ids

SAFETY = {"hold_terms": ["maps"], "hold_tags": ["kettle"]}


def test_from_hold_to_shown(make: Maker, tmp_path: Path) -> None:
    """The kettle by its tag, the atlas by its title; approved, the kettle is shown at once."""
    spec = {"shop": {"preset": "shop", "safety": SAFETY}, "news": {"preset": "news"}}
    engine = make(spec)
    waiting = {held.item_id: held for held in engine.on_hold()}
    assert waiting.keys() == {"tea-3", "map-1", "map-2", "map-3"}
    assert waiting["tea-3"] == Held("shop", "tea-3", "Green tea kettle", "on hold for tag 'kettle'")
    assert waiting["map-3"].why == "on hold for term 'maps'"
    assert not waiting.keys() & set(ids(engine.recommend("ann", "shop", 50, now=NOW)))
    path = tmp_path / "approved.csv"
    path.write_text(
        "item_id,title,tags,approved\ntea-3,Green tea kettle,tea|kettle,true\n", "utf-8"
    )
    engine.ingest(items=path)
    assert "tea-3" in ids(engine.recommend("ann", "shop", 50, now=NOW))
    assert "tea-3" not in {held.item_id for held in engine.on_hold("shop")}
    assert engine.on_hold("news") == []
    with pytest.raises(SettingsError, match="unknown scenario"):
        engine.on_hold("nws")


def shown(engine: Engine) -> set[str]:
    return set(ids(engine.recommend("ann", "shop", 50, now=NOW)))


def test_a_decision_counts_at_once_and_in_the_next_model(make: Maker) -> None:
    """Approved, blocked and taken back; each also after a fit and in a model read anew."""
    spec = {"shop": {"preset": "shop", "safety": SAFETY}, "news": {"preset": "news"}}
    engine = make(spec)
    assert engine.review("shop", ["tea-3", "map-1"], "approve", "ann") == 2
    assert engine.review("shop", ["tea-2"], "block", "ann") == 1
    for _ in ("now", "fitted"):
        assert {"tea-3", "map-1"} <= shown(engine)
        assert not {"tea-2", "map-2"} & shown(engine)
        engine.fit(now=NOW)
    assert {held.item_id for held in engine.on_hold()} == {"map-2", "map-3"}
    engine.review("shop", ["tea-2", "tea-3"], "reopen", "ann")
    assert "tea-2" in shown(engine)
    assert "tea-3" not in shown(engine)
    with tiny_world.reopen(engine.workspace.path, spec) as other:
        assert "map-1" in shown(other)
        assert "tea-3" not in shown(other)


def test_an_approval_is_one_of_the_text_that_was_read(make: Maker) -> None:
    """A price may change; with another title the atlas waits again. A block stays."""
    engine = make({"shop": {"preset": "shop", "safety": SAFETY}})
    engine.review("shop", ["map-3"], "approve", "ann")
    engine.review("shop", ["tea-3"], "block", "ann")
    store = engine.workspace.store

    def change(item_id: str, **fields: object) -> None:
        item = store.item(item_id)
        assert item is not None
        tiny_world.put(engine, Item.model_validate(item.model_dump() | fields))

    change("map-3", price=3)
    assert "map-3" not in {held.item_id for held in engine.on_hold()}
    change("map-3", title="Atlas of secret maps")
    change("tea-3", title="A kettle")
    waiting = {held.item_id: held.why for held in engine.on_hold()}
    assert waiting["map-3"].endswith("; its text has changed since it was approved")
    assert "tea-3" not in waiting
    with tiny_world.reopen(
        engine.workspace.path, {"shop": {"preset": "shop", "safety": SAFETY}}
    ) as other:
        assert not {"map-3", "tea-3"} & shown(other)


def test_what_cannot_be_decided_is_refused_and_nothing_is_written(make: Maker) -> None:
    safety = {**SAFETY, "blocked_terms": ["Baltic"]}
    engine = make({"shop": {"preset": "shop", "safety": safety}})
    with pytest.raises(DataError, match="'map-1' cannot be approved in 'shop': blocked term"):
        engine.review("shop", ["map-2", "map-1"], "approve", "ann")
    with pytest.raises(NotFoundError, match="unknown item 'none'"):
        engine.review("shop", ["map-2", "none"], "approve", "ann")
    with pytest.raises(SettingsError, match="unknown scenario"):
        engine.review("shp", ["map-2"], "approve", "ann")
    assert {held.item_id for held in engine.on_hold()} == {"tea-3", "map-2", "map-3"}


def test_decisions_on_a_person_are_held_on_them_and_erased(make: Maker) -> None:
    """Who was blocked among people is no longer recommended; the decision goes with them."""
    engine = make({"shop": {"preset": "shop"}, "social": {"preset": "social"}})
    assert "di" in ids(engine.recommend("bo", "social", 9, now=NOW))
    engine.review("social", ["di"], "block", "ann")
    assert "di" not in ids(engine.recommend("bo", "social", 9, now=NOW))
    (review,) = engine.held("di")["reviews"]
    assert (review["decision"], review["decided_by"]) == ("block", "ann")
    assert engine.forget("di").erased["reviews"] == 1
    engine.review("shop", ["tea-1"], "block", "ann")
    with engine.workspace.store.write() as writer:
        assert writer.remove_item("tea-1")
    assert reviewed(engine.workspace.store, None, None, 9) == []
