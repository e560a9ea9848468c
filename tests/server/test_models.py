"""Models come and go while requests are answered."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import tiny_world
from served import Served, eventually, get, ids

from .conftest import PAGES, Server

ASK = {"scenario": "shop", "user": "ann", "n": 3}
CHILD = Path(__file__).with_name("fit_child.py")


def refit(client: Served) -> str:
    """Fit as another process would."""
    with tiny_world.reopen(client.service.workspace.path, pages=PAGES) as engine:
        return engine.fit(now=tiny_world.NOW).config.version


def models(client: Served) -> dict[str, dict[str, Any]]:
    return {one["version"]: one for one in get(client, "/v1/models")["models"]}


def test_a_new_model_swaps_in_with_no_failed_request(serve: Server) -> None:
    """Questions are asked without pause while three models come; each is answered, none fails."""
    client = serve()
    stop, statuses, versions = threading.Event(), [], set()

    def ask() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            answer = client.get("/v1/recommend", params=ASK | {"n": number % 20 + 1})
            statuses.append(answer.status_code)
            versions.add(answer.json()["model"])

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    for _ in range(3):
        new = refit(client)
        eventually(lambda new=new: client.service.keeper.version == new)  # type: ignore[misc]
    stop.set()
    for thread in asking:
        thread.join()
    assert set(statuses) == {200}
    assert len(versions) >= 3


def test_a_version_is_promoted_and_rolled_back(serve: Server) -> None:
    client = serve()
    first = client.service.keeper.version
    second = refit(client)
    eventually(lambda: client.service.keeper.version == second)
    listed = models(client)
    assert [one["serving"] for one in listed.values()] == [False, True]
    assert listed[second]["current"]
    assert listed[first]["weights"]["shop"] == {"semantic-soft": 1.0}
    assert client.post("/v1/models/rollback").json() == {"serving": first}
    assert get(client, "/v1/recommend", **ASK)["model"] == first
    assert client.post("/v1/models/rollback").status_code == 404
    assert client.post(f"/v1/models/{second}/promote").json() == {"serving": second}
    assert get(client, "/v1/recommend", **ASK)["model"] == second
    assert client.post("/v1/models/none/promote").status_code == 404


def test_a_damaged_model_is_not_served(serve: Server) -> None:
    """The old one goes on answering, and the reason is told."""
    client = serve()
    good = client.service.keeper.version
    bad = refit(client)
    eventually(lambda: client.service.keeper.version == bad)
    client.post("/v1/models/rollback")
    (client.service.workspace.models / bad / "items" / "vectors.npy").write_bytes(b"?")
    assert client.post(f"/v1/models/{bad}/promote").status_code == 503
    assert get(client, "/v1/recommend", **ASK)["model"] == good
    (client.service.workspace.models / "current").write_text(bad)  # as a bad copy would
    eventually(lambda: bad in client.get("/health/ready").json()["trouble"])
    assert get(client, "/v1/recommend", **ASK)["model"] == good
    assert b'model_loads_total{outcome="failed"} 1.0' in client.get("/metrics").content


def test_when_the_newest_cannot_be_read_an_older_one_is_taken(serve: Server) -> None:
    """A service that starts with a damaged model serves the one before."""

    def damaged(path: Path) -> None:
        with tiny_world.reopen(path, pages=PAGES) as engine:
            version = engine.fit(now=tiny_world.NOW).config.version
        shutil.rmtree(path / "models" / version / "items")

    client = serve(after=damaged)
    assert get(client, "/v1/recommend", **ASK)["items"]
    assert "does not serve" in client.get("/health/ready").json()["trouble"]


def test_without_a_model_the_answer_makes_do(serve: Server) -> None:
    """What drew most events comes first; the first fit is served without a restart."""
    client = serve(fit=False)
    body = get(client, "/v1/recommend", **ASK)
    assert body["model"] == "none"
    assert "polyscene fit" in body["notes"][0]
    assert ids(body)[0] in {"tea-1", "tea-2", "map-1", "map-2", "run-1", "run-2", "zh-1"}
    assert get(client, "/v1/pages/home")["rows"][0]["model"] == "none"
    for path in ("/v1/similar/tea-1?scenario=shop", "/v1/search?scenario=shop&q=tea"):
        assert client.get(path).json()["model"] == "none"
    assert client.get("/v1/people/ann").json()["items"] == []
    assert b'degraded_answers_total{why="model"}' in client.get("/metrics").content
    new = refit(client)
    eventually(lambda: get(client, "/v1/recommend", **ASK)["model"] == new)


@pytest.mark.parametrize(("kind", "state"), [("good", "done"), ("bad", "failed")])
def test_a_fit_in_the_background(
    serve: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, state: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    client = serve(fit_command=[sys.executable, str(CHILD), str(tmp_path / "1"), kind])
    first = client.service.keeper.version
    started = client.post("/v1/models/fit")
    assert started.status_code == 202
    assert started.json()["state"] == "running"
    assert get(client, "/v1/recommend", **ASK)["model"] == first

    def ended() -> Any:
        fit = get(client, "/v1/models")["fit"]
        return fit["state"] != "running" and fit

    fit = eventually(ended, 30)
    assert fit["state"] == state
    if kind == "good":
        eventually(lambda: client.service.keeper.version != first)
    else:
        assert fit["message"] == "error: it went wrong"
        assert client.service.keeper.version == first


def test_a_killed_fit_leaves_the_old_model_and_a_new_fit_can_start(
    serve: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    client = serve(fit_command=[sys.executable, str(CHILD), str(tmp_path / "1"), "slow"])
    first = client.service.keeper.version
    assert client.post("/v1/models/fit").status_code == 202
    second = client.post("/v1/models/fit")
    assert second.status_code == 409
    assert second.json()["error"]["type"] == "BusyError"
    process = client.service.fits._process
    assert process is not None
    process.kill()
    eventually(lambda: get(client, "/v1/models")["fit"]["state"] == "failed")
    assert get(client, "/v1/recommend", **ASK)["model"] == first
    assert client.post("/v1/models/fit").status_code == 202  # stopped with the service
