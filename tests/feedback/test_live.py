"""The past of users in memory: it is what the store would say, read as seldom as may be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny_world
from polyscene.data.schema import Event, User
from polyscene.engine import Engine
from polyscene.feedback.state import LivePast
from polyscene.fitting.past import Known, StorePast
from polyscene.represent.strength import Strengths
from polyscene.represent.users import gather_history
from tiny_world import DAY, NOW

SCENARIO = "shop"


class Counted(StorePast):
    """Counts how often it is asked."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.read: list[str | None] = []

    def of(self, user_id: str | None) -> Known:
        self.read.append(user_id)
        return super().of(user_id)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with tiny_world.make(tmp_path / "world") as made:
        yield made


@pytest.fixture
def past(engine: Engine) -> Counted:
    return Counted(engine.workspace.store, engine.model.items.targets)


@pytest.fixture
def live(engine: Engine, past: Counted) -> Iterator[LivePast]:
    made = LivePast(past, engine.workspace.store.watch(), patience_s=60)
    yield made
    made.close()


def told(engine: Engine, known: Known) -> list[Any]:
    """What somebody did as the scenario sees it."""
    settings = engine.workspace.settings
    strengths, spec = Strengths(settings, SCENARIO), settings.scenario(SCENARIO)
    found = gather_history(known.deeds, engine.model.items.vectors, strengths, spec, NOW)
    return [
        known.user.user_id,
        list(known.meetings),
        found.rows.tolist(),
        np.round(found.strengths, 5).tolist(),
        list(found.actions),
        list(found.scenarios),
    ]


def test_events_are_added_to_what_is_known(engine: Engine, live: LivePast, past: Counted) -> None:
    """Old and new, with and without a time, one item again and again; the store is read once."""
    rng = np.random.default_rng(3)
    items = [f"tea-{number}" for number in (1, 2, 3, 4)] + ["map-1", "map-2", "map-3"]
    live.of("bo")
    for step in range(30):
        some = [
            Event(
                user_id=str(rng.choice(["bo", "ann"])),
                item_id=str(rng.choice(items)),
                action=str(rng.choice(["view", "purchase", "dislike", "wave"])),
                scenario=rng.choice([None, SCENARIO]),
                timestamp=None if rng.random() < 0.3 else NOW - float(rng.integers(9)) * DAY,
            )
            for _ in range(int(rng.integers(1, 4)))
        ]
        tiny_world.put(engine, *some)
        if step % 3:
            expected = told(engine, StorePast(engine.workspace.store, past._items).of("bo"))
            assert told(engine, live.of("bo")) == expected
    assert past.read == ["bo"]


def test_events_of_who_does_not_ask_are_not_heaped_up(
    engine: Engine, live: LivePast, past: Counted
) -> None:
    """After a hundred the store is read again, when the user asks."""
    live.of("bo")
    with engine.workspace.store.write() as writer:
        writer.add_events([tiny_world.act("bo", "map-1", days=1) for _ in range(99)])
    live.entry("ann")  # anybody's question looks at what was written
    for number in range(2):
        with engine.workspace.store.write() as writer:
            writer.add_events([tiny_world.act("bo", "map-1", days=number)])
        live.entry("ann")
    assert "bo" not in live._entries
    assert told(engine, live.of("bo")) == told(engine, past.of("bo"))
    assert past.read == ["bo", "bo", "bo"]


def test_answers_that_were_kept_do_not_outlive_an_event(engine: Engine, live: LivePast) -> None:
    live.of("bo")
    entry = live.entry("bo")
    assert entry is not None
    entry.answers["question"] = "answer"
    kept = live.entry("bo")
    assert kept is not None
    assert kept.answers
    tiny_world.put(engine, Event(user_id="bo", item_id="tea-1", action="view", timestamp=NOW))
    fresh = live.entry("bo")
    assert fresh is not None
    assert not fresh.answers


def test_who_is_more_than_their_events_is_read_anew(
    engine: Engine, live: LivePast, past: Counted
) -> None:
    """A new record, somebody met, and a first event of somebody unknown."""
    live.load(["bo", "ann", "new"])
    assert sorted(map(str, past.read)) == ["ann", "bo", "new"]
    tiny_world.put(
        engine,
        User(user_id="bo", tags=["salt"]),
        Event(user_id="new", item_id="tea-1", action="view", timestamp=NOW),
    )
    tiny_world.put(engine, Event(user_id="ann", item_id="bo", action="follow", timestamp=NOW))
    past.read.clear()
    live.load(["bo", "ann", "new"])
    assert sorted(map(str, past.read)) == ["ann", "bo", "new"]
    assert live.of("bo").user.tags == ["salt"]
    assert "bo" in [met.person for met in live.of("ann").meetings]
    assert live.of("new").stored


def test_an_event_on_an_item_the_model_does_not_know_is_read_anew(
    engine: Engine, live: LivePast, past: Counted
) -> None:
    live.of("bo")
    later = tiny_world.ITEMS[0].model_copy(update={"item_id": "later"})
    tiny_world.put(engine, later)
    tiny_world.put(engine, Event(user_id="bo", item_id="later", action="view", timestamp=NOW))
    assert -1 in live.of("bo").deeds.rows
    assert past.read == ["bo", "bo"]


def test_nothing_is_kept_of_somebody_erased(engine: Engine, live: LivePast) -> None:
    live.load(["bo", "ann"])
    assert live.of("bo").stored
    tiny_world.put(engine, Event(user_id="bo", item_id="tea-1", action="view", timestamp=NOW))
    engine.forget("bo")
    assert live.entry("bo") is None
    assert not live._last
    assert not live._used
    assert not live.of("bo").stored


def test_what_comes_while_a_user_is_read_is_not_counted_twice(
    engine: Engine, live: LivePast, past: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is part of what was read, and of what came since the last look."""
    event = Event(user_id="bo", item_id="tea-1", action="purchase", timestamp=NOW)
    plain = past.of

    def late(user_id: str | None) -> Known:
        tiny_world.put(engine, event)
        return plain(user_id)

    monkeypatch.setattr(past, "of", late)
    live.of("bo")
    monkeypatch.undo()
    store = StorePast(engine.workspace.store, past._items)
    assert told(engine, live.of("bo")) == told(engine, store.of("bo"))


class TestMade:
    """What was made for users is kept while it holds, and while there is room."""

    @staticmethod
    def kept(live: LivePast, user: str, key: str = "list", size: int = 10) -> None:
        live.remember(user, key, f"{key} of {user}", size, live.of(user))

    def test_until_something_is_written(self, engine: Engine, live: LivePast) -> None:
        self.kept(live, "bo")
        self.kept(live, "ann")
        assert live.recalled("bo", "list") == "list of bo"
        assert live.recalled("bo", "other") is None
        tiny_world.put(engine, Event(user_id="bo", item_id="tea-1", action="view", timestamp=NOW))
        assert live.recalled("bo", "list") is None
        assert live.recalled("ann", "list") == "list of ann"
        engine.forget("ann")
        assert live.recalled("ann", "list") is None

    def test_what_was_made_before_an_event_is_known_as_such(
        self, engine: Engine, past: Counted
    ) -> None:
        """Through several events, until it is made anew or has become old; it takes its room."""
        live = LivePast(past, engine.workspace.store.watch(), kept_s=600)
        live.remember("bo", "list", 1, 10, live.of("bo"))
        assert live.earlier("bo", "list") is None
        for _ in range(2):
            tiny_world.put(engine, tiny_world.act("bo", "map-1"))
            assert live.recalled("bo", "list") is None
            found = live.earlier("bo", "list")
            assert found is not None
            assert found[1] == 1
            assert live._filled == 10
        live.remember("bo", "list", 2, 20, live.of("bo"), found[0])
        assert live.recalled("bo", "list") == 2
        assert live.earlier("bo", "list") is None
        assert live._filled == 20
        live.remember("bo", "list", 3, 30, live.of("bo"), time.monotonic() - 601)
        assert live.recalled("bo", "list") is None
        tiny_world.put(engine, tiny_world.act("bo", "map-1"))
        assert live.earlier("bo", "list") is None
        live.close()

    def test_what_rests_on_less_is_not_kept(self, engine: Engine, live: LivePast) -> None:
        before = live.of("bo")
        tiny_world.put(engine, Event(user_id="bo", item_id="tea-1", action="view", timestamp=NOW))
        live.of("bo")
        live.remember("bo", "list", "old", 10, before)
        assert live.recalled("bo", "list") is None
        live.late.append("the encoder is slow")
        self.kept(live, "bo")
        assert live.recalled("bo", "list") is None

    def test_only_so_much(self, engine: Engine, past: Counted) -> None:
        """Whose was made longest ago gives way."""
        live = LivePast(past, engine.workspace.store.watch(), room=25)
        for user in ("bo", "ann", "di"):
            self.kept(live, user)
        found = [live.recalled(user, "list") for user in ("bo", "ann", "di")]
        assert found == [None, "list of ann", "list of di"]
        live.close()

    def test_only_so_long(self, engine: Engine, past: Counted) -> None:
        live = LivePast(past, engine.workspace.store.watch(), kept_s=0.0)
        self.kept(live, "bo")
        assert live.recalled("bo", "list") is None
        live.close()

    def test_not_beyond_new_trends(self, live: LivePast) -> None:
        self.kept(live, "bo")
        live.forget_made()
        assert live.recalled("bo", "list") is None
        self.kept(live, "bo")
        assert live.recalled("bo", "list") is not None

    def test_not_for_a_question_that_says_more(self, live: LivePast) -> None:
        self.kept(live, "bo")
        with live.changed(lambda known: known, ["bo"]):
            assert live.recalled("bo", "list") is None
        assert live.recalled("bo", "list") is not None

    def test_what_a_question_says_is_said_of_nobody_else(self, live: LivePast) -> None:
        self.kept(live, "bo")
        with live.changed(lambda known: replace(known, stored=False), ["ann"]):
            assert live.recalled("bo", "list") is not None
            assert live.of("bo").stored
            assert not live.of("ann").stored
        assert live.of("ann").stored
