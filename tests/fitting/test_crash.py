"""A crash at any moment of a fit leaves a model that serves."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tiny_world
from polyscene.errors import WorkspaceError
from polyscene.fitting.model import Model, current_version, model_versions
from tiny_world import NOW, ids

ROUNDS = 12
TESTS = Path(__file__).parent.parent


def served(path: Path) -> tuple[str, list[str]]:
    """The version that a new process serves, and what it answers."""
    with tiny_world.reopen(path) as engine:
        return engine.model.config.version, ids(engine.recommend("ann", "shop", 5, now=NOW))


def left(models: Path) -> list[str]:
    return sorted(path.name for path in models.iterdir() if path.name.startswith("."))


def test_kill_during_fit_leaves_a_whole_model(tmp_path: Path) -> None:
    """SIGKILL at random moments of running fits: an old or a new model serves, whole.

    A version that was reported as done is the current one, or was followed by a newer one.
    """
    with tiny_world.make(tmp_path / "w") as engine:
        begun = time.monotonic()
        started = engine.fit(now=NOW).config.version
        took = time.monotonic() - begun
        expected = ids(engine.recommend("ann", "shop", 5, now=NOW))
    path, rng, seen = tmp_path / "w", random.Random(5), {started}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("fit_child.py")), str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path[1:]])},
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        for _ in range(ROUNDS):
            child.stdin.write("go\n")
            child.stdin.flush()
            words: dict[str, str] = {}
            while not {"pid", "begun"} <= words.keys():
                word, _, rest = child.stdout.readline().strip().partition(" ")
                words[word] = rest
            time.sleep(rng.uniform(0.0, 3 * took))  # during one of the first fits
            os.kill(int(words["pid"]), signal.SIGKILL)  # not yet reaped: still that process
            child.stdin.write("killed\n")
            child.stdin.flush()
            done = [words["done"]] if "done" in words else []
            while (line := child.stdout.readline().strip()) != "dead":
                done.append(line.removeprefix("done "))
            version, answer = served(path)
            assert answer == expected
            assert version >= max([*done, *seen])
            seen.add(version)
        child.stdin.close()
    assert len(seen) > 1, "some fits came through"
    with tiny_world.reopen(path) as engine:
        engine.fit(now=NOW)
    assert left(path / "models") == []
    assert len(model_versions(path / "models")) <= 3


def test_what_a_killed_fit_left_behind_is_ignored_and_then_removed(tmp_path: Path) -> None:
    """A half-written version, and a half-written pointer, beside the old model."""
    with tiny_world.make(tmp_path / "w") as engine:
        version = engine.model.config.version
    models = tmp_path / "w" / "models"
    shutil.copytree(models / version, models / ".29991231-000000-000000-ffff.partial")
    (models / ".29991231-000000-000000-ffff.partial" / "config.json").unlink()
    (models / ".current.partial").write_text("2999")
    assert served(tmp_path / "w")[0] == version
    assert model_versions(models) == [version]
    with tiny_world.reopen(tmp_path / "w") as engine:
        engine.fit(now=NOW)
    assert left(models) == []


def test_a_version_that_the_pointer_never_reached_does_not_serve(tmp_path: Path) -> None:
    """Killed after the rename, before the pointer moved: the old model answers."""
    with tiny_world.make(tmp_path / "w") as engine:
        version = engine.model.config.version
    models = tmp_path / "w" / "models"
    shutil.copytree(models / version, models / "29991231-000000-000000-ffff")
    assert served(tmp_path / "w")[0] == version


def test_a_fit_that_fails_leaves_the_old_model_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tiny_world.make(tmp_path / "w") as engine:
        version = engine.model.config.version

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Model, "_write", full)
        with pytest.raises(WorkspaceError, match="No space left on device"):
            engine.fit(now=NOW)
        assert engine.model.config.version == version
    assert current_version(tmp_path / "w" / "models") == version
    assert left(tmp_path / "w" / "models") == []
