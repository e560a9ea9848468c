"""Measuring what is asked about something: posts are held out, and nothing of them is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tagged_world
from polyscene.data.schema import Event
from polyscene.engine import Engine
from polyscene.evaluation.protocols import Plan, Split, split
from polyscene.evaluation.report import write_html
from polyscene.evaluation.run import Report, evaluate
from polyscene.evaluation.systems import ENGINE, Bench
from polyscene.fitting.model import Fusion
from polyscene.fitting.run import fit_to
from polyscene.logs import NO_PROGRESS
from tagged_world import WORDS, posts
from tiny_world import NOW

PLAN = Plan("random", ("tags",), share=0.3)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    path = tmp_path_factory.mktemp("measured") / "w"
    with tagged_world.make(path, posts(), fit=False) as engine:
        return evaluate(engine.workspace, PLAN, (5, 2), ablation=False, now=NOW)


def test_each_post_is_asked_for_and_judged(report: Report) -> None:
    """Seven posts a user, of which two are held out, each with two tags of seven to find."""
    (found,) = report.scenarios
    assert (found.users, found.questions) == (40, 80)
    assert (found.relevant, found.targets) == (160, len(WORDS))
    metrics = {name: one.metrics for name, one in found.systems.items()}
    assert metrics[ENGINE]["recall@2"].mean > 0.9
    assert metrics["popularity"]["recall@2"].mean < 0.6
    assert metrics[ENGINE]["recall@5"].users == 40
    assert found.against["popularity"].users == 40
    assert found.fusion.alone["context"] > 0.9


def test_the_page_says_how_many_questions_were_asked(report: Report, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_html(report, tmp_path / "report.html")
    said = " ".join((tmp_path / "report.html").read_text("utf-8").split())
    assert "was then asked 80 questions about something, for 40 users. These have 160 pairs" in said


def lists(engine: Engine, part: Split) -> tuple[dict[str, list[list[int]]], Fusion]:
    """The lists of every system for the questions of a split, and the weights of the fit."""
    workspace = engine.workspace
    model = fit_to(workspace, part.train, part.links, now=part.now)
    bench = Bench(workspace, model, part)
    with NO_PROGRESS.task("ask", None, "lists") as task:
        found = {
            name: bench.lists(part.questions, "tags", weights, 5, task).tolist()
            for name, weights in bench.systems("tags").items()
        }
    return found, model.fusions["tags"]


@pytest.mark.parametrize("protocol", ["random", "leave-one-out", "time"])
def test_other_tags_in_the_place_of_those_held_out_change_nothing(
    protocol: str, tmp_path: Path
) -> None:
    """Neither profiles nor options nor weights nor histories see the posts to be predicted."""
    plan, given = Plan(protocol, ("tags",), share=0.3), posts()  # type: ignore[arg-type]
    found = []
    parts = []
    for number in range(2):
        with tagged_world.make(tmp_path / str(number), given, fit=False) as engine:
            store, settings = engine.workspace.store, engine.workspace.settings
            part = split(store.dataset(), store.links(), settings, plan, NOW)
            found.append(lists(engine, part))
            parts.append(part)
            data = store.dataset()
            held = part.questions.rows(data.user, data.context) >= 0
            given = swapped(given, held[: len(given)])
    one, other = parts
    assert one.questions.users.tolist() == other.questions.users.tolist()
    assert one.questions.contexts.tolist() == other.questions.contexts.tolist()
    assert (one.relevant["tags"] != other.relevant["tags"]).nnz > 0
    assert found[0] == found[1]


def swapped(given: list[Event], held: np.ndarray) -> list[Event]:
    """The posts with other tags in some places, the same number of them in each post."""
    others = dict(zip(WORDS, (*WORDS[1:], WORDS[0]), strict=True))
    return [
        one.model_copy(update={"item_id": f"tag-{others[one.item_id[4:]]}"}) if wrong else one
        for one, wrong in zip(given, held.tolist(), strict=True)
    ]
