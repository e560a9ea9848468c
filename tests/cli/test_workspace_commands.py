"""init, ingest, fit, doctor, bench: what makes and examines a workspace."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import polyscene
from calling import call, fails
from polyscene.settings import load_settings, preset_names
from polyscene.workspace import Workspace
from tiny_world import EVENTS, ITEMS, USERS


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_the_version_is_that_of_the_package() -> None:
    assert call("--version").out == f"polyscene {polyscene.__version__}\n"


def test_help_lists_every_command() -> None:
    done = call("--help")
    assert done.code == 0
    for name in [
        "init",
        "ingest",
        "fit",
        "recommend",
        "similar",
        "show",
        "bench",
        "demo",
        "doctor",
    ]:
        assert name in done.out


def test_an_unknown_command_and_an_unknown_option_are_usage_errors() -> None:
    fails(call("recomend"), "recomend", code=2)
    fails(call("fit", "--fast"), "--fast", code=2)


def test_it_runs_as_a_module_and_an_error_is_one_line(tmp_path: Path) -> None:
    """`python -m polyscene` in a directory without a workspace: exit 1, nothing on stdout."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "polyscene", "fit"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: no polyscene.toml in")
    assert "polyscene -w . init" in done.stderr


class TestInit:
    def test_without_presets_there_is_a_scenario_for_each(self, tmp_path: Path) -> None:
        done = call("-w", tmp_path / "w", "init")
        assert done.code == 0
        for name in preset_names():
            assert name in done.out
        assert "next: polyscene" in done.out

    def test_the_workspace_may_be_named_by_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("POLYSCENE_WORKSPACE", str(tmp_path / "w"))
        assert call("init", "--preset", "news").code == 0
        assert (tmp_path / "w" / "polyscene.toml").is_file()

    def test_the_option_goes_before_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("POLYSCENE_WORKSPACE", str(tmp_path / "environment"))
        assert call("-w", tmp_path / "option", "init", "--preset", "news").code == 0
        assert [path.name for path in tmp_path.iterdir()] == ["option"]

    def test_without_either_it_is_the_current_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert call("init", "--preset", "news").code == 0
        assert (tmp_path / "polyscene.toml").is_file()

    def test_what_it_makes_has_only_the_presets_that_were_named(self, tmp_path: Path) -> None:
        """In the order given, each once, and the file says what may be changed."""
        presets = ("--preset", "news", "--preset", "shop", "--preset", "news")
        assert call("-w", tmp_path / "w", "init", *presets).code == 0
        text = (tmp_path / "w" / "polyscene.toml").read_text("utf-8")
        assert list(load_settings(tmp_path / "w" / "polyscene.toml").scenarios) == ["news", "shop"]
        assert "docs/settings.md" in text

    def test_a_file_is_no_directory(self, tmp_path: Path) -> None:
        fails(
            call("-w", write(tmp_path / "file", ""), "init"),
            "cannot make a workspace in", "File exists",
        )  # fmt: skip

    def test_an_existing_workspace_and_an_unknown_preset_are_errors(self, empty: Path) -> None:
        fails(call("-w", empty, "init"), "has a polyscene.toml already")
        fails(
            call("-w", empty / "x", "init", "--preset", "shp"),
            "unknown preset 'shp'; did you mean 'shop'?",
        )


class TestIngest:
    def test_it_tells_what_was_loaded_and_what_the_store_has(
        self, empty: Path, files: Path
    ) -> None:
        done = call("-w", empty, "ingest", "--items", files / "items.csv")
        assert done.code == 0
        assert f"items.csv: {len(ITEMS)} items loaded" in done.out
        assert f"the store has {len(ITEMS)} items, 0 users, 0 events, 0 relations" in done.out

    def test_several_files_of_a_kind_and_of_all_kinds_at_once(
        self, files: Path, tmp_path: Path
    ) -> None:
        more = write(tmp_path / "more.csv", "item_id,title\nx1,One more\n")
        path = tmp_path / "w"
        assert call("-w", path, "init", "--preset", "shop", "--preset", "social").code == 0
        done = call(
            "-w", path, "ingest", "--events", files / "events.parquet", "--items",
            files / "items.csv", "--items", more, "--users", files / "users.jsonl",
        )  # fmt: skip
        assert done.code == 0
        counts = f"{len(ITEMS) + 1} items, {len(USERS)} users, {len(EVENTS)} events"
        assert counts in done.out

    def test_events_that_are_there_already_are_counted_not_added(
        self, copied: Path, files: Path
    ) -> None:
        done = call("-w", copied, "ingest", "--events", files / "events.parquet")
        assert done.code == 0
        assert f"0 events loaded, {len(EVENTS)} already there" in done.out

    @pytest.mark.parametrize(
        ("name", "text"), [("out.txt", "8\n\n 9 \n"), ("out.csv", "age,user_id\n3,8\n4,9\n")]
    )
    def test_tags_of_users_under_test_are_left_out(
        self, empty: Path, tmp_path: Path, name: str, text: str
    ) -> None:
        """Named in a text, one a line, or in a column of a table."""
        write(tmp_path / "movies.csv", "movieId,title,genres\n1,Dogs,Comedy\n")
        write(tmp_path / "ratings.csv", "userId,movieId,rating\n7,1,3\n8,1,4\n")
        write(tmp_path / "tags.csv", "userId,movieId,tag\n7,1,mine\n8,1,theirs\n")
        named = write(tmp_path / name, text)
        done = call("-w", empty, "ingest", "--format", "movielens", tmp_path,
                    "--exclude-tags-of", named)  # fmt: skip
        assert done.code == 0, done
        shown = call("-w", empty, "show", "--item", "1").out
        assert "mine" in shown
        assert "theirs" not in shown

    def test_tags_cannot_be_left_out_of_every_format(self, empty: Path, tmp_path: Path) -> None:
        named = write(tmp_path / "out.txt", "8\n")
        done = call("-w", empty, "ingest", "--format", "gorse", tmp_path,
                    "--exclude-tags-of", named)  # fmt: skip
        fails(done, "gorse has no option exclude_tags_of", "lastfm, lastfm-tags, movielens")
        done = call("-w", empty, "ingest", "--items", tmp_path, "--exclude-tags-of", named)
        fails(done, "--exclude-tags-of FILE goes with --format NAME", code=2)

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("none.txt", None, "cannot read"),
            ("empty.txt", " \n\n", "no id; expected one a line"),
            ("other.csv", "name\n8\n", "no column 'user_id'"),
        ],
    )
    def test_a_file_that_names_nobody_is_refused(
        self, empty: Path, tmp_path: Path, name: str, text: str | None, said: str
    ) -> None:
        if text is not None:
            write(tmp_path / name, text)
        done = call("-w", empty, "ingest", "--format", "movielens", tmp_path,
                    "--exclude-tags-of", tmp_path / name)  # fmt: skip
        fails(done, name, said)

    def test_a_bad_row_is_named_and_nothing_of_its_file_is_kept(
        self, empty: Path, tmp_path: Path
    ) -> None:
        good = write(tmp_path / "good.csv", "item_id,title\nx1,One\n")
        bad = write(tmp_path / "bad.csv", "item_id,published_at\nx2,2026-01-01\nx3,someday\n")
        done = call("-w", empty, "ingest", "--items", good, "--items", bad)
        fails(done, "bad.csv", "row 2", "column published_at", "someday", "nothing of the file")
        assert "good.csv: 1 items loaded" in done.out
        assert "the store has 1 items" in call("-w", empty, "ingest", "--items", good).out

    def test_skip_leaves_the_bad_row_out_and_shows_it(self, empty: Path, tmp_path: Path) -> None:
        bad = write(tmp_path / "bad.csv", "item_id,published_at\nx2,2026-01-01\nx3,someday\n")
        done = call("-w", empty, "ingest", "--items", bad, "--on-error", "skip")
        assert done.code == 0
        assert "1 items loaded, 1 skipped" in done.out
        assert "skipped: " in done.out
        assert "someday" in done.out

    def test_an_event_on_an_unknown_item_is_named(self, empty: Path, tmp_path: Path) -> None:
        events = write(tmp_path / "e.csv", "user_id,item_id,action\nu,nowhere,view\n")
        fails(call("-w", empty, "ingest", "--events", events), "row 1", "item_id", "nowhere")

    def test_a_missing_file_is_named(self, empty: Path) -> None:
        fails(call("-w", empty, "ingest", "--items", "no/such.csv"), "no/such.csv")

    def test_an_unknown_format_gets_a_suggestion(self, empty: Path, tmp_path: Path) -> None:
        fails(
            call("-w", empty, "ingest", "--format", "movielen", tmp_path),
            "movielen", "did you mean 'movielens'?",
        )  # fmt: skip

    @pytest.mark.parametrize(
        "words",
        [(), ("somewhere",), ("--format", "movielens"), ("--items", "a.csv", "--on-error", "x")],
    )
    def test_incomplete_commands_are_usage_errors(
        self, empty: Path, words: tuple[str, ...]
    ) -> None:
        fails(call("-w", empty, "ingest", *words), code=2)


class TestFit:
    def test_it_names_the_version_and_what_is_in_it(self, copied: Path) -> None:
        done = call("-w", copied, "fit")
        version = (copied / "models" / "current").read_text().strip()
        assert done.code == 0
        assert f"fitted {version}" in done.out
        assert f"{len(ITEMS)} items, {len(USERS)} people for social" in done.out

    def test_it_says_what_it_chose(self, tmp_path: Path) -> None:
        """Weights with what they reach, and options of the sources that have weight."""
        (tmp_path / "polyscene.toml").write_text(
            "version = 1\n[sources.rp3beta]\ngraded = true\nrecency = 0\n"
            '[scenarios.shop]\nsources = { rp3beta = "auto", trending = "auto" }\n'
        )
        items = "".join(f"{taste}{n},{taste} {n}\n" for taste in ("tea", "map") for n in range(8))
        (tmp_path / "items.csv").write_text("item_id,title\n" + items)
        events = "".join(
            f"u{user},{('tea', 'map')[user % 2]}{(user // 2 + n) % 8},like\n"
            for user in range(40)
            for n in range(6)
        )
        (tmp_path / "events.csv").write_text("user_id,item_id,action\n" + events)
        files = ("--items", tmp_path / "items.csv", "--events", tmp_path / "events.csv")
        assert call("-w", tmp_path, "ingest", *files).code == 0
        done = call("-w", tmp_path, "fit")
        assert done.code == 0, done
        _, weights, options = done.out.splitlines()
        assert re.fullmatch(r"shop: rp3beta 1.*; NDCG@10 0\.\d{4} of 40 users on trial", weights)
        assert re.fullmatch(r"rp3beta: decay (true|false), k \d+, beta [\d.]+", options)

    def test_nothing_to_fit_says_how_to_load_something(self, empty: Path) -> None:
        fails(call("-w", empty, "fit"), "no items", "polyscene ingest --items FILE")


class TestDoctor:
    def test_a_healthy_workspace(self, fitted: Path) -> None:
        """Every part is looked at, and the recall of the index is told."""
        done = call("-w", fitted, "doctor")
        assert done.code == 0, done
        for subject in ("settings", "store", "encoder", "model", "index of items",
                        "index of people, social", "scenario shop", "scenario health"):  # fmt: skip
            assert f"ok   {subject}:" in done.out
        assert "recall@100 1.000" in done.out
        assert "FAIL" not in done.out

    def test_as_json(self, fitted: Path) -> None:
        findings = call("-w", fitted, "doctor", "--json").json
        assert {"status", "subject", "text"} == set(findings[0])
        assert {finding["status"] for finding in findings} <= {"ok", "note"}

    def test_withheld_targets_are_counted(self, copied: Path, tmp_path: Path) -> None:
        items = write(tmp_path / "i.csv", "item_id,title\nbad,A counterfeit bag\n")
        assert call("-w", copied, "ingest", "--items", items).code == 0
        assert "1 withheld by its safety settings" in call("-w", copied, "doctor").out

    def test_without_a_model_it_fails_and_says_what_to_do(self, empty: Path) -> None:
        done = call("-w", empty, "doctor")
        assert done.code == 1
        assert "FAIL model: there is no model yet; make one with: polyscene fit" in done.out
        assert "ok   settings" in done.out

    def test_a_damaged_model_is_told_not_thrown(self, copied: Path) -> None:
        version = (copied / "models" / "current").read_text().strip()
        (copied / "models" / version / "config.json").write_text("{")
        done = call("-w", copied, "doctor")
        fails(done, "FAIL", "make a new one with: polyscene fit")


class TestBench:
    def test_recommend(self, fitted: Path) -> None:
        found = call("-w", fitted, "bench", "recommend", "--json", "--count", "4").json
        measured = {one["name"]: one["value"] for one in found}
        assert measured["answers"] == 4
        assert measured["p99"] >= measured["p50"] > 0

    def test_batch(self, fitted: Path) -> None:
        found = call("-w", fitted, "bench", "batch", "--json", "--count", "4").json
        assert [(one["name"], one["unit"]) for one in found] == [
            ("users", "users"), ("first call", "s"), ("rate", "users/s"),
            ("rate with reasons", "users/s"),
        ]  # fmt: skip
        assert all(one["value"] > 0 for one in found)

    def test_encode_and_fit(self, copied: Path) -> None:
        done = call("-w", copied, "bench", "encode", "--count", "5")
        assert done.code == 0
        assert "texts/s" in done.out
        found = call("-w", copied, "bench", "fit", "--json").json
        assert {one["name"]: one["value"] for one in found}["items"] == len(ITEMS)

    def test_an_empty_workspace_says_what_is_missing(self, empty: Path) -> None:
        for subject in ("encode", "fit", "recommend"):
            fails(call("-w", empty, "bench", subject), "polyscene ingest")
        fails(call("-w", empty, "bench", "serving"), code=2)


class TestBrokenWorkspaces:
    COMMANDS = (
        ("fit",),
        ("recommend", "--user", "ann", "--scenario", "shop"),
        ("similar", "--item", "tea-1", "--scenario", "shop"),
        ("show", "--item", "tea-1"),
        ("doctor",),
        ("bench", "fit"),
    )

    @pytest.mark.parametrize("words", COMMANDS)
    def test_no_workspace(self, tmp_path: Path, words: tuple[str, ...]) -> None:
        fails(call("-w", tmp_path / "none", *words), "no polyscene.toml", "init")

    @pytest.mark.parametrize("words", COMMANDS)
    def test_wrong_settings(self, empty: Path, words: tuple[str, ...]) -> None:
        write(empty / "polyscene.toml", 'version = 1\n[scenarios.shop]\npresets = "shop"\n')
        fails(call("-w", empty, *words), "scenarios.shop.presets: unknown key", "'preset'?")

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"[scenarios.shop\n", "is not valid TOML: Expected ']'"),
            (b"# caf\xe9\n", "is not valid TOML: 'utf-8' codec"),
            (b"version = 2\n", "version: got 2; Input should be less than or equal to 1"),
            (b"[scenarios.a]\npreset = 'shp'", "scenarios.a.preset: unknown preset 'shp'; did you"),
            (b"[scenarios.a]\nreads = ['b']", "scenarios.a.reads: unknown scenario 'b'"),
            (b"[scenarios.a]\nreads = ['a']", "scenarios.a.reads: a circle, 'a' would read itself"),
            (b"[scenarios.a]\nhalf_life_days = 'x'", "scenarios.a.half_life_days: got 'x'"),
            (b"scenarios = 3\n", "scenarios: got 3"),
        ],
    )
    def test_damaged_settings_name_the_file_and_the_place(
        self, empty: Path, content: bytes, said: str
    ) -> None:
        (empty / "polyscene.toml").write_bytes(content)
        fails(call("-w", empty, "fit"), f"error: {empty}/polyscene.toml", said)
        error = call("-w", empty, "doctor", "--json").json["error"]
        assert error["type"] == "SettingsError"
        assert said in " ".join(error["message"].split())

    def test_a_file_is_no_workspace(self, tmp_path: Path) -> None:
        fails(call("-w", write(tmp_path / "file", ""), "fit"), "cannot read", "Not a directory")

    @pytest.mark.parametrize(
        ("encoder", "said"),
        [
            ('{type = "bundeld"}', "did you mean 'bundled'?"),
            ('{type = "bundled", speed = 1}', "encoders.0.speed: unknown key"),
            ("{dims = 3}", "encoders.0.type: got None; allowed: bundled,"),
            ("", "encoders: empty"),
        ],
    )
    def test_a_wrong_encoder(self, copied: Path, encoder: str, said: str) -> None:
        """What does not need it works on; the rest names the setting, doctor among the others."""
        text = (copied / "polyscene.toml").read_text("utf-8")
        text = text.replace("version = 1", f"version = 1\nencoders = [{encoder}]")
        write(copied / "polyscene.toml", text)
        assert call("-w", copied, "show", "--item", "tea-1").code == 0
        fails(call("-w", copied, "fit"), said)
        fails(call("-w", copied, "recommend", "--user", "ann", "--scenario", "shop"), said)
        done = call("-w", copied, "doctor")
        fails(done, "FAIL encoder", said)
        assert "ok   store" in done.out

    @pytest.mark.parametrize("words", COMMANDS)
    def test_a_store_that_is_none(self, copied: Path, words: tuple[str, ...]) -> None:
        for file in copied.glob("store.db*"):
            file.unlink()
        (copied / "store.db").write_bytes(b"this is not a database, whatever its name says" * 99)
        fails(call("-w", copied, *words), "store.db")

    def test_errors_are_json_where_json_is_asked_for(self, tmp_path: Path) -> None:
        """{"error": {"type", "message"}} on stdout, exit 1."""
        for words in (("doctor",), ("show", "--item", "x"), ("bench", "fit")):
            done = call("-w", tmp_path / "none", *words, "--json")
            assert done.code == 1
            assert done.json.keys() == {"error"}
            assert done.json["error"]["type"] == "WorkspaceError"
            assert "no polyscene.toml" in done.json["error"]["message"]


def test_a_report_says_what_came_of_each_file(empty: Path, tmp_path: Path) -> None:
    """Also of what failed, in the file that a page reads while it goes on."""
    good, bad, report = tmp_path / "good.csv", tmp_path / "bad.csv", tmp_path / "report.json"
    good.write_text("item_id,title\na,Tea\n", "utf-8")
    bad.write_text("user_id,item_id,action\nann,a,view\nann,none,view\n", "utf-8")
    done = call("-w", empty, "ingest", "--items", good, "--events", bad, "--report", report)
    assert done.code == 1
    told = json.loads(report.read_text("utf-8"))
    assert told["state"] == "failed"
    assert told["message"] == f"{bad}: 1 problem; nothing of the file was kept"
    assert [(file["kind"], file["loaded"]) for file in told["files"]] == [
        ("items", 1), ("events", 0),
    ]  # fmt: skip
    (problem,) = told["files"][1]["problems"]
    assert (problem["row"], problem["column"], problem["value"]) == (2, "item_id", "'none'")
    again = ["ingest", "--events", bad, "--on-error", "skip", "--report", report]
    assert call("-w", empty, *again).code == 0
    told = json.loads(report.read_text("utf-8"))
    assert (told["state"], told["files"][0]["skipped"]) == ("done", 1)
    assert told["unit"] == "bytes"
    fails(call("-w", empty, *again[:-1], tmp_path / "none" / "report.json"), "cannot write")


def test_an_export_is_read_again(empty: Path, tmp_path: Path) -> None:
    items, archive = tmp_path / "items.csv", tmp_path / "out.zip"
    items.write_text("item_id,title,price\na,Tea,3\n", "utf-8")
    call("-w", empty, "ingest", "--items", items)
    told = "out.zip: 1 items, 0 users, 0 events, 0 relations, 0 impressions, 0 reviews, 0 notes\n"
    assert call("-w", empty, "export", archive).out.endswith(told)
    with zipfile.ZipFile(archive) as found:
        row = json.loads(found.read("items.jsonl"))
        assert found.namelist() == ["items.jsonl"]  # an empty file would not be read again
    assert row == {"item_id": "a", "title": "Tea", "price": 3}
    fails(call("-w", empty, "export", tmp_path), "cannot write")
    with Workspace.open(empty) as workspace, workspace.store.write() as writer:
        shown = {"targets": '["a"]', "propensities": "[1.0]", "timestamp": 1.7e9, "context": None}
        names = ("request_id", "user_id", "scenario", "model", "variant")
        writer.add_impressions([shown | dict.fromkeys(names, "x")])
    assert ", 1 impressions, " in call("-w", empty, "export", archive).out
