"""Reasons name what the score rests on: taken away, the score falls."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from polyscene.demo.run import SCENARIOS, load_sample, sample_now
from polyscene.engine import Engine
from polyscene.evaluation.faithful import Removals, removals

USERS = [f"u-{number:03}" for number in range(1, 13)]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample world, fitted."""
    path = tmp_path_factory.mktemp("sample")
    load_sample(path)
    with Engine.open(path) as engine:
        engine.fit(now=sample_now())
    return path


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nearly_every_reason_names_what_raised_the_score(sample: Path, scenario: str) -> None:
    """95 of 100 and more, in each scenario of the sample world."""
    with Engine.open(sample) as engine:
        found = removals(engine.workspace, engine.model, scenario, USERS, sample_now())
    assert sum(found.cases.values()) >= 50
    assert found.share >= 0.95


def test_shares() -> None:
    """Seven of ten; without a case there is no share."""
    assert Removals({"history": 8, "stated": 2}, {"history": 6, "stated": 1}).share == 0.7
    assert math.isnan(Removals({}, {}).share)
