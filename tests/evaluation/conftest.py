from __future__ import annotations

from collections.abc import Iterator

import pytest

from polyscene.evaluation.protocols import Plan
from polyscene.evaluation.run import Report, evaluate
from polyscene.workspace import Workspace
from tiny_world import NOW

from .planted import events, friends, make


@pytest.fixture(scope="package")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The planted world, not fitted; nothing may be written to it."""
    with make(tmp_path_factory.mktemp("planted") / "w", events(), friends()) as workspace:
        yield workspace


@pytest.fixture(scope="package")
def report(planted: Workspace) -> Report:
    """What protocol random finds there in every scenario."""
    plan = Plan("random", ("商店", "news", "social"), share=0.3)
    return evaluate(planted, plan, (5, 10), now=NOW)
