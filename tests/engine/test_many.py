"""Many users at once get what each gets alone, by whatever way their past is read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny_world
from polyscene.data.schema import Event, Item, Relation, User
from polyscene.engine import Answer, Engine, Recommendation
from tiny_world import DAY, NOW, ids

COUNT = 140
"""Users; more than are read one by one."""
WORDS = ["tea", "map", "shoe", "lamp", "salt", "boat", "harp", "fern", "iron", "clay"]
SCENARIOS: dict[str, dict[str, Any]] = {
    "shop": {"preset": "shop", "sources": {"kernel": "auto", "semantic-mean": "auto",
                                           "trending": "auto"}},
    "soft": {"seen_actions": ["purchase"], "sources": {"semantic-soft": 1.0, "kernel": 0.0}},
    "multi": {"reads": [], "sources": {"semantic-multi": 1.0},
              "reward": {"type": "field", "field": "price", "default": 1.0}},
    "popular": {"seen": "include", "sources": {"trending": 1.0, "fresh": 0.1}},
    "alike": {"sources": {"kernel": 1.0, "trending": 0.1}, "duplicates": {"threshold": 0.3}},
    "social": {"preset": "social"},
    "circle": {"preset": "social", "sources": {"social": 1.0, "user-knn": 0.5}},
    "private": {"private": True, "reads": [], "sources": {"kernel": 1.0, "semantic-soft": 0.5}},
    "ruled": {
        "sources": {"kernel": 1.0, "rp3beta": 0.4, "graph": 0.3},
        "reward": "similarity * log1p(price) + 0.1 * popularity",
        "rules": [
            {"exclude": "price > 40 and 'tea' in user.tags"},
            {"boost": "price < 10", "factor": 1.5},
            {"pin": "i7", "position": 2},
            {"per": "tags", "max": 2},
        ],
    },
    "varied": {"sources": {"factor": 1.0, "item-knn": 0.4, "trending": 0.1},
               "diversity": {"method": "mmr", "strength": 0.4}},
}  # fmt: skip
OPTIONS = {"kernel": {"rank": 8, "reg": 10, "text": 10, "graded": True, "decay": True, "cold": 1}}
"""Given, so that a fit does not search for them."""
USERS = [f"u{number}" for number in range(COUNT)]
ASKED = [*USERS, "stranger", "u3"]


def records() -> tuple[list[Item], list[User], list[Event], list[Relation]]:
    """Everybody does up to nine things, some of them undated or with people; some say a word."""
    rng = np.random.default_rng(4)
    items = [
        Item(
            item_id=f"i{number}",
            title=" ".join(rng.choice(WORDS, 3, replace=False)),
            tags=[str(rng.choice(WORDS))],
            published_at=NOW - float(rng.integers(1, 400)) * DAY,
            price=float(rng.integers(1, 50)),
        )
        for number in range(80)
    ]
    users = [
        User(user_id=name, tags=[str(rng.choice(WORDS))] if number % 3 else [])
        for number, name in enumerate(USERS)
    ]
    events = []
    for name in USERS:
        for _ in range(int(rng.integers(0, 10))):
            social = rng.random() < 0.15
            events.append(
                Event(
                    user_id=name,
                    item_id=str(rng.choice(USERS)) if social else f"i{rng.integers(80)}",
                    action=str(rng.choice(["follow", "block"] if social else
                                          ["purchase", "view", "dislike"])),
                    scenario="social" if social else str(rng.choice(["shop", "multi", "private"])),
                    timestamp=None if rng.random() < 0.2 else NOW - float(rng.integers(99)) * DAY,
                )
            )  # fmt: skip
    relations = [
        Relation(subject=str(a), predicate=predicate, object=str(b))
        for predicate in ("friend", "follows", "blocks")
        for a, b in rng.choice(USERS, (30, 2))
    ]
    return items, users, events, relations


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with made(tmp_path_factory.mktemp("crowd"), SCENARIOS, sources=OPTIONS) as engine:
        yield engine


def made(path: Path, scenarios: dict[str, dict[str, Any]], **settings: Any) -> Engine:
    items, users, events, relations = records()
    return tiny_world.make(
        path, scenarios, items=items, users=users, events=events, relations=relations,
        validation={"folds": 1}, **settings,
    )  # fmt: skip


def same(one: Answer, other: Answer) -> None:
    """The same list; of targets of equal score, up to rounding, another may stand at a place."""
    assert one.user_id == other.user_id
    assert one.scenario == other.scenario
    assert one.notes == other.notes
    assert len(one.items) == len(other.items)
    scores, others = ([item.score for item in answer.items] for answer in (one, other))
    np.testing.assert_allclose(scores, others, atol=1e-5)
    ends = np.flatnonzero(np.diff(scores) < -1e-4) + 1  # what equals the last may be outside
    for start, end in pairwise([0, *ends.tolist()]):
        assert set(ids(one)[start:end]) == set(ids(other)[start:end])
    alike = at_one_place(one, other)
    for first, second in alike:
        assert first.title == second.title
        assert first.sources == pytest.approx(second.sources, abs=1e-5)


def at_one_place(one: Answer, other: Answer) -> list[tuple[Recommendation, Recommendation]]:
    """What two lists have at the same place."""
    pairs = zip(one.items, other.items, strict=True)
    return [(first, second) for first, second in pairs if first.item_id == second.item_id]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_everybody_gets_the_list_they_get_alone(crowd: Engine, scenario: str) -> None:
    """Strangers and somebody asked for twice among them; in the order asked, with reasons."""
    together = list(crowd.recommend_many(ASKED, scenario, 7, now=NOW))
    assert [answer.user_id for answer in together] == ASKED
    for user, answer in zip(ASKED, together, strict=True):
        alone = crowd.recommend(user, scenario, 7, now=NOW)
        same(alone, answer)
        for one, other in at_one_place(alone, answer):
            assert one.reason == other.reason
            assert one.evidence.tags == other.evidence.tags
            assert one.evidence.stated == other.evidence.stated
            assert [s.item_id for s in one.evidence.support] == [
                s.item_id for s in other.evidence.support
            ]
    lists = {tuple(ids(answer)) for answer in together}
    assert len(lists) > 20 or scenario == "popular"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_without_reasons_the_lists_are_the_same(crowd: Engine, scenario: str) -> None:
    plain = list(crowd.recommend_many(ASKED, scenario, 7, now=NOW, reasons=False))
    for full, answer in zip(crowd.recommend_many(ASKED, scenario, 7, now=NOW), plain, strict=True):
        same(full, answer)
        for item in answer.items:
            assert item.reason == ""
            assert not item.evidence.support
            assert not item.evidence.tags
            assert item.evidence.sources == item.sources


@pytest.mark.parametrize("count", [0, 1, 99, 100, 128, 129])
def test_any_number_of_users(crowd: Engine, count: int) -> None:
    """On both sides of where users are read, or scored, together."""
    answers = list(crowd.recommend_many(USERS[:count], "shop", 3, now=NOW))
    assert [answer.user_id for answer in answers] == USERS[:count]
    for answer in answers[:1] + answers[-1:]:
        assert answer.user_id is not None
        same(answer, crowd.recommend(answer.user_id, "shop", 3, now=NOW))


def test_only_the_targets_given_are_ranked(crowd: Engine) -> None:
    some = [f"i{number}" for number in range(0, 80, 9)]
    for user, answer in zip(
        USERS, crowd.recommend_many(USERS, "shop", 20, targets=some, now=NOW), strict=True
    ):
        assert set(ids(answer)) <= set(some)
        same(answer, crowd.recommend(user, "shop", 20, targets=some, now=NOW))


def test_lists_longer_than_there_are_targets(crowd: Engine) -> None:
    """Everything that may be shown, for each user."""
    for user, answer in zip(
        USERS, crowd.recommend_many(USERS, "popular", 500, now=NOW), strict=True
    ):
        assert len(answer.items) == len(crowd.recommend(user, "popular", 500, now=NOW).items) > 70


def test_events_that_came_after_the_fit_count(tmp_path: Path) -> None:
    """For many users as for one: what is bought is gone at once."""
    with made(tmp_path, {"shop": {"preset": "shop"}}) as engine:
        first = {answer.user_id: ids(answer)[0] for answer in
                 engine.recommend_many(USERS, "shop", 1, now=NOW)}  # fmt: skip
        for user, item in first.items():
            engine.record(tiny_world.act(user or "", item, days=0))
        for answer in engine.recommend_many(USERS, "shop", 5, now=NOW):
            assert first[answer.user_id] not in ids(answer)
            same(answer, engine.recommend(answer.user_id, "shop", 5, now=NOW))


def test_what_is_known_of_all_is_read_again_only_when_something_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with made(tmp_path, {"shop": {"preset": "shop"}}) as engine:
        store, read = engine.workspace.store, []
        real = store.dataset
        monkeypatch.setattr(store, "dataset", lambda: read.append(1) or real())
        for _ in range(2):
            answers = list(engine.recommend_many(USERS, "shop", 3, now=NOW))
        assert len(read) == 1
        engine.record(tiny_world.act("u0", ids(answers[0])[0], days=0))
        again = next(iter(engine.recommend_many(USERS, "shop", 3, now=NOW)))
        assert len(read) == 2
        assert ids(answers[0])[0] not in ids(again)


@pytest.mark.parametrize("n", [0, -3])
def test_lists_without_length(crowd: Engine, n: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        list(crowd.recommend_many(USERS, "shop", n))
