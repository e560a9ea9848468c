from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import tiny_world
from polyscene.engine import Engine
from served import PACE, Served, served

Server = Callable[..., Served]
"""The type of the fixture `serve`."""
PAGES = {"home": {"rows": ["shop", "news"]}}
RECORDS = ("items", "users", "events", "relations", "fit")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Server]:
    """Serves tiny worlds of its own; the arguments are those of `tiny_world.make`, and `after`."""
    with ExitStack() as stack:
        count = 0

        def serving(after: Callable[[Path], Any] | None = None, **options: Any) -> Served:
            nonlocal count
            count += 1
            path = tmp_path / str(count)
            options.setdefault("pages", PAGES)
            encoder, command = options.pop("encoder", None), options.pop("fit_command", ())
            pace = options.pop("pace", PACE)
            tiny_world.make(path, **options).close()
            if after is not None:
                after(path)
            settings = {name: value for name, value in options.items() if name not in RECORDS}
            return stack.enter_context(served(path, encoder, pace, fit_command=command, **settings))

        yield serving


@pytest.fixture
def make(tmp_path: Path) -> Iterator[tiny_world.Maker]:
    """Makes one engine over a tiny world of its own; see `tiny_world.make`."""
    with ExitStack() as stack:

        def made(**options: Any) -> Engine:
            return stack.enter_context(tiny_world.make(tmp_path / "made", **options))

        yield made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The tiny world, served; tests must not change it."""
    path = tmp_path_factory.mktemp("served")
    tiny_world.make(path, pages=PAGES).close()
    with served(path, pages=PAGES) as opened:
        yield opened
