"""Questions about something, as a shell asks them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from calling import call, fails
from evaluation.planted import events, items
from tagged_world import TAGS, posts


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The planted world with tags from files, fitted; the bundled encoder is used."""
    path = tmp_path_factory.mktemp("context") / "w"
    assert call("-w", path, "init", "--preset", "shop", "--preset", "tags").code == 0
    rows = [one.model_dump(include={"item_id", "kind", "title"}) for one in (*TAGS, *items())]
    pl.DataFrame(rows).write_csv(path / "items.csv")
    done = [*events(), *posts()]
    rows = [one.model_dump(exclude={"scenario", "event_id", "request_id"}) for one in done]
    pl.DataFrame(rows, infer_schema_length=None).write_csv(path / "events.csv")
    for arguments in (
        ("ingest", "--items", path / "items.csv", "--events", path / "events.csv"), ("fit",),
    ):  # fmt: skip
        made = call("-w", path, *arguments)
        assert made.code == 0, made
    return path


def test_tags_for_a_thing(world: Path) -> None:
    words = ("-w", world, "recommend", "--user", "u0", "--scenario", "tags", "-n", "2")
    done = call(*words, "--context", "maps-1", "--explain")
    assert done.code == 0, done
    assert "tags for u0 about maps-1" in done.out
    assert "done before by others about 'maps number 1' (maps-1)" in done.out
    assert "done before by the user about" in done.out
    answer = call(*words, "--context", "maps-1", "--json").json
    assert answer["context"] == "maps-1"
    assert {item["item_id"] for item in answer["items"]} == {"tag-maps", "tag-fine"}
    assert any(before["own"] for item in answer["items"] for before in item["evidence"]["about"])


def test_a_file_of_users_and_contexts(world: Path, tmp_path: Path) -> None:
    """A user comes with several contexts; a pair that comes twice is asked once, and an empty cell
    is no context."""  # fmt: skip
    asked, out = tmp_path / "asked.csv", tmp_path / "out.csv"
    asked.write_text("user_id,context\nu0,maps-1\nu0,clay-2\nu0,maps-1\nu1,\n")
    done = call(
        "-w", world, "recommend", "--users-file", asked, "--scenario", "tags", "-n", "2",
        "--out", out,
    )  # fmt: skip
    assert "wrote 6 rows in 3 lists" in done.out
    frame = pl.read_csv(out)
    assert frame["user_id"].to_list() == ["u0"] * 4 + ["u1"] * 2
    assert frame["context"].to_list() == ["maps-1"] * 2 + ["clay-2"] * 2 + [None] * 2


def test_unknown_contexts_and_wrong_usage_are_named(world: Path, tmp_path: Path) -> None:
    words = ("-w", world, "recommend", "--scenario", "tags", "--context", "teapot")
    fails(call(*words, "--user", "u0"), "unknown context 'teapot'", "ingest that item first")
    asked, out = tmp_path / "asked.csv", tmp_path / "out.jsonl"
    asked.write_text("user_id,context\nu0,maps-1\nu0,teapot\n")
    fails(call(*words, "--users-file", asked), "--context goes with --user", code=2)
    done = call(
        "-w", world, "recommend", "--scenario", "tags", "--users-file", asked, "--out", out
    )  # fmt: skip
    fails(done, "unknown context 'teapot'")
    assert not out.exists()


def test_evaluate_counts_questions(world: Path) -> None:
    """Two of seven posts of each user are asked for, each with two tags."""
    done = call(
        "-w", world, "evaluate", "--scenario", "tags", "-k", "5", "--share", "0.3", "--no-ablation"
    )  # fmt: skip
    assert done.code == 0, done
    said = "tags: protocol random, 40 users, 80 questions, 160 pairs to find among 7 targets"
    assert said in done.out
