"""`polyscene demo` from beginning to end, with the real encoder."""

from __future__ import annotations

import re
import tempfile
from itertools import islice
from pathlib import Path

import pytest

from calling import call, fails
from polyscene.demo.run import PERSONAS, SCENARIOS, sample_now
from polyscene.engine import Engine
from polyscene.evaluation.faithful import removals


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("demo") / "world"
    done = call("demo", "--keep", path, "-n", "3")
    assert done.code == 0, done
    return path, done.out


def test_three_people_get_a_list_in_every_scenario(shown: tuple[Path, str]) -> None:
    lines = [line.strip() for line in shown[1].splitlines()]
    for name in SCENARIOS:
        assert lines.count(name) == len(PERSONAS)
    for name in PERSONAS:
        assert any(f"({name})" in line for line in lines)
    assert "24 lists" in shown[1]


def test_reasons_are_in_the_language_of_the_person(shown: tuple[Path, str]) -> None:
    with Engine.open(shown[0]) as engine:
        english = engine.recommend("u-001", "shop", 5, now=sample_now())
        chinese = engine.recommend("u-002", "shop", 5, now=sample_now())
    assert all(item.reason.startswith("You ") for item in english.items)
    assert all(item.reason.startswith("你") for item in chinese.items)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_reason_of_the_chinese_reader_is_chinese(
    shown: tuple[Path, str], scenario: str
) -> None:
    """Whatever it rests on: history, stated interests, trend. Titles may be in English."""
    with Engine.open(shown[0]) as engine:
        answer = engine.recommend("u-002", scenario, 20, now=sample_now())
    assert len(answer.items) == 20
    for item in answer.items:
        own_words = re.sub(r"《.*》|「.*」", "", item.reason).partition("；")[0]
        assert re.search("[\u4e00-\u9fff]", own_words)
        assert not re.search("[A-Za-z]", own_words)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nearly_every_reason_names_what_raised_the_score(
    shown: tuple[Path, str], scenario: str
) -> None:
    """95 of 100 and more: taken away, the score falls."""
    users = [f"u-{number:03}" for number in range(1, 13)]
    with Engine.open(shown[0]) as engine:
        found = removals(engine.workspace, engine.model, scenario, users, sample_now())
    assert sum(found.cases.values()) >= 50
    assert found.share >= 0.95


def test_reasons_and_evidence_mention_only_what_the_person_did(shown: tuple[Path, str]) -> None:
    """Each named target is in an event of theirs that the scenario may read."""
    checked = 0
    with Engine.open(shown[0]) as engine:
        store, settings = engine.workspace.store, engine.workspace.settings
        for user in (*PERSONAS, "u-010", "u-057", "u-094", "u-096"):
            history = store.history(user)
            for scenario in settings.scenarios:
                readable = settings.readable(scenario)
                done = {e.item_id for e in history if e.scenario in readable}
                titles = {item.title for item in store.items(list(done))}
                for item in engine.recommend(user, scenario, 10, now=sample_now()).items:
                    assert {support.item_id for support in item.evidence.support} <= done
                    quoted = re.search(r"[“《「](.*)[”》」](?:[;；]|$)", item.reason)
                    if quoted is not None:
                        assert quoted[1] in titles
                        checked += 1
    assert checked > 200


def test_what_is_private_is_not_told_elsewhere(shown: tuple[Path, str]) -> None:
    """Nobody's reading on health is named in another scenario."""
    with Engine.open(shown[0]) as engine:
        for user in PERSONAS:
            for scenario in set(SCENARIOS) - {"health"}:
                for item in engine.recommend(user, scenario, 20, now=sample_now()).items:
                    named = {support.item_id for support in item.evidence.support}
                    assert not any(name.startswith("health-") for name in named)


def test_the_kept_workspace_works_with_every_command(shown: tuple[Path, str]) -> None:
    assert f"try: polyscene -w {shown[0]} page home --user u-001" in " ".join(shown[1].split())
    done = call("-w", shown[0], "doctor", "--json")
    assert done.code == 0, done
    assert {finding["status"] for finding in done.json} <= {"ok", "note"}
    texts = call("-w", shown[0], "show", "--user", "u-002", "--scenario", "shop", "--json").json
    assert texts[0] == "兴趣：街头摄影、本帮菜、城市漫步、菜市场"
    fails(call("demo", "--keep", shown[0]), "has a polyscene.toml already")


def test_the_page_has_three_rows_and_nothing_twice(shown: tuple[Path, str]) -> None:
    """For people with a history, whose reasons are their own; and for somebody unknown."""
    for user in (*PERSONAS, "somebody"):
        done = call("-w", shown[0], "page", "home", "--user", user, "-n", "8", "--json")
        rows = done.json["rows"]
        assert [row["scenario"] for row in rows] == ["shop", "news", "travel"]
        listed = [item for row in rows for item in row["items"]]
        assert len(listed) == 24
        for field in ("item_id", "title"):
            assert len({item[field] for item in listed}) == 24
        kinds = [item["item_id"].partition("-")[0] for item in listed]
        assert kinds == ["shop"] * 8 + ["news"] * 8 + ["trip"] * 8
        assert all(item["reason"] for item in listed)


def test_what_is_to_be_known_of_all_rows_is_said_once(shown: tuple[Path, str]) -> None:
    done = call("-w", shown[0], "page", "home", "--user", "somebody", "-n", "2")
    assert done.err.count("'somebody' is unknown") == 1
    assert "note: shop:" not in done.err
    for scenario in ("shop", "news", "travel"):
        assert f"{scenario} for somebody" in done.out


def test_wrong_folders_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    done = call("demo", "--movielens", tmp_path / "none")
    fails(done, "no such folder; expected one with movies.csv")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_newcomer_without_any_word_gets_what_is_trending_or_new(shown: tuple[Path, str]) -> None:
    with Engine.open(shown[0]) as engine:
        answer = engine.recommend("u-089", "news", 5, now=sample_now())
    assert len(answer.items) == 5
    assert "nothing is known" in " ".join(answer.notes)
    assert all(item.sources.keys() & {"trending", "fresh"} for item in answer.items)


def test_movielens_leaves_the_damaged_row_out_and_says_so(data_dir: Path, tmp_path: Path) -> None:
    """The first 4,000 ratings of the real set and their films, without overviews."""
    real = data_dir / "movielens-small"
    (tmp_path / "tags.csv").symlink_to(real / "tags.csv")
    with (real / "ratings.csv").open() as ratings:
        first = list(islice(ratings, 4_001))
    (tmp_path / "ratings.csv").write_text("".join(first))
    rated = {line.split(",")[1] for line in first}
    with (real / "movies.csv").open() as movies:
        films = [line for line in movies if line.split(",")[0] in rated | {"movieId"}]
    (tmp_path / "movies.csv").write_text("".join(films))
    done = call("demo", "--movielens", tmp_path, "-n", "2")
    assert done.code == 0, done
    assert "3,999 events loaded, 1 skipped" in done.out
    assert "row 521, column timestamp" in done.out
    assert "3 lists" in done.out


def test_a_model_that_is_not_there_fails_before_the_work(tmp_path: Path) -> None:
    done = call("demo", "--keep", tmp_path / "w", "--llm", tmp_path / "no.gguf")
    fails(done, "expected the path of a GGUF file")
    assert not (tmp_path / "w").exists()
