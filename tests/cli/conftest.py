from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from calling import call
from tiny_world import EVENTS, ITEMS, USERS

PRESETS = ("shop", "news", "travel", "health", "social")


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables as on a wide terminal, and no workspace from the environment."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("POLYSCENE_WORKSPACE", raising=False)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny world as items.csv, users.jsonl, events.parquet and relations.csv."""
    folder = tmp_path_factory.mktemp("files")
    items = [item.model_dump(exclude_none=True) for item in ITEMS]
    for item in items:
        item["tags"], item["scenarios"] = "|".join(item["tags"]), "|".join(item["scenarios"])
    pl.DataFrame(items, infer_schema_length=None).write_csv(folder / "items.csv")
    lines = (json.dumps(user.model_dump(exclude_none=True)) + "\n" for user in USERS)
    (folder / "users.jsonl").write_text("".join(lines), "utf-8")
    events = [
        event.model_dump() | {"event_id": f"e{number}"} for number, event in enumerate(EVENTS)
    ]
    pl.DataFrame(events, infer_schema_length=None).write_parquet(folder / "events.parquet")
    (folder / "relations.csv").write_text("subject,predicate,object\nann,blocks,bo\n")
    return folder


@pytest.fixture(scope="session")
def fitted(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace made, filled and fitted by the commands; the bundled encoder is used."""
    path = tmp_path_factory.mktemp("workspace") / "w"
    presets = (word for name in PRESETS for word in ("--preset", name))
    assert call("-w", path, "init", *presets).code == 0
    done = call(
        "-w", path, "ingest", "--items", files / "items.csv", "--users", files / "users.jsonl",
        "--events", files / "events.parquet", "--relations", files / "relations.csv",
    )  # fmt: skip
    assert done.code == 0, done
    done = call("-w", path, "fit")
    assert done.code == 0, done
    return path


@pytest.fixture
def copied(fitted: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return Path(shutil.copytree(fitted, tmp_path / "copied"))


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A new workspace with one scenario."""
    assert call("-w", tmp_path / "empty", "init", "--preset", "shop").code == 0
    return tmp_path / "empty"
