"""recommend, similar, show: what asks a workspace."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

from calling import call, fails
from polyscene.cli.output import score_text

COLUMNS = [
    "user_id", "scenario", "rank", "item_id", "score", "sources", "reason", "context", "propensity",
]  # fmt: skip


def users_file(path: Path, *ids: str) -> Path:
    path.write_text("user_id\n" + "".join(f"{name}\n" for name in ids), "utf-8")
    return path


class TestExplain:
    def test_the_way_and_the_friends_are_shown(self, empty: Path, tmp_path: Path) -> None:
        """Everybody of ann's circle but one knows the kettle; the cup is a tea thing like hers."""
        (empty / "polyscene.toml").write_text(
            'version = 1\n[scenarios.shop]\npreset = "shop"\n'
            "sources = { graph = 1.0, social = 0.5 }\n"
            "[sources.graph]\nbehaviour = 0.0\ntags = 1.0\n",
            "utf-8",
        )
        rows = {
            "items": ["item_id,title,tags", "mug,Mug,tea", "cup,Cup,tea", "kettle,Kettle,"],
            "events": ["user_id,item_id,action", "ann,mug,purchase", "b,kettle,like",
                       "c,kettle,like", "d,cup,view"],
            "relations": ["subject,predicate,object", *(f"ann,friend,{n}" for n in "bcd")],
        }  # fmt: skip
        files = []
        for kind, lines in rows.items():
            path = tmp_path / f"{kind}.csv"
            path.write_text("\n".join(lines) + "\n", "utf-8")
            files += [f"--{kind}", path]
        assert call("-w", empty, "ingest", *files).code == 0
        assert call("-w", empty, "fit").code == 0
        done = call("-w", empty, "recommend", "--user", "ann", "--scenario", "shop", "--explain")
        assert "way: 'Mug' (mug) —tag tea→ this" in done.out
        assert "2 friends acted on it" in done.out
        assert "Known to 2 of your friends" in done.out


class TestRecommend:
    def test_a_table_with_rank_id_title_score_and_why(self, fitted: Path) -> None:
        done = call("-w", fitted, "recommend", "--user", "bo", "--scenario", "shop", "-n", "2")
        assert done.code == 0
        for word in ("shop for bo", "#", "id", "title", "score", "why", "map-2", "map-3"):
            assert word in done.out
        assert "You bought “Old map of the Baltic”" in done.out

    def test_a_name_that_nothing_has_is_pointed_at(self, copied: Path) -> None:
        """The list comes all the same: another target may bring the attribute tomorrow."""
        settings = copied / "polyscene.toml"
        text = settings.read_text()
        assert "[scenarios.shop]" in text
        reward = 'reward = "similarity + 0 * pricee"'
        settings.write_text(text.replace("[scenarios.shop]", f"[scenarios.shop]\n{reward}"))
        done = call("-w", copied, "recommend", "--user", "bo", "--scenario", "shop", "-n", "2")
        assert "note: shop: no target has the attribute 'pricee'" in done.err
        assert "    similarity + 0 * pricee\n" + " " * 21 + "^^^^^^\n" in done.err
        assert "map-2" in done.out

    def test_what_stands_in_for_a_task_is_told(self, copied: Path) -> None:
        settings = copied / "polyscene.toml"
        reward = 'reward = "similarity + purchase - dislike"'
        text = settings.read_text().replace("[scenarios.shop]", f"[scenarios.shop]\n{reward}")
        settings.write_text(text)
        call("-w", copied, "fit")
        asked = ("recommend", "--user", "bo", "--scenario", "shop", "-n", "2", "--explain")
        told = "not learned: purchase, dislike; the similarity, or 0, in its place"
        assert told in call("-w", copied, *asked).out

    def test_json_is_the_whole_answer(self, fitted: Path) -> None:
        answer = call(
            "-w", fitted, "recommend", "--user", "ann", "--scenario", "shop", "-n", "3", "--json"
        ).json
        assert answer.keys() == {
            "request_id", "user_id", "scenario", "model", "items", "notes", "context", "understood",
            "language",
        }  # fmt: skip
        assert [item["rank"] for item in answer["items"]] == [1, 2, 3]
        first = answer["items"][0]
        assert first.keys() == {
            "rank", "item_id", "title", "score", "sources", "reason", "evidence", "propensity",
            "waterfall", "worded", "rank_before",
        }  # fmt: skip
        assert first["evidence"].keys() == {
            "sources", "support", "tags", "stated", "about", "rules", "pinned", "explored",
            "mutual", "way", "friends", "grounds",
        }  # fmt: skip
        assert first["title"]

    def test_explain_shows_what_each_rests_on(self, fitted: Path) -> None:
        done = call(
            "-w", fitted, "recommend", "--user", "bo", "--scenario", "shop", "-n", "2", "--explain"
        )
        assert "sources: semantic-mean +" in done.out
        ranks = re.findall(r"^   rank: (\d+), score \d\.\d+$", done.out, re.MULTILINE)
        assert ranks == ["1", "2"]  # told though the place stayed the same
        assert "bought 'Old map of the Baltic' (map-1), similarity 0." in done.out
        assert "shared tags: maps" in done.out

    @pytest.mark.parametrize(
        ("value", "said"),
        [(1.1064, "1.106"), (0.0, "0.000"), (0.00123, "0.001"), (8.47e-5, "8.5e-05")],
    )
    def test_a_small_score_keeps_two_digits(self, value: float, said: str) -> None:
        assert score_text(value) == said
        assert score_text(value, "+") == f"+{said}"
        assert score_text(-1 - value).startswith("-")

    def test_explain_shows_what_people_say_in_return(self, copied: Path) -> None:
        settings = copied / "polyscene.toml"
        text = settings.read_text()
        assert "[scenarios.social]" in text
        declared = "[scenarios.social]\nreciprocity = 0.5"
        settings.write_text(text.replace("[scenarios.social]", declared))
        done = call("-w", copied, "recommend", "--user", "ann", "--scenario", "social", "--explain")
        assert done.code == 0, done
        assert re.search(r"in return: \d\.\d{3}, place 1\n", done.out)
        assert "in return: nothing known, place" in done.out

    def test_an_unknown_user_is_served_with_a_note(self, fitted: Path) -> None:
        asked = ("--user", "nobody", "--scenario", "shop", "--explain")
        done = call("-w", fitted, "recommend", *asked)
        assert done.code == 0
        assert "note: user 'nobody' is unknown" in done.err
        assert "sources: none\n   rank: 10, score 0\n" in done.out  # it only fills the list up
        assert "tea-1" in done.out

    def test_markup_in_titles_is_text(self, copied: Path, tmp_path: Path) -> None:
        """A title in square brackets is no style of the terminal."""
        items = tmp_path / "i.csv"
        items.write_text("item_id,title\n[b],[red]Old map[/red] [of] Riga\n")
        assert call("-w", copied, "ingest", "--items", items).code == 0
        done = call("-w", copied, "recommend", "--user", "bo", "--scenario", "shop", "--explain")
        assert done.code == 0
        assert "[red]Old map[/red] [of] Riga" in done.out
        assert call("-w", copied, "show", "--item", "[b]").out.startswith("1. [red]Old map[/red]")

    @pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
    def test_many_users_to_a_file(self, fitted: Path, tmp_path: Path, suffix: str) -> None:
        """The columns of the results format; the same rows as asked one by one."""
        out = tmp_path / f"recs{suffix}"
        users = users_file(tmp_path / "users.csv", "ann", "nobody", "ann")
        done = call(
            "-w", fitted, "recommend", "--users-file", users, "--scenario", "shop", "-n", "4",
            "--out", out,
        )  # fmt: skip
        assert done.code == 0
        assert f"wrote 8 rows in 2 lists to {out}" in done.out
        read = {
            ".parquet": pl.read_parquet, ".jsonl": pl.read_ndjson, ".csv": pl.read_csv,
        }[suffix]  # fmt: skip
        frame = read(out)
        assert frame.columns == COLUMNS
        assert frame["user_id"].to_list() == ["ann"] * 4 + ["nobody"] * 4
        assert frame["rank"].to_list() == [1, 2, 3, 4] * 2
        alone = call(
            "-w", fitted, "recommend", "--user", "ann", "--scenario", "shop", "-n", "4", "--json"
        ).json
        assert frame["item_id"].to_list()[:4] == [item["item_id"] for item in alone["items"]]
        if suffix != ".jsonl":
            assert json.loads(frame["sources"][0]) == pytest.approx(alone["items"][0]["sources"])
        assert not list(tmp_path.glob("*.partial"))

    def test_many_users_without_reasons(self, fitted: Path, tmp_path: Path) -> None:
        """The same lists with an empty column; for one user it is not asked for."""
        users = users_file(tmp_path / "users.csv", "ann", "bo")
        words = ("-w", fitted, "recommend", "--scenario", "shop")
        frames = []
        for name, option in (("full", ()), ("plain", ("--no-reasons",))):
            out = tmp_path / f"{name}.parquet"
            assert call(*words, "--users-file", users, "--out", out, *option).code == 0
            frames.append(pl.read_parquet(out))
        full, plain = frames
        assert plain.drop("reason").equals(full.drop("reason"))
        assert (full["reason"] != "").all()
        assert plain["reason"].unique().to_list() == [""]
        fails(call(*words, "--user", "ann", "--no-reasons"), "--users-file", code=2)

    def test_one_user_to_a_file(self, fitted: Path, tmp_path: Path) -> None:
        out = tmp_path / "one.csv"
        done = call("-w", fitted, "recommend", "--user", "ann", "--scenario", "news", "--out", out)
        assert done.code == 0
        assert pl.read_csv(out).height == 3

    def test_many_users_as_json_lines(self, fitted: Path, tmp_path: Path) -> None:
        users = users_file(tmp_path / "users.csv", "ann", "bo")
        done = call(
            "-w", fitted, "recommend", "--users-file", users, "--scenario", "shop", "--json"
        )
        answers = [json.loads(line) for line in done.out.splitlines()]
        assert [answer["user_id"] for answer in answers] == ["ann", "bo"]

    def test_only_the_targets_of_a_file(self, fitted: Path, tmp_path: Path) -> None:
        targets = tmp_path / "targets.jsonl"
        targets.write_text('{"item_id": "map-3"}\n{"item_id": "run-1"}\n{"item_id": "no such"}\n')
        answer = call(
            "-w", fitted, "recommend", "--user", "bo", "--scenario", "shop", "--json",
            "--targets-file", targets,
        ).json  # fmt: skip
        assert [item["item_id"] for item in answer["items"]] == ["map-3", "run-1"]

    def test_people_blocked_in_relations_are_left_out(self, fitted: Path) -> None:
        words = ("-w", fitted, "recommend", "--scenario", "social", "--json", "--user")
        assert "bo" not in {item["item_id"] for item in call(*words, "ann").json["items"]}
        assert "ann" not in {item["item_id"] for item in call(*words, "bo").json["items"]}

    def test_an_unknown_scenario_is_an_error_with_a_suggestion(self, fitted: Path) -> None:
        words = ("-w", fitted, "recommend", "--user", "ann", "--scenario", "shopp")
        fails(call(*words), "unknown scenario 'shopp'; did you mean 'shop'?")
        error = call(*words, "--json").json["error"]
        assert error["type"] == "SettingsError"
        assert "did you mean 'shop'?" in error["message"]

    def test_without_a_model_it_says_what_to_do(self, empty: Path) -> None:
        words = ("-w", empty, "recommend", "--user", "ann", "--scenario", "shop")
        fails(call(*words), "there is no model yet; make one with: polyscene fit")
        assert call(*words, "--json").json["error"]["type"] == "NotFittedError"

    def test_wrong_files_are_named(self, fitted: Path, tmp_path: Path) -> None:
        """A missing file, a missing column, a missing id, an unknown suffix, a missing folder."""
        words = ("-w", fitted, "recommend", "--scenario", "shop")
        fails(call(*words, "--users-file", tmp_path / "none.csv"), "none.csv")
        users = users_file(tmp_path / "users.csv", "ann", "bo")
        fails(
            call(*words, "--user", "ann", "--targets-file", users),
            "no column 'item_id'", "it has: user_id",
        )  # fmt: skip
        lines = tmp_path / "u.jsonl"
        lines.write_text('{"user_id": "ann"}\n{"id": "bo"}\n')
        fails(call(*words, "--users-file", lines), "row 2", "no user_id")
        fails(
            call(*words, "--users-file", users, "--out", tmp_path / "r.xlsx"),
            "allowed are .parquet, .jsonl, .csv",
        )
        for suffix in (".parquet", ".jsonl", ".csv"):
            out = tmp_path / "no folder" / f"r{suffix}"
            fails(call(*words, "--users-file", users, "--out", out), "cannot write", "No such file")

    def test_a_path_that_cannot_be_written_is_named(self, fitted: Path, tmp_path: Path) -> None:
        """Below a file, or where a directory stands: one message, and nothing is left behind."""
        (tmp_path / "file").touch()
        (tmp_path / "taken.jsonl").mkdir()
        words = ("-w", fitted, "recommend", "--scenario", "shop", "--user", "ann", "--out")
        fails(call(*words, tmp_path / "file" / "r.csv"), "cannot write", "Not a directory")
        fails(call(*words, tmp_path / "taken.jsonl"), "cannot write", "Is a directory")
        error = call(*words, tmp_path / "file" / "r.parquet", "--json").json["error"]
        assert error["type"] == "DataError"
        assert "r.parquet: Not a directory" in error["message"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.jsonl"]

    def test_an_existing_file_is_replaced_only_by_a_whole_one(
        self, fitted: Path, tmp_path: Path
    ) -> None:
        """An unknown scenario fails half-way: what was there stays; then a run replaces it."""
        out = tmp_path / "r.csv"
        out.write_text("old")
        words = ("-w", fitted, "recommend", "--user", "ann", "--out", out, "--scenario")
        fails(call(*words, "shp"), "unknown scenario")
        assert out.read_text() == "old"
        assert call(*words, "shop").code == 0
        assert pl.read_csv(out).columns == COLUMNS

    def test_a_failing_run_leaves_no_half_file(self, empty: Path, tmp_path: Path) -> None:
        users = users_file(tmp_path / "users.csv", "ann")
        out = tmp_path / "r.jsonl"
        done = call(
            "-w", empty, "recommend", "--users-file", users, "--scenario", "shop", "--out", out
        )
        fails(done, "polyscene fit")
        assert not out.exists()
        assert not list(tmp_path.glob(".*"))

    @pytest.mark.parametrize(
        "words",
        [
            ("--scenario", "shop"),
            ("--user", "ann"),
            ("--user", "ann", "--users-file", "u.csv", "--scenario", "shop"),
            ("--user", "ann", "--scenario", "shop", "-n", "0"),
            ("--user", "ann", "--scenario", "shop", "-n", "many"),
        ],
    )
    def test_incomplete_commands_are_usage_errors(
        self, fitted: Path, words: tuple[str, ...]
    ) -> None:
        fails(call("-w", fitted, "recommend", *words), code=2)


class TestPage:
    @pytest.fixture
    def home(self, copied: Path) -> Path:
        with (copied / "polyscene.toml").open("a") as file:
            file.write('[pages.home]\nrows = ["shop", "social", "health"]\n')
        return copied

    def test_a_table_for_each_row_and_notes_for_empty_ones(self, home: Path) -> None:
        done = call("-w", home, "page", "--user", "bo", "home", "-n", "2")
        assert done.code == 0
        assert done.out.index("shop for bo") < done.out.index("social for bo")
        assert "map-2" in done.out

    def test_json_is_the_whole_page(self, home: Path) -> None:
        page = call("-w", home, "page", "home", "--user", "ann", "-n", "2", "--json").json
        assert page.keys() == {"page", "user_id", "rows"}
        assert [row["scenario"] for row in page["rows"]] == ["shop", "social", "health"]
        assert all(len(row["items"]) <= 2 for row in page["rows"])

    def test_an_unknown_page_is_an_error(self, home: Path, fitted: Path) -> None:
        fails(call("-w", home, "page", "hme", "--user", "ann"), "did you mean 'home'?")
        fails(call("-w", fitted, "page", "home", "--user", "ann"), "no page is declared")
        fails(call("-w", home, "page", "home"), code=2)


class TestSimilar:
    def test_a_table_and_json(self, fitted: Path) -> None:
        words = ("-w", fitted, "similar", "--item", "map-1", "--scenario", "shop", "-n", "2")
        done = call(*words)
        assert done.code == 0
        assert "shop: similar to map-1" in done.out
        assert "shared: maps" in done.out
        answer = call(*words, "--json").json
        assert {item["item_id"] for item in answer["items"]} == {"map-2", "map-3"}

    def test_an_unknown_item_is_an_error(self, fitted: Path) -> None:
        words = ("-w", fitted, "similar", "--item", "nothing", "--scenario", "shop")
        fails(call(*words), "error: unknown item 'nothing'")
        assert call(*words, "--json").json == {
            "error": {"type": "NotFoundError", "message": "unknown item 'nothing'"}
        }


class TestShow:
    def test_the_texts_of_an_item(self, fitted: Path) -> None:
        done = call("-w", fitted, "show", "--item", "tea-1")
        assert done.out == "1. Green tea from Hangzhou\n2. tea, green\n"

    def test_the_texts_of_a_user_in_a_scenario(self, fitted: Path) -> None:
        texts = call("-w", fitted, "show", "--user", "ann", "--scenario", "health", "--json").json
        assert texts == ["Interested in tea", "read Insulin at home"]

    def test_a_long_text_is_one_line(self, copied: Path, tmp_path: Path) -> None:
        """What is printed can be piped: the width of a terminal does not break it."""
        items = tmp_path / "i.csv"
        items.write_text("item_id,title,description\nlong,Tea," + "word " * 90 + "\n")
        assert call("-w", copied, "ingest", "--items", items).code == 0
        assert len(call("-w", copied, "show", "--item", "long").out.splitlines()) == 1

    def test_a_record_without_text_says_so(self, copied: Path, tmp_path: Path) -> None:
        items = tmp_path / "i.csv"
        items.write_text("item_id,price\nbare,3\n")
        assert call("-w", copied, "ingest", "--items", items).code == 0
        assert call("-w", copied, "show", "--item", "bare").out.startswith("no text")

    def test_unknown_records_and_incomplete_commands_are_errors(self, fitted: Path) -> None:
        fails(call("-w", fitted, "show", "--item", "x"), "unknown item 'x'")
        fails(call("-w", fitted, "show", "--user", "x"), "unknown user 'x'")
        fails(call("-w", fitted, "show"), code=2)
        fails(call("-w", fitted, "show", "--item", "a", "--user", "b"), code=2)


def test_ask_searches_for_what_was_said(fitted: Path) -> None:
    done = call("-w", fitted, "ask", "find me an old map", "--scenario", "shop", "-n", "3")
    assert done.code == 0, done
    assert "searched for, as it was said: an old map" in done.out
    assert "map-" in done.out
    words = ("ask", "harbour", "--after", "old map of Lisbon", "--scenario", "shop", "--json")
    found = call("-w", fitted, *words).json
    assert found["understood"]["text"] == "old map of Lisbon. harbour"
    assert found["items"][0]["item_id"] == "map-2"


def test_ask_needs_a_scenario_where_there_are_several(fitted: Path) -> None:
    fails(call("-w", fitted, "ask", "tea"), "name one of: shop, news", code=2)
