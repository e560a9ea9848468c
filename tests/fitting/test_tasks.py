"""Tasks in a fit: learned out of fold, saved, used by rewards, and reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny_world
from polyscene.data.schema import Event, Item, User
from polyscene.engine import Engine
from polyscene.evaluation.protocols import Plan
from polyscene.evaluation.run import evaluate
from polyscene.fitting.model import Model
from polyscene.settings import Task
from tiny_world import DAY, NOW

TASTES = ("tea", "map", "shoe", "harp")
SOURCES = {"semantic-soft": "auto", "trending": "auto"}


def made(path: Path, shop: dict[str, Any], **settings: Any) -> Engine:
    """120 users see 24 things each; they buy most of what is to their taste, and little else.

    Of every taste, things of odd number cost 100, the others 1; who buys, pays that.
    """
    rng = np.random.default_rng(3)
    items = [Item(item_id=f"{name}-{n}", title=f"{name} number{n}", price=100 if n % 2 else 1)
             for name in TASTES for n in range(12)]  # fmt: skip
    events = []
    for user in range(120):
        for row in rng.choice(48, 24, replace=False):
            item, time = items[row], NOW - float(rng.integers(1, 40)) * DAY
            act = {"user_id": f"u{user}", "item_id": item.item_id, "scenario": "shop",
                   "timestamp": time}  # fmt: skip
            events.append(Event(action="view", **act))
            own = item.item_id.startswith(TASTES[user % 4])
            if rng.random() < (0.6 if own else 0.05):
                value = float(item.attributes["price"])
                events.append(Event(action="purchase", value=value, **act))
    return tiny_world.make(
        path, {"shop": {"tasks": ["purchase"], "actions": {"purchase": 1.0, "view": 0.0}} | shop},
        items=items, users=[User(user_id=f"u{n}") for n in range(120)], events=events, **settings,
    )  # fmt: skip


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with made(tmp_path_factory.mktemp("tasks") / "w", {"sources": SOURCES}) as engine:
        yield engine


def test_a_task_is_learned_where_weights_are_chosen_anyway(engine: Engine) -> None:
    tasks = engine.model.tasks
    assert tasks is not None
    assert tasks.tasks("shop") == [Task("purchase", "purchase")]
    assert tasks.learned("shop", "purchase") == "fused"


def test_what_was_learned_is_saved(engine: Engine) -> None:
    loaded = Model.load(engine.workspace.models, engine.workspace.settings)
    assert loaded.tasks is not None
    assert loaded.tasks.learned("shop", "purchase") == "fused"
    with tiny_world.reopen(engine.workspace.path, {"shop": dict(_spec(reward="purchase"))}) as own:
        again = own.recommend("u0", "shop", 5, now=NOW)
    with tiny_world.reopen(engine.workspace.path, {"shop": dict(_spec())}) as own:
        plain = own.recommend("u0", "shop", 5, now=NOW)
    assert tiny_world.ids(again) == tiny_world.ids(plain)
    assert all(0 < item.score < 1 for item in again.items)


def test_places_are_learned_from_where_lists_were_logged(tmp_path: Path) -> None:
    """The feature is there, kept with the model, and nothing that is asked knows a place."""
    with made(tmp_path / "w", {"sources": SOURCES}, fit=False) as engine:
        store = engine.workspace.store
        history = store.history("u0")
        with store.write() as writer:
            writer.add_impressions(
                [
                    {
                        "request_id": "r0", "user_id": "u0", "scenario": "shop", "model": "m",
                        "variant": "", "timestamp": NOW, "context": None,
                        "targets": json.dumps([event.item_id for event in history]),
                        "propensities": json.dumps([1.0] * len(history)),
                    }
                ]
            )  # fmt: skip
            writer.add_events([event.model_copy(update={"request_id": "r0"}) for event in history])
        engine.fit(now=NOW)
        model = Model.load(engine.workspace.models, engine.workspace.settings)
        for tasks in (engine.model.tasks, model.tasks):
            assert tasks is not None
            assert tasks._builder.names[-1] == "position"
        assert len(engine.recommend("u1", "shop", 5, now=NOW, explain=True).items) == 5


def test_tasks_are_told_where_they_are_asked_for(engine: Engine) -> None:
    """`explain` predicts what no reward names; without, nothing is predicted."""
    told, silent = (
        engine.recommend("u0", "shop", 3, now=NOW, explain=explain).items[0].waterfall
        for explain in (True, False)
    )
    assert told is not None
    assert silent is not None
    assert 0 < told.tasks["purchase"] < 1
    assert silent.tasks == {}


def test_a_dearer_thing_wins_by_expected_revenue(engine: Engine) -> None:
    """purchase · price: what costs 100 comes before what costs 1, unless it is never bought."""
    with tiny_world.reopen(
        engine.workspace.path, {"shop": dict(_spec(reward="purchase * price"))}
    ) as own:
        items = own.recommend("u0", "shop", 5, now=NOW).items
    assert all(int(item.item_id.split("-")[1]) % 2 for item in items)


def test_nothing_is_learned_where_nobody_asks(tmp_path: Path) -> None:
    """One source, and a reward without tasks: no split is fitted for it."""
    with made(tmp_path / "w", {"sources": {"semantic-soft": 1.0}}) as engine:
        assert engine.model.tasks is None
        assert not (engine.workspace.models / engine.model.config.version / "ranking").exists()


def test_a_reward_that_names_a_task_is_learned_for(tmp_path: Path) -> None:
    with made(
        tmp_path / "w", {"sources": {"semantic-soft": 1.0}, "reward": "purchase * price"}
    ) as engine:
        assert engine.model.tasks is not None
        assert engine.model.tasks.learned("shop", "purchase") == "fused"


def test_a_dislike_that_nobody_said_takes_nothing_away(tmp_path: Path) -> None:
    """The similarity stands in for what may be wanted, not for what would be rejected."""
    actions = {"purchase": 1.0, "view": 0.0, "dislike": -1.0, "save": 1.0}
    spec = {"sources": {"semantic-soft": 1.0}, "actions": actions}
    spec |= {"tasks": ["save", "dislike"], "reward": "2*similarity + save - 9*dislike"}
    with made(tmp_path / "w", spec) as engine:
        for item in engine.recommend(user="u0", scenario="shop", n=5, explain=True).items:
            assert item.waterfall is not None
            assert item.waterfall.unlearned == ("save", "dislike")
            value, fused = item.waterfall.value, item.waterfall.fused
            assert value is not None
            assert fused is not None
            assert 2 * fused <= value <= 2 * fused + 1.001


def test_values_are_predicted(tmp_path: Path) -> None:
    tasks = {"buy": "purchase", "spend": "value of purchase"}
    spec = {"sources": SOURCES, "tasks": tasks, "reward": "buy * spend"}
    with made(tmp_path / "w", spec) as engine:
        answer = engine.recommend("u0", "shop", 5, now=NOW)
        assert all(1 <= item.score <= 100 for item in answer.items)


def test_an_evaluation_reports_each_task(engine: Engine) -> None:
    """The rate lies within what was simulated; the curve is better than the rate alone."""
    report = evaluate(engine.workspace, Plan("random", ("shop",)), (5,), ablation=False, now=NOW)
    (task,) = report.scenarios[0].tasks
    assert (task.task, task.model, task.shown) == ("purchase", "fused", True)
    assert task.pairs > 400
    assert 0.05 < task.rate < 0.5
    assert task.loss < task.base_loss
    assert task.gauc > 0.65
    assert task.calibration_error < 0.1
    assert task.calibration_ratio == pytest.approx(1, abs=0.25)
    assert '"calibration_error"' in report.to_json()


def test_impressions_are_ordered_by_the_task_that_the_reward_names(engine: Engine) -> None:
    """Against its rank: -purchase puts last what purchase puts first."""
    found = {}
    for reward in ("purchase", "-purchase"):
        with tiny_world.reopen(
            engine.workspace.path, {"shop": dict(_spec(reward=reward, positive=["purchase"]))}
        ) as own:
            plan = Plan("impressions", ("shop",))
            report = evaluate(own.workspace, plan, (5,), ablation=False, now=NOW)
            found[reward] = report.scenarios[0].systems["polyscene"].metrics["gauc"].mean
    assert found["purchase"] > 0.65
    assert found["purchase"] + found["-purchase"] == pytest.approx(1, abs=0.02)


def _spec(**more: Any) -> dict[str, Any]:
    actions = {"purchase": 1.0, "view": 0.0}
    return {"sources": SOURCES, "tasks": ["purchase"], "actions": actions} | more
