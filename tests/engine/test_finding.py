"""What is remembered for a user gives the answers that would be made without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny_world
from polyscene.data.schema import Event
from polyscene.engine import Answer, Engine, renewing
from polyscene.engine.finding import Finder
from polyscene.engine.recommender import Recommender
from polyscene.feedback.state import LivePast
from polyscene.fitting.past import StorePast
from polyscene.text.verbalise import Verbaliser
from tiny_world import DAY, NOW, ids

from .test_many import SCENARIOS, USERS, at_one_place, made, same

ASKED = [*USERS[:12], "stranger", None]
OPTIONS = {"kernel": {"rank": 8, "reg": 10, "text": 10, "graded": True, "decay": True, "cold": 1}}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with made(tmp_path_factory.mktemp("crowd"), SCENARIOS, sources=OPTIONS) as engine:
        yield engine


@pytest.fixture
def past(crowd: Engine) -> Iterator[LivePast]:
    store = crowd.workspace.store
    found = LivePast(StorePast(store, crowd.model.items.targets), store.watch(), patience_s=60)
    yield found
    found.close()


def over(engine: Engine, past: LivePast, memory: LivePast | None) -> Recommender:
    workspace = engine.workspace
    verbaliser = Verbaliser(workspace.settings)
    return Recommender(
        workspace.settings, engine.model, workspace.encoder, verbaliser, past, memory
    )


def answers(recommender: Recommender, scenario: str, n: int, only: Any = None) -> list[Answer]:
    return list(recommender.answers(ASKED, scenario, n, NOW, only))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many questions went to the sources, each time."""
    counts: list[int] = []
    plain = Finder._lists

    def counted(self: Finder, queries: Any) -> Any:
        counts.append(len(queries))
        return plain(self, queries)

    monkeypatch.setattr(Finder, "_lists", counted)
    return counts


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_same_answers_come_out(
    crowd: Engine, past: LivePast, asked: list[int], scenario: str
) -> None:
    """Again, shorter, and with some left out: the sources are asked once."""
    fresh, remembering = over(crowd, past, None), over(crowd, past, past)
    answers(remembering, scenario, 4)
    only = np.random.default_rng(0).random(len(crowd.model.space(scenario))) < 0.8
    for n, mask in ((7, None), (3, None), (5, only)):
        expected = answers(fresh, scenario, n, mask)
        asked.clear()
        found = answers(remembering, scenario, n, mask)
        assert max(asked, default=1) == 1  # but for lists that lack something
        for one, other in zip(expected, found, strict=True):
            same(one, other)
            for first, second in at_one_place(one, other):
                assert first.reason == second.reason


def test_few_targets_are_looked_for_among_all(crowd: Engine, past: LivePast) -> None:
    """A filter may leave only what stands far below all that is remembered."""
    fresh, remembering = over(crowd, past, None), over(crowd, past, past)
    answers(remembering, "shop", 5)
    only = np.zeros(len(crowd.model.space("shop")), np.bool_)
    only[[3, 40, 77]] = True
    for one, other in zip(
        answers(fresh, "shop", 5, only), answers(remembering, "shop", 5, only), strict=True
    ):
        same(one, other)


def test_an_event_changes_the_next_answer(
    tmp_path: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the one who acted, and of nobody else; the sources are not asked about all again."""
    monkeypatch.setattr(renewing, "LARGE", 0)
    with tiny_world.make(tmp_path / "world") as engine:
        store = engine.workspace.store
        past = LivePast(StorePast(store, engine.model.items.targets), store.watch(), patience_s=60)
        recommender = over(engine, past, past)

        def lists() -> list[list[str]]:
            return [ids(one) for one in recommender.answers(["bo", "ann"], "shop", 3, NOW)]

        before = lists()
        asked.clear()
        assert lists() == before
        assert not asked
        shown = before[0][0]
        tiny_world.put(
            engine, Event(user_id="bo", item_id=shown, action="purchase", timestamp=NOW - DAY)
        )
        after = lists()
        assert not asked
        (alone,) = over(engine, past, None).answers(["bo"], "shop", 3, NOW)
        assert ids(alone) == after[0]
        assert shown not in after[0]
        assert after[1] == before[1]
        past.close()


@pytest.fixture
def acting(tmp_path: Path) -> Iterator[Engine]:
    with made(tmp_path / "acting", SCENARIOS, sources=OPTIONS) as engine:
        yield engine


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_who_has_acted_gets_the_list_that_all_targets_would_give(
    acting: Engine, asked: list[int], scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once and again, with something new, something known and something disliked."""
    monkeypatch.setattr(renewing, "LARGE", 0)
    store = acting.workspace.store
    past = LivePast(StorePast(store, acting.model.items.targets), store.watch(), patience_s=60)
    fresh, remembering = over(acting, past, None), over(acting, past, past)
    rng, items = np.random.default_rng(1), acting.model.items.targets.ids.ids
    answers(remembering, scenario, 5)
    for number in range(3):
        events = [
            Event(
                user_id=user, item_id=items[int(rng.integers(len(items)))], timestamp=NOW - number,
                action=("like", "view", "dislike")[number],
            )
            for user in USERS[:12]
            for _ in range(1 + number)
        ]  # fmt: skip
        with store.write() as writer:
            writer.add_events(events)
        asked.clear()
        found = answers(remembering, scenario, 5)
        people = acting.workspace.settings.scenario(scenario).target == "person"
        assert people or sum(asked) <= len(USERS[:12]) // 2  # those of no history before
        for one, other in zip(answers(fresh, scenario, 5), found, strict=True):
            same(one, other)
    past.close()


@pytest.mark.parametrize(("new", "large"), [(6, 0), (1, 10_000)])
def test_where_much_has_happened_or_targets_are_few_all_are_looked_at(
    acting: Engine, asked: list[int], monkeypatch: pytest.MonkeyPatch, new: int, large: int
) -> None:
    monkeypatch.setattr(renewing, "LARGE", large)
    store = acting.workspace.store
    past = LivePast(StorePast(store, acting.model.items.targets), store.watch(), patience_s=60)
    remembering, user = over(acting, past, past), USERS[0]
    known = {event.item_id for event in store.history(user)}
    names = [name for name in acting.model.items.targets.ids.ids if name not in known][:new]
    list(remembering.answers([user], "shop", 5, NOW))
    with store.write() as writer:
        writer.add_events([Event(user_id=user, item_id=name, action="like") for name in names])
    asked.clear()
    list(remembering.answers([user], "shop", 5, NOW))
    assert asked == [1]
    past.close()
