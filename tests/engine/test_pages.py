"""Several scenarios on one page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tiny_world
from polyscene.data.schema import Item
from polyscene.engine import Engine
from polyscene.errors import SettingsError
from tiny_world import ITEMS, NOW, SCENARIOS, Maker, ids, reopen

TWINS = [
    Item(item_id="tea-9", title="White tea", description="Picked in spring.", tags=["tea"]),
    Item(item_id="copy-9", title="white  TEA", description="Picked in spring.", tags=["tea"]),
]
SHOPS: dict[str, Any] = {
    "shop": {"preset": "shop"},
    "offers": {"preset": "shop", "sources": {"semantic-mean": 1.0}},
    "own": {"preset": "shop", "rules": [{"exclude": "True"}]},
    "courses": {"preset": "education", "target": "activity", "safety": {"require": []}},
}
ROWS = ["shop", "offers", "news", "social"]


def paged(engine: Engine, rows: list[str], user: str | None = "ann", n: int = 3) -> list[list[str]]:
    with reopen(engine.workspace.path, SCENARIOS | SHOPS, pages={"home": {"rows": rows}}) as own:
        return [ids(answer) for answer in own.page(user, "home", n, now=NOW).rows]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("pages")
    with tiny_world.make(path, SCENARIOS | SHOPS, items=[*ITEMS, *TWINS]) as engine:
        yield engine


def test_a_row_for_each_scenario_in_order(world: Engine) -> None:
    pages = {"home": {"rows": ROWS}}
    with reopen(world.workspace.path, SCENARIOS | SHOPS, pages=pages) as engine:
        page = engine.page("ann", "home", 3, now=NOW)
        assert (page.page, page.user_id) == ("home", "ann")
        assert [answer.scenario for answer in page.rows] == ROWS
        assert ids(page.rows[0]) == ids(engine.recommend("ann", "shop", 3, now=NOW))
        assert ids(page.rows[3]) == ids(engine.recommend("ann", "social", 3, now=NOW))
        data = json.loads(json.dumps(page.to_dict(), allow_nan=False))
        assert [row["scenario"] for row in data["rows"]] == ROWS


def test_nothing_stands_twice(world: Engine) -> None:
    """The second shop goes on where the first ends, and the copy of a tea counts as that tea."""
    rows = paged(world, ["shop", "offers"], n=6)
    assert len(rows[0]) == len(rows[1]) == 6
    assert set(rows[0]).isdisjoint(rows[1])
    everything = list(chain(*paged(world, ["offers", "shop"], n=50)))
    assert len({"tea-9", "copy-9"} & set(everything)) == 1


def test_what_is_pinned_below_is_not_repeated(world: Engine) -> None:
    first = paged(world, ["shop"], n=1)[0][0]
    spec = SHOPS | {"offers": {"preset": "shop", "rules": [{"pin": first, "position": 1}]}}
    pages = {"home": {"rows": ["shop", "offers"]}}
    with reopen(world.workspace.path, SCENARIOS | spec, pages=pages) as engine:
        rows = [ids(answer) for answer in engine.page("ann", "home", 1, now=NOW).rows]
    assert rows[0] == [first]
    assert rows[1] != [first]


def test_a_row_that_stays_empty_says_why(world: Engine) -> None:
    """Nothing of the kind that may be shown; or everything stands in a row above."""
    pages = {"home": {"rows": ["own", "travel", "courses"]}}
    with reopen(world.workspace.path, SCENARIOS | SHOPS, pages=pages) as engine:
        own, travel, courses = engine.page("nobody", "home", 10, now=NOW).rows
    assert ids(own) == []
    assert own.notes[1:] == ["nothing to show: the scenario may show no target of kind item"]
    assert set(ids(travel)) == {"trip-1", "trip-2"}
    assert ids(courses) == []
    assert courses.notes[1:] == [
        "nothing to show: each of the 2 targets was seen, is excluded for this user, stands above "
        "on the page, or was not among those asked for"
    ]


def test_an_unknown_page_is_an_error_with_a_suggestion(world: Engine, make: Maker) -> None:
    with reopen(world.workspace.path, SHOPS | SCENARIOS, pages={"home": {"rows": ROWS}}) as engine:
        with pytest.raises(SettingsError, match="unknown page 'hom'; did you mean 'home'"):
            engine.page("ann", "hom", now=NOW)
        with pytest.raises(ValueError, match="at least 1"):
            engine.page("ann", "home", 0)
    with pytest.raises(SettingsError, match=r"no page is declared; add \[pages.home\]"):
        make().page("ann", "home", now=NOW)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.permutations(["shop", "offers", "news", "health", "travel", "social"]),
    st.sampled_from(["ann", "bo", "wei", "nobody", None]),
    st.integers(1, 12),
)
def test_no_target_twice_whatever_the_rows(
    world: Engine, rows: list[str], user: str | None, n: int
) -> None:
    found = paged(world, rows, user, n)
    listed = list(chain(*found))
    assert len(listed) == len(set(listed))
    assert len(found) == len(rows)
    assert all(len(row) <= n for row in found)
