"""What happened: pairs that were shown, pairs that are drawn, and what each stands for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tiny_world
from polyscene.data.schema import Event, Item, User
from polyscene.engine import Engine
from polyscene.fitting.asking import Asker
from polyscene.fitting.outcomes import HeldOut, Outcome, knows_shown, outcomes
from polyscene.fitting.past import DatasetPast
from polyscene.fitting.run import on_rows
from polyscene.settings import Settings, parse_settings
from tiny_world import DAY, NOW

ITEMS = [Item(item_id=f"i{n}", title=f"thing number{n}") for n in range(200)]
EVENTS = [
    *(Event(user_id="ann", item_id=f"i{n}", action="view", scenario="shop", timestamp=NOW - DAY)
      for n in range(4)),
    Event(user_id="ann", item_id="i1", action="purchase", scenario="shop", timestamp=NOW - DAY,
          value=7),
    Event(user_id="ann", item_id="i3", action="purchase", scenario="shop", timestamp=NOW - DAY,
          value=9),
    Event(user_id="bo", item_id="i5", action="view", scenario="shop", timestamp=NOW - DAY),
]  # fmt: skip


def declared(**shop: object) -> Settings:
    tasks = {"buy": "purchase", "much": "purchase>=8", "spend": "value of purchase"}
    return parse_settings({"scenarios": {"shop": {"preset": "shop", "tasks": tasks, **shop}}})


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    shop = {"preset": "shop", "tasks": {}, "sources": {"semantic-soft": 1}}
    with tiny_world.make(
        tmp_path / "w", {"shop": shop}, items=ITEMS, events=EVENTS, users=[User(user_id="ann")]
    ) as made:
        yield made


def found(engine: Engine, *, shown: bool, everything: bool = False) -> list[Outcome]:
    """The outcomes of all events, asked of somebody of whom nothing else is known."""
    model, store = engine.model, engine.workspace.store
    held = on_rows(store.dataset(lists=True), model.items.targets.ids)
    settings = declared(sources={"semantic-soft": 1})
    asker = Asker(
        settings,
        model,
        engine.workspace.encoder,
        DatasetPast(held.take(np.zeros(0, np.int64)), store.links(), store.users),
    )
    sources = {name: model.sources[name] for name in ("semantic-soft", "trending")}
    ids = model.items.targets.ids, held.items.ids
    part = HeldOut(held, asker, sources, *ids, settings, "shop", NOW)
    return list(outcomes(part, shown=shown, most=10, everything=everything))


def test_what_was_shown_is_all_there_is(engine: Engine) -> None:
    """ann saw four things, bought the second and the fourth, for 7 and 9; bo saw one."""
    ann, bo = found(engine, shown=True)
    assert ann.rows.tolist() == [0, 1, 2, 3]
    buy, much, spend = ann.labels.tolist()
    assert buy == [0, 1, 0, 1]
    assert much == [0, 0, 0, 1]
    assert spend == pytest.approx([np.nan, 7, np.nan, 9], nan_ok=True)
    assert ann.weights.tolist() == [1, 1, 1, 1]
    assert bo.rows.tolist() == [5]
    assert bo.labels[:2].tolist() == [[0], [0]]


def test_drawn_targets_stand_for_all(engine: Engine) -> None:
    """Of 196 others 80 are drawn, each once; with their weights they are 196."""
    ann = found(engine, shown=False)[0]
    assert len(ann.rows) == 4 + 80
    assert len(set(ann.rows.tolist())) == 84
    assert ann.weights[4:].sum() == pytest.approx(196)
    assert not ann.labels[:2, 4:].any()
    assert np.isnan(ann.labels[2, 4:]).all()


def test_everything_is_every_target_once(engine: Engine) -> None:
    ann = found(engine, shown=False, everything=True)[0]
    assert sorted(ann.rows.tolist()) == list(range(200))
    assert set(ann.weights.tolist()) == {1.0}


def test_a_log_knows_what_was_shown_by_an_action_that_all_begins_with(engine: Engine) -> None:
    """All five pairs have a view, which is no task; as a task it is to be predicted itself."""
    data = engine.workspace.store.dataset()
    assert knows_shown(data, declared(), "shop")
    assert not knows_shown(data, declared(tasks=["view", "purchase"]), "shop")
    assert not knows_shown(data, declared(negatives="sampled"), "shop")
    assert knows_shown(data, declared(tasks=["view"], negatives="shown"), "shop")
    only = data.take(data.action == data.actions.index("purchase"))
    assert not knows_shown(only, declared(tasks=["purchase"]), "shop")


def test_places_are_known_where_the_list_was_logged(engine: Engine) -> None:
    """i1 stood first and i3 third of the list that ann's views name; i0 and i2 name none."""
    store = engine.workspace.store
    with store.write() as writer:
        writer.add_impressions(
            [
                {
                    "request_id": "r1", "user_id": "ann", "scenario": "shop", "model": "m",
                    "variant": "", "timestamp": NOW, "targets": json.dumps(["i1", "i7", "i3"]),
                    "propensities": json.dumps([1.0] * 3), "context": None,
                }
            ]
        )  # fmt: skip
        writer.add_events(
            [Event(user_id="ann", item_id=f"i{n}", action="view", scenario="shop", timestamp=NOW,
                   request_id="r1") for n in (1, 2, 3)]
        )  # fmt: skip
    position = store.dataset(lists=True).position
    assert position[-3:] == pytest.approx([1, np.nan, 3], nan_ok=True)
    assert np.isnan(position[:-3]).all()
    ann, bo = found(engine, shown=True)
    assert ann.positions == pytest.approx([np.nan, 1, np.nan, 3], nan_ok=True)
    assert np.isnan(bo.positions).all()
    assert np.isnan(found(engine, shown=False)[0].positions).all()


def test_without_logged_lists_no_place_is_read(engine: Engine) -> None:
    assert len(engine.workspace.store.dataset(lists=True).position) == 0
