"""polyscene review."""

from __future__ import annotations

from pathlib import Path

from calling import call, fails

SETTINGS = """
version = 1
[scenarios.shop]
preset = "shop"
safety = { hold_terms = ["detox"] }
"""


def test_what_waits_is_listed(empty: Path, tmp_path: Path) -> None:
    (empty / "polyscene.toml").write_text(SETTINGS, "utf-8")
    items = tmp_path / "items.csv"
    items.write_text(
        "item_id,title,approved\na,Detox tea,\nb,Detox [water],true\nc,Tea,\n", "utf-8"
    )
    assert call("-w", empty, "ingest", "--items", items).code == 0
    held = {"scenario": "shop", "item_id": "a", "title": "Detox tea"}
    assert call("-w", empty, "review", "--json").json == [
        held | {"why": "on hold for term 'Detox'"}
    ]
    done = call("-w", empty, "review", "--scenario", "shop")
    assert "1 on hold" in done.out
    assert "Detox tea" in done.out
    assert "water" not in done.out
    fails(call("-w", empty, "review", "--scenario", "shp"), "did you mean 'shop'?")
    fails(call("-w", empty, "review", "--approve", "a"), "--approve needs --scenario")
    decided = call("-w", empty, "review", "--scenario", "shop", "--approve", "a", "--block", "c")
    assert "0 on hold" in decided.out
    assert call("-w", empty, "review", "--scenario", "shop", "--reopen", "a", "--json").json
