from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import tiny_world
from polyscene.engine import Engine
from tiny_world import Maker


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The tiny world, fitted; tests must not change it."""
    with tiny_world.make(tmp_path_factory.mktemp("world")) as engine:
        yield engine


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Maker]:
    """Makes engines over worlds of its own; see `tiny_world.make`."""
    with ExitStack() as stack:
        count = 0

        def made(*arguments: Any, **options: Any) -> Engine:
            nonlocal count
            count += 1
            engine = tiny_world.make(tmp_path / str(count), *arguments, **options)
            return stack.enter_context(engine)

        yield made
