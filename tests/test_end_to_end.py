"""Files of real data sets to recommendations, through the library and the recipes."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from polyscene.engine import Engine
from polyscene.workspace import Workspace

RECIPES = Path(__file__).parents[1] / "examples"


def recipe(name: str, source: Path, out: Path) -> None:
    command = [sys.executable, str(RECIPES / name), str(source), str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def lastfm(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lastfm") / "w"
    Workspace.create(path, ["music", "social"]).close()
    with Engine.open(path) as engine:
        engine.import_folder("lastfm", data_dir / "lastfm-2k")
        engine.fit()
    return path


def test_lastfm_recommends_artists_with_reasons_from_the_history(lastfm: Path) -> None:
    with Engine.open(lastfm) as engine:
        played = {event.item_id for event in engine.workspace.store.history("2")}
        answer = engine.recommend("2", "music", 10)
    assert len(answer.items) == 10
    assert not played & {item.item_id for item in answer.items}
    for item in answer.items:
        assert {support.item_id for support in item.evidence.support} <= played
        assert "listened to" in item.reason


def test_lastfm_recommends_people_but_never_oneself_or_a_friend(lastfm: Path) -> None:
    with Engine.open(lastfm) as engine:
        for user in ("2", "3", "100"):
            store = engine.workspace.store
            friends = {relation.object for relation in store.relations(subject=user)}
            friends |= {relation.subject for relation in store.relations(object=user)}
            found = [item.item_id for item in engine.recommend(user, "social", 20).items]
            assert len(found) == 20
            assert not set(found) & (friends | {user})


def test_douban_reasons_are_chinese_for_a_chinese_reader(data_dir: Path, tmp_path: Path) -> None:
    recipe("douban_cn.py", data_dir / "douban-cn", tmp_path / "files")
    (tmp_path / "users.csv").write_text("user_id,language\n0,zh\n", "utf-8")
    Workspace.create(tmp_path / "w", ["video"]).close()
    with Engine.open(tmp_path / "w") as engine:
        engine.ingest(
            items=tmp_path / "files" / "items.csv",
            users=tmp_path / "users.csv",
            events=tmp_path / "files" / "events.csv",
        )
        engine.fit()
        answer = engine.recommend("0", "video", 5)
    assert len(answer.items) == 5
    assert all(item.reason.startswith("你评分了《") for item in answer.items)


def test_amazon_serves_two_scenarios_with_the_same_users(data_dir: Path, tmp_path: Path) -> None:
    """A history in arts alone gives office targets, and only office targets."""
    recipe("amazon_art_office.py", data_dir / "amazon-art-office", tmp_path / "files")
    kept = _slice(tmp_path / "files", 1500)
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "polyscene.toml").write_text(
        '[scenarios.arts]\npreset = "shop"\n[scenarios.office]\npreset = "shop"\n'
    )
    with Engine.open(tmp_path / "w") as engine:
        engine.ingest(items=tmp_path / "items.csv", events=tmp_path / "events.csv")
        engine.fit()
        answer = engine.recommend(kept, "office", 10)
        store = engine.workspace.store
        assert {event.scenario for event in store.history(kept)} == {"arts"}
        shown = list(store.items([item.item_id for item in answer.items]))
    assert len(shown) == 10
    assert all(item.scenarios == ["office"] for item in shown)
    assert all(item.evidence.support for item in answer.items)


def _slice(files: Path, each: int) -> str:
    """Write the first items of each scenario with their events; a user with arts events only."""
    with (files / "items.csv").open(newline="", encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    by_scenario = {
        name: [row for row in rows if row["scenarios"] == name][:each]
        for name in ("arts", "office")
    }
    items = [row for part in by_scenario.values() for row in part]
    known = {row["item_id"] for row in items}
    with (files / "events.csv").open(newline="", encoding="utf-8") as source:
        events = [row for row in csv.DictReader(source) if row["item_id"] in known]
    for name, records in (("items", items), ("events", events)):
        with (files.parent / f"{name}.csv").open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, list(records[0]))
            writer.writeheader()
            writer.writerows(records)
    office = {row["user_id"] for row in events if row["scenario"] == "office"}
    return next(row["user_id"] for row in events if row["user_id"] not in office)
