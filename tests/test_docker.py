"""The Dockerfile, read and done step by step as far as that goes without Docker."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from polyscene.cli import commands
from polyscene.cli.main import app
from served import listening

ROOT = Path(__file__).parent.parent


def instructions() -> Iterator[tuple[str, str]]:
    """The instructions of the Dockerfile and what they say, in order."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word, " ".join(rest.split())


def said(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    copied = [rest.split()[:-1] for rest in said("COPY") if not rest.startswith("--from")]
    names = {name for names in copied for name in names}
    assert names == kept
    assert all((ROOT / name).exists() for name in names)


def test_what_the_package_is_built_from_is_copied() -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    copied = " ".join(said("COPY"))
    for name in re.findall(r'(?:readme = "|license-files = \[")([^"]+)', project):
        assert name in copied


def test_it_runs_as_somebody_without_rights() -> None:
    words = [word for word, _ in instructions()]
    assert said("USER") == ["polyscene"]
    assert "useradd --uid 10001" in said("RUN")[-1]
    last = len(words) - 1 - words[::-1].index("RUN")
    assert words.index("USER") > last, "nothing is installed by whom it runs as"


def test_what_it_starts_is_a_command_with_these_options() -> None:
    (entry,), (start,) = said("ENTRYPOINT"), said("CMD")
    assert json.loads(entry) == ["polyscene"]
    name, *options = json.loads(start)
    assert name in commands.__all__
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    assert set(options[::2]) <= known
    assert options[3] in said("EXPOSE")


def test_its_check_of_health_tells_a_service_that_answers(tmp_path: Path) -> None:
    """The command itself, on another port: 0 where the service is ready, else not."""
    (check,) = said("HEALTHCHECK")
    _, code, script = json.loads(check[check.index("[") :])

    def healthy(address: str) -> bool:
        there = script.replace("http://127.0.0.1:8000", address)
        assert there != script
        return subprocess.run([sys.executable, code, there], capture_output=True).returncode == 0

    with listening(tmp_path / "world") as address:
        assert healthy(address)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert not healthy(f"http://127.0.0.1:{free.getsockname()[1]}")


@pytest.mark.parametrize("word", ["ADD", "MAINTAINER"])
def test_nothing_is_fetched_from_an_address(word: str) -> None:
    assert said(word) == []
    assert not any("http" in rest for rest in said("RUN"))
