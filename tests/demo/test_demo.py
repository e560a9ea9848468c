"""`polyscene demo` from beginning to end, with the real encoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from calling import call
from polyscene.demo.run import PERSONAS, sample_now
from polyscene.engine import Engine
from polyscene.settings import preset_names


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("demo") / "world"
    done = call("demo", "--keep", path, "-n", "3")
    assert done.code == 0, done
    return path, done.out


def test_three_people_get_a_list_in_every_scenario(shown: tuple[Path, str]) -> None:
    lines = [line.strip() for line in shown[1].splitlines()]
    for name in preset_names():
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


def test_a_newcomer_without_any_word_gets_what_is_trending(shown: tuple[Path, str]) -> None:
    with Engine.open(shown[0]) as engine:
        answer = engine.recommend("u-089", "news", 5, now=sample_now())
    assert len(answer.items) == 5
    assert "nothing is known" in " ".join(answer.notes)
    assert all("trending" in item.sources for item in answer.items)


def test_movielens_leaves_the_damaged_row_out_and_says_so(data_dir: Path) -> None:
    done = call("demo", "--movielens", data_dir / "movielens-small", "-n", "2")
    assert done.code == 0, done
    assert "100,835 events loaded, 1 skipped" in done.out
    assert "row 521, column timestamp" in done.out
    assert "3 lists" in done.out
