"""The map: what is drawn of a model, and where a user stands."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tiny_world
from polyscene.data.schema import Item
from polyscene.server.dashboard import atlas
from polyscene.server.dashboard.atlas import Atlas, Chart
from served import Served, eventually

from .conftest import Server
from .test_dashboard import Browser


def chart_of(client: Served) -> Chart:
    found = client.run(Atlas().chart(client.service, 30.0))
    assert found is not None
    return found


def test_each_target_is_drawn_once_with_the_first_scenario_that_may_show_it(
    world: Served,
) -> None:
    """People too; not what is withheld, and not what has no text."""
    chart = chart_of(world)
    where = dict(zip(chart.ids, chart.scenarios, strict=True))
    assert len(where) == len(chart.ids) == sum(chart.counts.values())
    assert (where["tea-1"], where["news-1"], where["heal-1"]) == ("shop", "news", "health")
    assert where["ann"] == "social"
    assert "nil" not in where
    assert chart.places.shape == (len(where), 2)


def test_only_a_share_of_many_is_drawn_and_the_page_says_so(
    serve: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 300 items 100, of the few others nearly all; drawn are always the same."""
    monkeypatch.setattr(atlas, "MOST_DRAWN", 100)
    many = [Item(item_id=f"x{n}", title=f"Tea number {n}") for n in range(300)]
    client = serve(items=[*tiny_world.ITEMS, *many])
    chart = chart_of(client)
    drawn = [name for name, own in zip(chart.ids, chart.scenarios, strict=True) if own == "shop"]
    assert chart.counts["shop"] == 312
    assert len(drawn) == round(312 * 100 / sum(chart.counts.values()))
    assert chart.scenarios.count("news") == 3
    assert list(chart_of(client).ids) == list(chart.ids)
    page = Browser(client).get("/map").text
    assert page.count("<circle") - page.count('cx="6"') == len(chart.ids)
    assert f"{len(chart.ids)} of {sum(chart.counts.values())} targets" in page


def test_a_user_stands_among_what_is_like_them(world: Served) -> None:
    """Ann, who likes tea, beside tea; somebody unknown stands nowhere."""
    chart, ask = chart_of(world), world.service.answering.vector
    vector = world.run(world.service.ask(lambda: ask("ann", "shop")))
    rows, cosines = chart.near(vector, "ann")
    assert "tea" in chart.titles[rows[0]].lower()
    assert "ann" not in {chart.ids[row] for row in rows}
    assert (np.diff(cosines) <= 0).all()
    assert chart.place(vector, "ann") is not None
    browser = Browser(world)
    page = browser.get("/map?user=ann&scenario=shop").text
    assert 'class="star"' in page
    assert "Harbour run · travel" not in page
    nobody = browser.get("/map?user=%3Cb%3E").text
    assert 'class="star"' not in nobody
    assert "Nothing is known of this user" in nobody
    assert "<b>" not in nobody
    assert browser.get("/map?scenario=shp").status_code == 404


def test_regions_tell_what_stands_in_them() -> None:
    """Four targets in two corners; the tag of a corner tells it, not the one that all have."""
    chart = Chart(
        ids=list("abcd"), titles=list("abcd"), scenarios=["shop", "shop", "news", "shop"],
        tags=[["x", "tea"], ["x", "tea"], ["x", "run"], ["x", "run"]],
        vectors=np.eye(4, dtype=np.float32), counts={"shop": 3, "news": 1},
        places=np.array([[0, 0], [0.1, 0.2], [1, 1], [0.9, 1]]),
    )  # fmt: skip
    first, last = chart.regions()
    assert (first.row, first.column, first.targets, first.tags[0]) == (0, 0, 2, "tea")
    assert (last.row, last.column, last.scenario, last.tags[0]) == (2, 2, "news", "run")


def test_a_blocked_target_leaves_the_map(serve: Server) -> None:
    """Soon: a map of so few is made in no time."""
    client = serve()
    browser = Browser(client)
    assert "Green tea kettle" in browser.get("/map").text
    body = {"scenario": "shop", "item_ids": ["tea-3"], "decision": "block"}
    client.post("/v1/review", json=body)
    eventually(lambda: "Green tea kettle" not in browser.get("/map").text, 20)


def test_an_erased_person_is_on_the_map_no_more(serve: Server) -> None:
    client = serve()
    browser = Browser(client)
    assert "Ann · social" in browser.get("/map").text
    assert client.delete("/v1/users/ann").status_code == 200
    page = eventually(lambda: "<circle" in (text := browser.get("/map").text) and text)
    assert not re.search(r"\bAnn · social", page)


def test_a_map_that_takes_long_is_loaded_when_it_is_made(world: Served) -> None:
    async def hurried() -> Chart | None:
        return await Atlas().chart(world.service, 0.0)

    assert world.run(hurried()) is None


def test_without_a_model_there_is_no_map(serve: Server) -> None:
    assert "There is no model yet" in Browser(serve(fit=False)).get("/map").text
