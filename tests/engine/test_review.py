"""What is on hold is not shown, is listed, and is shown once it is approved."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyscene.engine.review import Held
from polyscene.errors import SettingsError
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
