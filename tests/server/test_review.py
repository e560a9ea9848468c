"""What waits for a decision, over HTTP and in the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polyscene.server.auth import add_key
from polyscene.storage import Store
from served import Served, get, ids

from .conftest import Server
from .test_dashboard import Browser

SAFETY = {"hold_terms": ["maps"], "hold_tags": ["kettle"]}
SCENARIOS = {"shop": {"preset": "shop", "safety": SAFETY}, "news": {"preset": "news"}}


@pytest.fixture
def client(serve: Server) -> Served:
    return serve(scenarios=SCENARIOS, pages={})


def decide(client: Served, decision: str, *targets: str) -> Any:
    body = {"scenario": "shop", "item_ids": list(targets), "decision": decision}
    return client.post("/v1/review", json=body)


def shown(client: Served) -> set[str]:
    return set(ids(get(client, "/v1/recommend", scenario="shop", user="ann", n=50)))


def test_a_decision_changes_the_next_answer(client: Served) -> None:
    """Also one that was kept; what was decided is listed, newest first."""
    waiting = get(client, "/v1/review")
    assert {one["item_id"] for one in waiting["waiting"]} == {"tea-3", "map-1", "map-2", "map-3"}
    assert waiting["waiting"][0] == {
        "scenario": "shop", "item_id": "tea-3", "title": "Green tea kettle",
        "why": "on hold for tag 'kettle'",
    }  # fmt: skip
    assert get(client, "/v1/review", n=1)["more"]
    assert not get(client, "/v1/review", scenario="news")["waiting"]
    before = shown(client)
    assert "tea-3" not in before
    assert decide(client, "approve", "tea-3").json() == {"decided": 1}
    assert shown(client) == before | {"tea-3"}
    decide(client, "block", "tea-2", "map-1")
    assert shown(client) == (before | {"tea-3"}) - {"tea-2"}
    decide(client, "reopen", "tea-2")
    assert "tea-2" in shown(client)
    reviews = get(client, "/v1/review/decisions")["reviews"]
    assert [(one["target"], one["decision"], one["why"]) for one in reviews] == [
        ("tea-2", "reopen", ""),
        ("map-1", "block", "term 'maps'"),
        ("tea-2", "block", ""),
        ("tea-3", "approve", "tag 'kettle'"),
    ]
    assert {one["decided_by"] for one in reviews} == {"local"}
    older = get(client, "/v1/review/decisions", before=reviews[1]["seq"], n=1)["reviews"]
    assert older == reviews[2:3]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"scenario": "shp"}, 404, "did you mean 'shop'"),
        ({"item_ids": ["none"]}, 404, "unknown item 'none'"),
        ({"item_ids": []}, 422, ""),
        ({"decision": "maybe"}, 422, ""),
        ({"extra": 1}, 422, ""),
    ],
)
def test_a_wrong_decision_is_refused(
    client: Served, body: dict[str, Any], status: int, message: str
) -> None:
    start = {"scenario": "shop", "item_ids": ["tea-3"], "decision": "approve"}
    answer = client.post("/v1/review", json=start | body)
    assert answer.status_code == status
    assert message in answer.text
    assert client.get("/v1/review", params={"scenario": "shp"}).status_code == 404


def test_only_an_admin_decides_and_is_named(serve: Server) -> None:
    keys: dict[str, str] = {}

    def add(path: Path) -> None:
        with Store.open(f"sqlite:///{path / 'store.db'}") as store:
            for role in ("write", "admin"):
                keys[role] = add_key(store, f"{role} of the shop", role)[1]

    client = serve(after=add, scenarios=SCENARIOS, pages={})
    body = {"scenario": "shop", "item_ids": ["tea-3"], "decision": "approve"}
    for role, status in (("write", 403), ("admin", 200)):
        headers = {"x-api-key": keys[role]}
        assert client.get("/v1/review", headers=headers).status_code == status
        assert client.post("/v1/review", json=body, headers=headers).status_code == status
    browser = Browser(client)
    browser.get("/sign-in")
    browser.post("/sign-in", {"key": keys["admin"]})
    browser.get("/review")
    browser.post("/review", {"scenario": "shop", "target": "map-1", "decision": "block"})
    reviews = client.get("/v1/review/decisions", headers={"x-api-key": keys["admin"]}).json()
    assert [one["decided_by"] for one in reviews["reviews"]] == ["admin of the shop"] * 2


def test_the_page_lists_what_waits_and_decides(client: Served) -> None:
    """A decided target moves from one list to the other, and back when that is taken back."""
    browser, part = Browser(client), {"hx-request": "true"}
    assert "Nothing was decided yet" in browser.get("/review").text
    assert "Nothing waits" in browser.get("/review?scenario=news").text
    fields = {"scenario": "shop", "target": "tea-3", "only": ""}
    page = browser.post("/review", fields | {"decision": "approve"}, **part).text
    assert "<html" not in page
    waits, decided = page.split("Decided")
    assert "tea-3" not in waits
    assert "tea-3" in decided
    assert "approved" in decided
    assert "tea-3" in shown(client)
    page = browser.post("/review", fields | {"decision": "reopen"}, **part).text
    assert "tea-3" in page.split("Decided")[0]
    assert page.count('value="reopen"') == 0
    assert browser.post("/review", fields | {"decision": "maybe"}).status_code == 422


def test_without_a_model_the_screen_holds_too(serve: Server) -> None:
    """What is on hold, blocked, or of other scenarios is not shown by the fallback either."""
    client = serve(scenarios=SCENARIOS, pages={}, fit=False)
    assert not {"map-1", "map-3", "tea-3", "heal-1"} & shown(client)
    decide(client, "approve", "map-3")
    decide(client, "block", "tea-1")
    found = shown(client)
    assert "map-3" in found
    assert "tea-1" not in found
