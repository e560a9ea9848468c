"""Files of real data sets to recommendations, through the library and the recipes.

The encoder is the bundled one, except where 17,632 names would take half a minute.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny_world
from polyscene.data.report import IngestReport
from polyscene.engine import Engine
from polyscene.settings import SETTINGS_FILE, load_settings
from polyscene.workspace import Workspace

RECIPES = Path(__file__).parents[1] / "examples"
QUICK = "\n[validation]\nusers = 150\nfolds = 1\n"
"""Settings of a fit that tries its options on fewer users."""


def recipe(name: str, source: Path, out: Path) -> None:
    command = [sys.executable, str(RECIPES / name), str(source), str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def lastfm(
    data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, IngestReport]]:
    path = tmp_path_factory.mktemp("lastfm") / "w"
    Workspace.create(path, ["music", "social"]).close()
    with (path / SETTINGS_FILE).open("a") as declared:
        declared.write(QUICK)
    settings = load_settings(path / SETTINGS_FILE)
    with Engine(Workspace(path, settings, tiny_world.words(128))) as engine:
        report = engine.import_folder("lastfm", data_dir / "lastfm-2k")
        engine.fit()
        yield engine, report


def test_lastfm_is_loaded_whole(lastfm: tuple[Engine, IngestReport]) -> None:
    loaded = {file.kind: (file.loaded, file.skipped) for file in lastfm[1].files}
    assert loaded == {
        "items": (17_632, 0), "users": (1_892, 0), "relations": (25_434, 0), "events": (92_834, 0),
    }  # fmt: skip
    model = lastfm[0].model
    assert len(model.items) == 17_632
    assert len(model.people["social"]) == 1_892


def test_lastfm_recommends_artists_with_reasons_from_the_history(
    lastfm: tuple[Engine, IngestReport],
) -> None:
    engine = lastfm[0]
    played = {event.item_id for event in engine.workspace.store.history("2")}
    answer = engine.recommend("2", "music", 10)
    assert len(answer.items) == 10
    assert not played & {item.item_id for item in answer.items}
    for item in answer.items:
        assert {support.item_id for support in item.evidence.support} <= played
        assert "listened to" in item.reason


def test_lastfm_recommends_people_but_never_oneself_or_a_friend(
    lastfm: tuple[Engine, IngestReport],
) -> None:
    engine = lastfm[0]
    store = engine.workspace.store
    for user in map(str, range(2, 60)):
        friends = {relation.object for relation in store.relations(subject=user)}
        friends |= {relation.subject for relation in store.relations(object=user)}
        answer = engine.recommend(user, "social", 50)
        found = [item.item_id for item in answer.items]
        assert len(found) == 50
        assert not set(found) & (friends | {user})
        known = store.user(user)
        if known is None:
            assert answer.notes[0] == f"user {user!r} is unknown"
        else:
            assert any(item.score > 0 for item in answer.items)


def test_douban_reasons_are_chinese_for_a_chinese_reader(data_dir: Path, tmp_path: Path) -> None:
    recipe("douban_cn.py", data_dir / "douban-cn", tmp_path / "files")
    (tmp_path / "users.csv").write_text("user_id,language\n0,zh\n", "utf-8")
    Workspace.create(tmp_path / "w", ["video"]).close()
    with (tmp_path / "w" / SETTINGS_FILE).open("a") as declared:
        declared.write(QUICK)
    with Engine.open(tmp_path / "w") as engine:
        engine.ingest(
            items=tmp_path / "files" / "items.csv",
            users=tmp_path / "users.csv",
            events=tmp_path / "files" / "events.csv",
        )
        engine.fit()
        answer = engine.recommend("0", "video", 5)
        ratings = {e.item_id: e.value for e in engine.workspace.store.history("0", 10_000)}
    assert len(answer.items) == 5
    assert not ratings.keys() & {item.item_id for item in answer.items}
    for item in answer.items:
        assert item.reason.startswith("你评分了《")
        assert all(ratings[support.item_id] > 3 for support in item.evidence.support)


def test_amazon_serves_two_scenarios_with_the_same_users(data_dir: Path, tmp_path: Path) -> None:
    """A history in arts alone gives office targets, and only office targets."""
    recipe("amazon_art_office.py", data_dir / "amazon-art-office", tmp_path / "files")
    kept = _slice(tmp_path / "files", 800)
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "polyscene.toml").write_text(
        '[scenarios.arts]\npreset = "shop"\n[scenarios.office]\npreset = "shop"\n' + QUICK
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
    assert any(item.evidence.support for item in answer.items)


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
