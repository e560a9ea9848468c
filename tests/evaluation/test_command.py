"""`polyscene evaluate` as a shell sees it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

import polyscene.cli.evaluate as command
from calling import call, fails
from polyscene.data.tags import GivenTag
from polyscene.evaluation.predictions import Predicted
from polyscene.evaluation.run import ScenarioReport
from polyscene.fitting.model import current_version
from polyscene.fitting.reports import kept_reports
from polyscene.workspace import Workspace

from .planted import events, friends, make

TOML = """\
version = 1
[scenarios."商店"]
sources = { semantic-mean = "auto", trending = "auto" }
[scenarios.news]
target = "content"
sources = { semantic-mean = 1.0 }
[scenarios.social]
target = "person"
"""


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns, and no workspace from the environment."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("POLYSCENE_WORKSPACE", raising=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The planted world with its settings in a file; the bundled encoder is used."""
    path = tmp_path_factory.mktemp("command") / "w"
    make(path, events(), friends()).close()
    (path / "polyscene.toml").write_text(TOML, "utf-8")
    return path


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The long work must not begin."""

    def begun(*_: object, **__: object) -> None:
        raise AssertionError("the long work has begun")

    monkeypatch.setattr(command, "measure", begun)


def test_a_table_of_eighty_columns_with_whole_names(world: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out, html = tmp_path / "r.json", tmp_path / "r.html"
    done = call(
        "-w",
        world,
        "evaluate",
        "--share",
        "0.4",
        "-k",
        "5",
        "--json",
        out,
        "--html",
        html,
        "--keep",
    )
    assert done.code == 0, done
    with Workspace.open(world) as workspace:
        (kept,) = kept_reports(workspace)
        assert kept.report == json.loads(out.read_text("utf-8"))
        assert kept.model == current_version(workspace.models)
    lines = done.out.splitlines()
    assert all(len(line) <= 80 for line in lines if not line.startswith(("wrote", "kept")))
    read = json.loads(out.read_text("utf-8"))
    assert [found["scenario"] for found in read["scenarios"]] == ["商店", "news", "social"]
    for found in read["scenarios"]:
        assert f"{found['scenario']}: protocol random, {found['users']} users" in done.out
        for name, system in found["systems"].items():
            (row,) = {
                tuple(line.removeprefix(name).split())
                for line in lines
                if line.startswith(f"{name} ")
                and f" {system['metrics']['ndcg@5']['mean']:.4f} " in line
                and f" {system['metrics']['recall@5']['mean']:.4f} " in line
            }
            assert len(row) == (5 if name == "polyscene" else 7)
        weights = ", ".join(f"{n} {weight:g}" for n, weight in found["fusion"]["weights"].items())
        assert f"weights: {weights};" in " ".join(done.out.split())
    assert f"wrote {out}" in done.out
    assert f"wrote {html}" in done.out
    assert "商店" in html.read_text("utf-8")


RARE = Predicted(
    task="purchase", model="gbdt", shown=False, pairs=1_763_200, rate=0.000231, loss=0.002345,
    base_loss=0.002567, calibration_error=0.000123, chance_error=0.000045,
    calibration_ratio=12.34, auc=0.876, gauc=0.832, fused_gauc=0.871,
)  # fmt: skip


def eighty(*tasks: Predicted) -> list[str]:
    """The table of tasks in a terminal of 80 columns."""
    report = cast("ScenarioReport", SimpleNamespace(tasks=tasks))
    narrow = Console(width=80, record=True, file=StringIO())
    narrow.print(command._tasks(report))
    return narrow.export_text().splitlines()


def test_rare_tasks_keep_their_names_in_eighty_columns() -> None:
    """The digits that rare things need leave room for the name and the model of each task."""
    lines = eighty(RARE, replace(RARE, model=None))
    assert all(len(line) <= 80 for line in lines)
    names = [line[: lines[0].index("pairs") - 3].strip() for line in lines[2:]]
    assert " ".join(names).split() == ["purchase", "(gbdt)", "purchase", "(-)"]
    assert all(number in lines[2] for number in ("1763200", "0.00023", "12.34", "0.871"))


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (
            replace(
                RARE, pairs=962_107, rate=0.0014, loss=0.00706, base_loss=0.0103,
                calibration_error=0.000068, chance_error=0.00006, calibration_ratio=1.04,
            ),
            "962107 0.0014 0.00706 0.0103 6.8e-5 0.00006 1.04 0.876 0.832 0.871",
        ),
        (
            replace(
                RARE, pairs=1_234_567_890, rate=0.0000231, loss=0.0002345, base_loss=0.00003567,
                calibration_error=0.00000123, chance_error=0.0000045, calibration_ratio=123.45,
            ),
            "1235M 2.3e-5 2.35e-4 3.57e-5 1.2e-6 5e-6 123.5 0.876 0.832 0.871",
        ),
        (
            replace(
                RARE, pairs=99_999_999, rate=1234.5678, loss=98765432.1, base_loss=0.0,
                calibration_error=float("nan"), chance_error=12.0, calibration_ratio=1e7,
                auc=float("nan"), gauc=1.0, fused_gauc=0.0,
            ),
            "100M 1.2e3 9.88e7 0.000 - 12.000 >9999 - 1.000 0.000",
        ),
    ],
)  # fmt: skip
def test_every_column_of_tasks_is_whole_in_eighty_columns(task: Predicted, said: str) -> None:
    """However long the numbers are, and beside the widest of each column."""
    widest = replace(
        RARE, pairs=1_234_567, loss=0.00706, base_loss=0.00706, calibration_ratio=123.45,
        calibration_error=0.00012, chance_error=0.00006, rate=0.00023, task="purchases of gifts",
    )  # fmt: skip
    lines = eighty(task, widest)
    assert all(len(line) <= 80 for line in lines)
    heading = "task pairs rate loss base ece luck ratio auc gauc fused"
    assert lines[0].split() == heading.split()
    assert lines[2].split() == ["purchase", *said.split()]


def test_options_reach_the_plan(world: Path, tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    users.write_text("user_id\nu1\nu2\nu3\n")
    out = tmp_path / "r.json"
    done = call(
        "-w", world, "evaluate", "--protocol", "leave-one-out", "--scenario", "news", "--seed", "5",
        "--users-file", users, "-k", "3", "-k", "3", "-k", "7", "--no-ablation",
        "--min-users", "2", "--json", out,
    )  # fmt: skip
    assert done.code == 0, done
    read = json.loads(out.read_text("utf-8"))
    assert (read["protocol"], read["seed"], read["k"]) == ("leave-one-out", 5, [3, 7])
    (found,) = read["scenarios"]
    assert found["users"] == 3
    assert list(found["systems"]) == ["polyscene", "semantic-mean", "popularity"]


def test_other_settings_stand_beside_the_declared_ones(world: Path, tmp_path: Path) -> None:
    """Fitted to the same part and asked for the same users: by themselves they have those lists,
    and settings that are the same differ by nothing."""
    pytest.importorskip("matplotlib")
    other, out, html = tmp_path / "other.toml", tmp_path / "r.json", tmp_path / "r.html"
    other.write_text(TOML.replace("semantic-mean = 1.0", "trending = 1.0"), "utf-8")
    options = ("--scenario", "news", "--no-ablation", "--json", out)
    done = call("-w", world, "evaluate", *options, "--against", other, "--html", html)
    assert done.code == 0, done
    assert "“other settings” is the engine" in html.read_text("utf-8")
    assert "\nother settings " in done.out
    (found,) = json.loads(out.read_text("utf-8"))["scenarios"]
    assert list(found["systems"])[:2] == ["polyscene", "other settings"]
    assert found["systems"]["other settings"]["weights"] == {"trending": 1.0}
    compared = found["against"]["other settings"]
    assert compared["users"] == found["users"]
    assert compared["difference"] != 0
    theirs = found["systems"]["other settings"]["metrics"]["ndcg@10"]["mean"]
    path = tmp_path / "theirs"
    shutil.copytree(world, path)
    (path / "polyscene.toml").write_text(other.read_text("utf-8"), "utf-8")
    done = call("-w", path, "evaluate", *options, "--against", other)
    assert done.code == 0, done
    (alone,) = json.loads(out.read_text("utf-8"))["scenarios"]
    assert alone["systems"]["polyscene"]["metrics"]["ndcg@10"]["mean"] == theirs
    assert alone["against"]["other settings"]["difference"] == 0
    assert alone["against"]["other settings"]["p_value"] == 1


def test_a_note_stands_on_the_error_stream(tmp_path: Path) -> None:
    """And in the file; the table is as without it."""
    path, out = tmp_path / "w", tmp_path / "r.json"
    with make(path, events(), friends()) as workspace, workspace.store.write() as writer:
        writer.put_given_tags("lastfm", [GivenTag(name, "tea-1", "tea") for name in ("u1", "u2")])
    (path / "polyscene.toml").write_text(TOML, "utf-8")
    done = call("-w", path, "evaluate", "--scenario", "news", "--no-ablation", "--json", out)
    assert done.code == 0, done
    assert done.err.startswith("note: tags that 2 of the ")
    assert done.out.startswith("news: protocol random")
    (note,) = json.loads(out.read_text("utf-8"))["notes"]
    assert note in " ".join(done.err.split())


def test_events_of_a_file(world: Path, tmp_path: Path) -> None:
    given = tmp_path / "given.csv"
    given.write_text("user_id,item_id,action,scenario\nu0,tea-1,buy,商店\nu0,clay-1,buy,商店\n")
    done = call("-w", world, "evaluate", "--protocol", "given", "--given", given,
                "--scenario", "商店")  # fmt: skip
    assert done.code == 0, done
    assert "protocol given, 1 users, 2 pairs to find" in done.out


@pytest.mark.usefixtures("unmeasured")
class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "said", "code"),
        [
            (("--scenario", "shop"), "unknown scenario 'shop'", 1),
            (("--protocol", "given"), "--given FILE go together", 2),
            (("--given", "g.csv"), "--given FILE go together", 2),
            (("--protocol", "luck"), "luck", 2),
            (("-k", "0"), "-k", 2),
            (("-k", "101"), "-k", 2),
            (("--share", "1"), "--share", 2),
            (("--share", "nan"), "--share", 2),
            (("--seed", "-1"), "--seed", 2),
            (("--min-users", "0"), "--min-users", 2),
            (("--users-file", "none.csv"), "none.csv", 1),
            (("--protocol", "given", "--given", "none.csv"), "none.csv", 1),
            (("--against", "none.toml"), "none.toml", 2),
            (("--against", __file__, "--protocol", "impressions"), "--against", 2),
            (("--against", __file__), "is not valid TOML", 1),
            (("--html", "none/r.html"), "cannot write none/r.html: No such file", 1),
            (("--html", "."), "cannot write .: Is a directory", 1),
            (("--json", "none/r.json"), "cannot write none/r.json: No such file", 1),
        ],
    )
    def test_it_is_said_before_the_long_work(
        self, world: Path, arguments: tuple[str, ...], said: str, code: int
    ) -> None:
        fails(call("-w", world, "evaluate", *arguments), said, code=code)

    def test_an_error_is_one_line(self, world: Path) -> None:
        done = call("-w", world, "evaluate", "--scenario", "shop")
        assert done.err.count("\n") == 1
        assert not done.out

    def test_a_folder_that_is_no_workspace(self, tmp_path: Path) -> None:
        fails(call("-w", tmp_path, "evaluate"), "polyscene.toml")


def test_nothing_to_measure_is_said(world: Path, tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    users.write_text("user_id\nnobody\n")
    done = call("-w", world, "evaluate", "--users-file", users, "--scenario", "news")
    fails(done, "nothing to measure")


def test_a_workspace_without_scenarios(tmp_path: Path) -> None:
    (tmp_path / "polyscene.toml").write_text("version = 1\n")
    fails(call("-w", tmp_path, "evaluate"), "no scenario")
