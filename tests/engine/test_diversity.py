"""Variety, calibration and exposure in answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import tiny_world
from polyscene.data.schema import Item
from polyscene.engine import Answer, Engine
from polyscene.engine.checkup import examine
from tiny_world import NOW, USERS, act, ids, reopen

KINDS = {"tea": 12, "cup": 6, "map": 6}
ITEMS = [
    Item(item_id=f"{kind}-{number}", title=f"{kind} number {number}", tags=[kind],
         provider="big" if kind == "tea" else "small", shelf=kind)
    for kind, count in KINDS.items()
    for number in range(count)
]  # fmt: skip
EVENTS = [
    *(act("cy", f"tea-{number}") for number in range(3)),
    act("cy", "map-0"),
    act("bo", "cup-0"),
]


def shop(**spec: Any) -> dict[str, dict[str, Any]]:
    return {"shop": {"preset": "shop", "duplicates": {"threshold": 1.0}, **spec}}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("shelf")
    with tiny_world.make(path, shop(), items=ITEMS, users=USERS, events=EVENTS) as engine:
        yield engine


def asked(engine: Engine, user: str = "ann", n: int = 6, **spec: Any) -> Answer:
    with reopen(engine.workspace.path, shop(**spec)) as own:
        return own.recommend(user, "shop", n, now=NOW)


def kinds(answer: Answer) -> list[str]:
    return [name.partition("-")[0] for name in ids(answer)]


def test_without_strength_or_floor_nothing_changes(shelf: Engine) -> None:
    plain = asked(shelf)
    assert kinds(plain) == ["tea"] * 6
    for method in ("mmr", "dpp", "calibrated"):
        diversity = {"method": method, "by": "tags", "strength": 0}
        assert asked(shelf, diversity=diversity).rows() == plain.rows()
    assert asked(shelf, exposure={"by": "shelf", "floor": 0}).rows() == plain.rows()


@pytest.mark.parametrize("method", ["mmr", "dpp"])
@pytest.mark.parametrize("by", ["text", "tags", "shelf"])
def test_a_varied_list_has_more_kinds(shelf: Engine, method: str, by: str) -> None:
    """The best target stays first; scores stay those of the targets."""
    plain = asked(shelf)
    answer = asked(shelf, diversity={"method": method, "by": by, "strength": 0.8})
    assert ids(answer)[0] == ids(plain)[0]
    assert len(set(kinds(answer))) > 1
    by_itself = {item.item_id: item.score for item in asked(shelf, n=50).items}
    for item in answer.items:
        assert item.score == pytest.approx(by_itself[item.item_id], rel=1e-5)


def test_the_waterfall_says_what_diversity_moved(shelf: Engine) -> None:
    """Who stands before or after its place by value says so; the same in evidence and waterfall."""
    answer = asked(shelf, diversity={"method": "mmr", "by": "shelf", "strength": 0.8})
    said = set()
    for item in answer.items:
        fall = item.waterfall
        assert fall is not None
        assert fall.rules == item.evidence.rules
        before = fall.value_place or 0
        moved = "brought forward" if before > item.rank else "put back"
        assert fall.rules == (() if before == item.rank else (f"{moved} by diversity",))
        said |= set(fall.rules)
    assert "brought forward by diversity" in said


def test_a_calibrated_list_follows_the_user(shelf: Engine) -> None:
    """cy bought three teas and a map: of eight, six and two; ann has no history: as it was."""
    calibrated = {"method": "calibrated", "by": "tags", "strength": 0.95}
    found = kinds(asked(shelf, "cy", 8, diversity=calibrated))
    assert (found.count("tea"), found.count("map")) == (6, 2)
    assert ids(asked(shelf, diversity=calibrated)) == ids(asked(shelf))


def test_rules_hold_in_a_varied_list(shelf: Engine) -> None:
    """A pin, a maximum and an exclusion, with any method."""
    rules = [
        {"exclude": "item_id == 'cup-1'"},
        {"pin": "map-5", "position": 2},
        {"max": 2, "per": "shelf"},
    ]
    for method in ("mmr", "dpp", "calibrated"):
        diversity = {"method": method, "by": "shelf", "strength": 0.7}
        answer = asked(shelf, "cy", rules=rules, diversity=diversity)
        found = kinds(answer)
        assert ids(answer)[1] == "map-5"
        assert {kind: found.count(kind) for kind in KINDS} == dict.fromkeys(KINDS, 2)
        assert "cup-1" not in ids(answer)


def test_every_provider_gets_its_share(shelf: Engine) -> None:
    """Half of the candidates are small ones: every second place, and the evidence says why."""
    answer = asked(shelf, exposure={"floor": 1.0})
    providers = {item.item_id: item.provider for item in ITEMS}
    found = [providers[name] for name in ids(answer)]
    assert found == ["big", "small"] * 3
    rules = [list(item.evidence.rules) for item in answer.items]
    assert rules[0] == []
    assert rules[1::2] == [["exposure of provider small"]] * 3
    assert rules[2::2] == [["put back by exposure of provider small"]] * 2


def test_the_doctor_knows_the_fields_of_a_list(shelf: Engine) -> None:
    spec = {"diversity": {"by": "shelff", "strength": 0.5}, "exposure": {"by": "x", "floor": 0.1}}
    with reopen(shelf.workspace.path, shop(**spec)) as engine:
        said = [f.text for f in examine(engine) if f.subject == "scenario shop"][1:]
    assert said[0].startswith("no target has the attribute 'shelff'; did you mean 'shelf'?")
    assert said[1].startswith("no target has the attribute 'x'")


def test_what_has_no_strength_names_no_field(shelf: Engine) -> None:
    with reopen(shelf.workspace.path, shop(diversity={"by": "nothing"})) as engine:
        assert len([f for f in examine(engine) if f.subject == "scenario shop"]) == 1
