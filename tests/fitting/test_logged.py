"""Answered lists as examples: what was shown and ignored is told from what was acted on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny_world
from polyscene.data.lists import last_touch
from polyscene.data.schema import Event, Item, User
from polyscene.data.split import divided_lists
from polyscene.engine import Engine
from polyscene.evaluation.protocols import Plan, split
from polyscene.evaluation.run import evaluate
from polyscene.fitting.asking import Asker
from polyscene.fitting.logged import basis_of, happenings, looked_at, rates_of
from polyscene.fitting.outcomes import HeldOut, Outcome
from polyscene.fitting.past import DatasetPast
from polyscene.fitting.run import on_rows
from polyscene.settings import Settings, Task, parse_settings
from polyscene.storage.answered import read_lists
from tiny_world import DAY, NOW

ITEMS = [Item(item_id=f"i{n}", title=f"thing number{n}") for n in range(12)]


def listed(request: str, user: str | None, targets: Sequence[str | None], days: float,
           scenario: str = "shop") -> dict[str, Any]:  # fmt: skip
    return {
        "request_id": request, "user_id": user, "scenario": scenario, "model": "m", "variant": "",
        "timestamp": NOW - days * DAY, "context": None, "targets": json.dumps(list(targets)),
        "propensities": json.dumps([1.0] * len(targets)),
    }  # fmt: skip


def did(user: str, item: str, action: str = "click", request: str | None = None,
        days: float = 1, **more: Any) -> Event:  # fmt: skip
    return Event(user_id=user, item_id=item, action=action, scenario=more.pop("scenario", "shop"),
                 timestamp=NOW - days * DAY, request_id=request, **more)  # fmt: skip


LISTS = [
    listed("r1", "ann", ["i0", "i1", "i2"], days=4),
    listed("r2", "ann", ["i2", "i3", None], days=2),
    listed("r3", "bo", ["i0", "i4", "i9"], days=2),
    listed("r4", None, ["i0", "i1", "i2"], days=2),
    listed("r5", "stranger", ["i0", "i1", "i2"], days=2),
]
EVENTS = [
    did("ann", "i1", request="r1", days=3.9),
    did("ann", "i3", request=None, days=1, value=2.0),
    did("bo", "i0", request=None, days=1, scenario="news"),
    did("bo", "i4", request="r1", days=1),
    did("bo", "i9", request=None, days=3),
]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    shop = {"preset": "shop", "tasks": {}, "sources": {"semantic-soft": 1}}
    users = [User(user_id=name) for name in ("ann", "bo")]
    with tiny_world.make(
        tmp_path / "w", {"shop": shop}, items=ITEMS, events=EVENTS, users=users
    ) as made:
        with made.workspace.store.write() as writer:
            writer.add_impressions(LISTS)
        yield made


def declared(**shop: object) -> Settings:
    tasks = {"click": "click", "worth": "value of click"}
    shop = {"preset": "shop", "tasks": tasks, "sources": {"semantic-soft": 1}, **shop}
    return parse_settings({"scenarios": {"shop": shop}})


def found(engine: Engine, settings: Settings) -> list[Outcome]:
    """What came of all lists, asked of somebody of whom nothing else is known."""
    model, store = engine.model, engine.workspace.store
    data = on_rows(store.dataset(lists=True), model.items.targets.ids)
    past = DatasetPast(data.take(np.zeros(0, np.int64)), store.links(), store.users)
    asker = Asker(settings, model, engine.workspace.encoder, past)
    sources = {"semantic-soft": model.sources["semantic-soft"]}
    ids = model.items.targets.ids, data.items.ids
    held = HeldOut(data, asker, sources, *ids, settings, "shop", NOW)
    return list(happenings("logged", held, most=10))


def test_every_row_is_an_example_with_its_place(engine: Engine) -> None:
    """ann clicked the second of r1 and, later and naming no request, the second of r2, for 2."""
    ann, bo = found(engine, declared())
    assert ann.rows.tolist() == [0, 1, 2, 2, 3]
    assert ann.positions.tolist() == [1, 2, 3, 1, 2]
    assert ann.lists.tolist() == [0, 0, 0, 1, 1]
    clicks, worth = ann.labels
    assert clicks.tolist() == [0, 1, 0, 0, 1]
    assert worth == pytest.approx([np.nan, 1, np.nan, np.nan, 2], nan_ok=True)
    assert ann.weights.tolist() == [1] * 5
    assert bo.rows.tolist() == [0, 4, 9]


def test_what_is_not_a_response_to_a_list_is_none(engine: Engine) -> None:
    """Of bo's events one was in another scenario, one named another list, one came before it."""
    _, bo = found(engine, declared())
    assert bo.labels[0].tolist() == [0, 0, 0]


def test_lists_of_nobody_and_of_strangers_are_left_out(engine: Engine) -> None:
    data = engine.workspace.store.dataset(lists=True)
    assert sorted(set(data.lists.user.tolist())) == [0, 1]
    assert len(engine.workspace.store.dataset().lists) == 0


def test_an_erased_user_is_in_no_list(engine: Engine) -> None:
    with engine.workspace.store.write() as writer:
        writer.erase_user("ann")
    data = engine.workspace.store.dataset(lists=True)
    assert {data.users.ids[row] for row in data.lists.user.tolist()} == {"bo"}
    assert len(data.lists) == 3


def test_of_many_lists_every_so_many_is_read(engine: Engine) -> None:
    """Five lists, two at most: every third, which is r3."""
    store = engine.workspace.store
    with store.read() as connection:
        data = read_lists(connection, store.dataset(), most=2)
    assert {data.users.ids[row] for row in data.lists.user.tolist()} == {"bo"}


def test_below_the_last_row_seen_nothing_is_told(engine: Engine) -> None:
    """With views of the first and second row of r1, its third is left out, and so is r3."""
    store = engine.workspace.store
    with store.write() as writer:
        views = [("ann", "i0", "r1"), ("ann", "i1", "r1"), ("ann", "i3", "r2")]
        writer.add_events([did(user, item, "view", request) for user, item, request in views])
    (ann,) = found(engine, declared())
    assert ann.rows.tolist() == [0, 1, 2, 3]
    assert ann.labels[0].tolist() == [0, 1, 0, 1]
    lists = store.dataset(lists=True).lists
    assert looked_at(lists, [Task("view", "view"), Task("click", "click")]).all()


def test_lists_are_taken_once_every_task_came_of_them_fifty_times(engine: Engine) -> None:
    store, settings = engine.workspace.store, declared(tasks=["click"])
    assert basis_of(store.dataset(lists=True), settings, "shop") == "sampled"
    with store.write() as writer:
        writer.add_impressions([listed(f"s{n}", "ann", ["i5", "i6"], 2) for n in range(50)])
        writer.add_events([did("ann", "i5", request=f"s{n}") for n in range(50)])
    data = store.dataset(lists=True)
    assert basis_of(data, settings, "shop") == "logged"
    assert basis_of(data, declared(negatives="shown"), "shop") == "shown"
    both = declared(tasks=["click", "purchase"])
    assert basis_of(data, both, "shop") == "logged"
    with store.write() as writer:  # purchases that came of no list
        writer.add_events([did("ann", f"i{n % 12}", "purchase", days=9) for n in range(10)])
    assert basis_of(store.dataset(lists=True), both, "shop") == "sampled"


def test_rates_are_those_of_all_rows_and_pairs(engine: Engine) -> None:
    """Two of eight rows were clicked; of the four pairs of events in the shop all were."""
    data, spec = engine.workspace.store.dataset(lists=True), declared().scenario("shop")
    assert rates_of("logged", data, spec, "shop") == {"click": 0.25}
    assert rates_of("shown", data, spec, "shop") == {"click": 1.0}
    assert rates_of("sampled", data, spec, "shop") == {}


def test_by_time_a_list_knows_only_what_had_come_of_it(engine: Engine) -> None:
    """Three days before, r1 was there with its click; r2 and r3 came later, with all of theirs."""
    data = engine.workspace.store.dataset(lists=True)
    nothing = np.zeros(len(data), np.bool_)
    left, held = divided_lists(data, nothing, nothing, 0, NOW - 3 * DAY)
    assert (set(left.request.tolist()), left.row.tolist()) == ({0}, [1])
    assert (set(held.request.tolist()), len(held.row)) == ({1, 2}, 1)
    left, held = divided_lists(data, nothing, nothing, 0, NOW - 3.95 * DAY, NOW - 3 * DAY)
    assert (set(left.request.tolist()), len(left.row), len(held)) == ({0}, 0, 0)


def test_rows_go_with_the_events_of_their_pair(engine: Engine) -> None:
    """ann-i1 is held out; its row goes too, and no other whose pair has events stays behind."""
    data = engine.workspace.store.dataset(lists=True)
    held = np.arange(len(data)) == 0
    seen = []
    for seed in range(200):
        left, out = divided_lists(data, held, held, seed)
        pairs = set(zip(out.user.tolist(), out.target.tolist(), strict=True))
        assert (0, 1) in pairs
        assert (0, 3) not in pairs
        assert len(left) + len(out) == len(data.lists)
        seen.append((0, 0) in pairs)
    assert np.mean(seen) == pytest.approx(0.5, abs=0.1)  # of ann's two pairs one is held out


def test_the_last_touch_is_the_latest_row_in_time() -> None:
    """Pair 7 was shown at 1 and 5, pair 8 at 2; after 100 seconds nothing counts."""
    shown, at = np.array([7, 7, 8]), np.array([1.0, 5.0, 2.0])
    done, when = np.array([7, 7, 7, 8, 9, 8]), np.array([0.0, 5.0, 4.0, 103.0, 5.0, 102.0])
    assert last_touch(shown, at, done, when, 100.0).tolist() == [-1, 1, 0, -1, -1, 2]
    none = np.zeros(0)
    assert last_touch(none.astype(int), none, done, when, 1.0).tolist() == [-1] * 6


def test_an_evaluation_judges_on_rows_of_lists_that_nothing_learned_from(tmp_path: Path) -> None:
    """60 users, ten lists of five a day; one row in three is clicked, whatever it is."""
    rng = np.random.default_rng(2)
    lists, events = [], []
    for user in range(60):
        for day in range(10):
            request, when = f"r{user}-{day}", 10.0 - day + user / 100
            shown = [f"i{n}" for n in rng.choice(12, 5, replace=False)]
            lists.append(listed(request, f"u{user}", shown, when))
            events += [did(f"u{user}", name, request=request, days=when - 0.001)
                       for name in shown if rng.random() < 1 / 3]  # fmt: skip
    shop = {"preset": "shop", "tasks": ["click"], "seen": "include",
            "sources": {"semantic-soft": "auto", "trending": "auto"}}  # fmt: skip
    users = [User(user_id=f"u{n}") for n in range(60)]
    with tiny_world.make(
        tmp_path / "w", {"shop": shop}, items=ITEMS, events=events, users=users, fit=False
    ) as engine:
        store, settings = engine.workspace.store, engine.workspace.settings
        with store.write() as writer:
            writer.add_impressions(lists)
        data, plan = store.dataset(lists=True), Plan("time", ("shop",))
        part = split(data, store.links(), settings, plan, NOW)
        kept, later = part.train.lists, part.held.lists
        assert kept.timestamp.max() <= part.now < later.timestamp.min()
        assert not (kept.responded > part.now).any()
        assert len(kept) + len(later) == len(data.lists) == 3000
        report = evaluate(engine.workspace, plan, (5,), ablation=False, now=NOW)
    (task,) = report.scenarios[0].tasks
    assert (task.task, task.shown, task.pairs) == ("click", True, len(later))
    assert task.rate == pytest.approx(1 / 3, abs=0.05)
    assert task.calibration_ratio == pytest.approx(1, abs=0.15)
    assert task.calibration_error < 0.07
