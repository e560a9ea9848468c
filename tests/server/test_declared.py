"""A change of polyscene.toml while the service runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from polyscene.server.declared import not_at_once
from polyscene.settings import parse_settings
from served import eventually, get, ids

from .conftest import PAGES, Server

ASK = {"scenario": "shop", "user": "bo", "n": 3}
SHOP = {"preset": "shop", "sources": {"semantic-soft": 1.0}}
NEWS = {"preset": "news", "sources": {"semantic-multi": 1.0}}
SCENARIOS = {"shop": SHOP, "news": NEWS}


def write(path: Path, scenarios: dict[str, Any], **tables: Any) -> None:
    """The file of settings, in one step as an editor writes it."""
    text = tomlkit.dumps({"version": 1, "scenarios": scenarios, "pages": PAGES, **tables})
    (path / "new").write_text(text, "utf-8")
    os.replace(path / "new", path / "polyscene.toml")


def test_a_rule_a_reward_and_a_page_count_at_once(serve: Server) -> None:
    """The next list is another one, also where an answer was kept; so is that of a page."""
    client = serve(scenarios=SCENARIOS)
    path = client.service.workspace.path
    before = get(client, "/v1/recommend", **ASK)
    assert "map-3" in ids(before)
    write(path, {"shop": SHOP | {"rules": [{"exclude": "'maps' in tags"}]}, "news": NEWS})
    eventually(lambda: "map-3" not in ids(get(client, "/v1/recommend", **ASK)))
    write(path, {"shop": SHOP | {"reward": "1 - similarity"}, "news": NEWS})
    eventually(lambda: ids(get(client, "/v1/recommend", **ASK))[0] not in ids(before)[:2])
    write(path, SCENARIOS, pages={"other": {"rows": ["news"]}})
    eventually(lambda: client.get("/v1/pages/other").status_code == 200)
    assert client.get("/v1/pages/home").status_code == 404
    assert ids(get(client, "/v1/recommend", **ASK)) == ids(before)


def test_what_a_safety_list_withholds_counts_at_once(serve: Server) -> None:
    client = serve(scenarios=SCENARIOS)
    assert "map-3" in ids(get(client, "/v1/recommend", **ASK))
    safe = {"shop": SHOP | {"safety": {"blocked_tags": ["books"]}}, "news": NEWS}
    write(client.service.workspace.path, safe)
    eventually(lambda: "map-3" not in ids(get(client, "/v1/recommend", **ASK)))
    write(client.service.workspace.path, SCENARIOS)
    eventually(lambda: "map-3" in ids(get(client, "/v1/recommend", **ASK)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shop": SHOP | {"reward": "similarity *"}, "news": NEWS}, "a change of polyscene.toml"),
        ({"shop": SHOP, "news": NEWS, "books": NEWS}, "the names of scenarios"),
        ({"shop": SHOP | {"target": "activity"}, "news": NEWS}, "what the vectors contain"),
        ({"shop": SHOP | {"sources": {"kernel": 1.0}}, "news": NEWS}, "the source kernel"),
        ({"shop": SHOP | {"reward": "purchase"}, "news": NEWS}, "purchase"),
    ],
)
def test_what_cannot_be_used_is_said_and_what_serves_goes_on(
    serve: Server, caplog: pytest.LogCaptureFixture, change: dict[str, Any], said: str
) -> None:
    client = serve(scenarios=SCENARIOS)
    before = get(client, "/v1/recommend", **ASK)
    write(client.service.workspace.path, change)
    eventually(lambda: any(said in record.message for record in caplog.records))
    after = get(client, "/v1/recommend", **ASK)
    assert ids(after) == ids(before)
    assert not after["notes"]
    write(client.service.workspace.path, {"shop": SHOP | {"seen": "include"}, "news": NEWS})
    eventually(lambda: "map-1" in ids(get(client, "/v1/recommend", **ASK)))


def test_a_saved_reward_counts_at_once(serve: Server) -> None:
    from .test_dashboard import Browser

    client = serve(scenarios=SCENARIOS)
    write(client.service.workspace.path, SCENARIOS)
    browser = Browser(client, **{"hx-request": "true"})
    browser.get("/try")
    saved = browser.post("/save-reward", {"scenario": "shop", "reward": "1 - similarity"})
    assert "It counts from now on." in saved.text
    assert client.service.workspace.settings.scenarios["shop"].reward == "1 - similarity"
    assert not ids(get(client, "/v1/recommend", **ASK))[0].startswith("map")


def test_what_a_fit_or_a_start_reads_does_not_count_at_once() -> None:
    old = parse_settings({"scenarios": SCENARIOS})
    tables = {"scenarios": SCENARIOS, "whitening": {"shrinkage": 0.3}, "index": {"exact_below": 5}}
    assert not_at_once(old, parse_settings(tables)) == [
        "index",
        "whitening",
        "what the vectors contain",
    ]
    assert not_at_once(old, parse_settings({"scenarios": SCENARIOS, "pages": PAGES})) == []
