"""polyscene enrich."""

from __future__ import annotations

from pathlib import Path

from calling import call, fails

ITEMS = """item_id,title,description,tags
a,Storm,A ship in a storm at sea,sea|ships
b,Harbour,Sailors wait in the harbour,sea|ships
c,Wedding,A bride and a kiss,love
d,Letters,A letter from the heart,love
e,Island,A captain and an island at sea,
"""


def test_items_are_described_and_filled(empty: Path, tmp_path: Path) -> None:
    with (empty / "polyscene.toml").open("a", encoding="utf-8") as file:
        file.write('\n[enrich]\ntags = ["sea", "love"]\ncategories = ["sea", "love"]\nmoods = []\n')
    (tmp_path / "items.csv").write_text(ITEMS, "utf-8")
    assert call("-w", empty, "ingest", "--items", tmp_path / "items.csv").code == 0
    done = call("-w", empty, "enrich", "--items")
    assert done.code == 0, done
    assert "5 items: " in done.out
    assert "a category: sea" in done.out
    found = call("-w", empty, "enrich", "--items", "--apply", "--json").json
    assert found["items"] == found["changed"] == 5
    assert found["vocabulary"] == {"tags": 2, "category": 2, "audience": 7}
    assert call("-w", empty, "enrich", "--items", "--apply", "--json").json["changed"] == 0
    texts = call("-w", empty, "show", "--item", "c", "--json").json
    assert any("audience: " in text for text in texts)
    fails(call("-w", empty, "enrich"), "say what to enrich", code=2)


def test_users_are_described_and_forgotten(copied: Path) -> None:
    done = call("-w", copied, "enrich", "--users", "--user", "ann", "--scenario", "shop")
    assert done.code == 0, done
    assert "1 users: 1 described" in done.out
    assert "ann tags: " in done.out
    found = call("-w", copied, "enrich", "--users", "--scenario", "shop", "--json").json
    assert found["unchanged"] == 1
    held = call("-w", copied, "forget", "--user", "ann", "--keep").json
    assert {note["facet"] for note in held["notes"]} == {"tags", "profile"}
    assert "2 notes on ann were removed" in call("-w", copied, "enrich", "--erase", "ann").out
    fails(call("-w", copied, "enrich", "--users", "--scenario", "shp"), "unknown scenario")
