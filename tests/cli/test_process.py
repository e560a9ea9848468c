"""What only a real process shows: exit codes, streams, broken pipes, interruption."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from calling import call
from polyscene.engine import Engine

COMMAND = [sys.executable, "-W", "error", "-m", "polyscene"]


def test_chinese_on_a_stream_that_cannot_hold_it(fitted: Path) -> None:
    """JSON is escaped and stays whole, text shows codes; neither ends in a traceback."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words = ["-w", str(fitted), "recommend", "--user", "wei", "--scenario", "shop", "--json"]
    done = subprocess.run([*COMMAND, *words], capture_output=True, check=True, env=environment)
    assert done.stderr == b""
    assert json.loads(done.stdout)["items"][0]["reason"].startswith("你购买了「龙井绿茶」")
    words = ["-w", str(fitted), "show", "--item", "zh-1"]
    done = subprocess.run([*COMMAND, *words], capture_output=True, check=True, env=environment)
    assert done.stderr == b""
    assert done.stdout.splitlines()[0] == "1. 龙井绿茶".encode("ascii", "backslashreplace")


def test_chinese_is_readable_in_json(fitted: Path) -> None:
    done = call("-w", fitted, "recommend", "--user", "wei", "--scenario", "shop", "--json")
    assert "你购买了「龙井绿茶」" in done.out


def test_a_reader_that_leaves_is_no_traceback(fitted: Path, tmp_path: Path) -> None:
    """`polyscene recommend ... | head -1`: exit 1, and nothing on the error stream."""
    users = tmp_path / "users.csv"
    users.write_text("user_id\n" + "".join(f"u{number}\n" for number in range(300)))
    words = ["-w", str(fitted), "recommend", "--users-file", str(users), "--scenario", "shop"]
    with subprocess.Popen(
        [*COMMAND, *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        first = json.loads(child.stdout.readline())
        child.stdout.close()
        said = child.stderr.read().decode()
        assert child.wait() == 1
    assert first["user_id"] == "u0"
    assert said == ""


def test_stopping_it_is_exit_code_130(fitted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Engine, "fit", stop)
    done = call("-w", fitted, "fit")
    assert done.code == 130
    assert "Traceback" not in done.err


def test_verbose_logs_to_stderr(fitted: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "-v", "-w", str(fitted), "show", "--item", "tea-1"],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    assert done.stdout == "1. Green tea from Hangzhou\n2. tea, green\n"
    for line in done.stderr.splitlines():
        assert line.startswith("INFO polyscene")
