"""Drawn places in answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import tiny_world
from polyscene.data.schema import Item, User
from polyscene.engine import Answer, Engine
from tiny_world import NOW, USERS, act, ids, reopen

ITEMS = [
    Item(item_id=f"tea-{number}", title=f"tea number {number}", tags=["tea"],
         provider="big" if number % 2 else "small")
    for number in range(20)
]  # fmt: skip
PEOPLE = [*USERS, User(user_id="zed", tags=["tea"], language="zh")]


def shop(**spec: Any) -> dict[str, dict[str, Any]]:
    return {"shop": {"preset": "shop", "duplicates": {"threshold": 1.0}, **spec}}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path, events = tmp_path_factory.mktemp("shelf"), [act("cy", "tea-0")]
    with tiny_world.make(path, shop(), items=ITEMS, users=PEOPLE, events=events) as engine:
        yield engine


def asked(engine: Engine, user: str = "ann", seeds: int = 1, **spec: Any) -> list[Answer]:
    with reopen(engine.workspace.path, shop(**spec)) as own:
        return [own.recommend(user, "shop", 5, now=NOW, seed=seed) for seed in range(seeds)]


def test_only_the_declared_places_are_drawn(shelf: Engine) -> None:
    """Place 3 among four: the others as they were, sure; the third as often as it says."""
    (plain,) = asked(shelf)
    assert [item.propensity for item in plain.items] == [1.0] * 5
    answers = asked(shelf, seeds=400, explore={"slots": [3], "among": 4})
    counts = Counter(ids(answer)[2] for answer in answers)
    chances = {answer.items[2].item_id: answer.items[2].propensity for answer in answers}
    assert len(counts) == 4
    assert ids(plain)[2] in counts
    assert sum(chances.values()) == pytest.approx(1)
    for name, count in counts.items():
        assert count / 400 == pytest.approx(chances[name], abs=0.1)
    for answer in answers:
        assert [*ids(answer)[:2], *ids(answer)[3:]] == [*ids(plain)[:2], *ids(plain)[3:]]
        assert [item.propensity for item in answer.items if item.rank != 3] == [1.0] * 4


def test_a_seed_or_a_request_id_draws_the_same(shelf: Engine) -> None:
    explore = {"share": 0.5, "draw": "uniform"}
    assert ids(asked(shelf, explore=explore)[0]) == ids(asked(shelf, explore=explore)[0])
    with reopen(shelf.workspace.path, shop(explore=explore)) as engine:
        found = [engine.recommend("ann", "shop", 5, now=NOW) for _ in range(20)]
        many = next(iter(engine.recommend_many(["ann"], "shop", 5, now=NOW, seed=0)))
    assert len({tuple(ids(answer)) for answer in found}) > 1
    assert ids(many) == ids(asked(shelf, explore=explore)[0])


@pytest.mark.parametrize(
    ("user", "begins"), [("ann", "Shown to find out whether you like it; "), ("zed", "试着推荐")]
)
def test_the_reason_says_what_was_drawn(shelf: Engine, user: str, begins: str) -> None:
    """Of what stands where it would have stood anyway it says nothing."""
    (plain,) = asked(shelf, user)
    for answer in asked(shelf, user, seeds=20, explore={"slots": [2], "draw": "uniform"}):
        item = answer.items[1]
        other = item.item_id != ids(plain)[1]
        assert item.reason.startswith(begins) == other
        assert item.evidence.explored == other
        assert ("explored" in item.evidence.rules) == other


def test_rules_hold_in_a_list_with_draws(shelf: Engine) -> None:
    """A pin at a drawn place, a quota of 2, and an exclusion."""
    rules = [
        {"pin": "tea-7", "position": 2},
        {"quota": "provider == 'small'", "min": 2, "top": 5},
        {"exclude": "item_id == 'tea-4'"},
    ]
    explore = {"slots": [1, 2, 3, 4, 5], "draw": "uniform"}
    for answer in asked(shelf, seeds=50, rules=rules, explore=explore):
        found = ids(answer)
        assert found[1] == "tea-7"
        assert answer.items[1].propensity == 1
        assert len(set(found)) == 5
        assert sum(int(name.removeprefix("tea-")) % 2 == 0 for name in found) >= 2
        assert "tea-4" not in found
