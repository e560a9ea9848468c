"""A full disk, a folder that may not be written, a jump of the clock, two servers, a bad swap."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

import tiny_world
from polyscene.encoders import RemoteEncoder
from polyscene.encoders.remote import RemoteConfig
from polyscene.errors import WorkspaceError
from polyscene.fitting.model import Model, current_version
from polyscene.testing.fake_server import FakeAnswer, FakeServer
from served import PACE, Served, eventually, get, ids, served

from .conftest import PAGES, Server

ASK = {"scenario": "shop", "user": "ann", "n": 3}
DAY = 86_400.0


def event(number: int, item: str = "map-1") -> dict[str, Any]:
    return {"user_id": "eve", "item_id": item, "action": "click", "event_id": f"e-{number}"}


def kept_events(client: Served) -> set[str | None]:
    store = client.service.workspace.store
    return {one.event_id for _, one in store.events(0, 10_000)}


@contextmanager
def full_disk(client: Served) -> Iterator[None]:
    """The store's file may not grow inside the block, as where the disk is full."""
    engine = client.service.workspace.store._engine
    dialect: Any = engine.dialect
    connect, full = dialect.connect, True

    def limited(*arguments: Any, **options: Any) -> Any:
        # Events of SQLAlchemy will not do: none may be added while threads of the service connect.
        connection = connect(*arguments, **options)
        if full:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    dialect.connect = limited
    engine.dispose()  # what is open has no limit
    yield
    full = False
    engine.dispose()  # what is open has one


def test_on_a_full_disk_nothing_is_acknowledged_that_is_not_kept(serve: Server) -> None:
    """Writes are refused with what to do, lists go on, and with space again so do writes."""
    client = serve()
    refused = b""
    acknowledged: set[str | None] = set()
    with full_disk(client):
        for number in range(40):
            many = [event(number * 500 + one) for one in range(500)]
            answer = client.post("/v1/events", json=many)
            if answer.status_code == 503:
                refused = answer.content
                break
            assert answer.status_code == 200
            acknowledged |= {one["event_id"] for one in many}
        assert b"the disk is full" in refused
        assert answer.headers["retry-after"] == "1"
        shown = get(client, "/v1/recommend", **ASK)["request_id"]
        assert client.put("/v1/items/new", json={"title": "x" * 50_000}).status_code == 503
    assert client.post("/v1/events", json=event(-1)).json() == {"accepted": 1, "repeated": 0}
    assert kept_events(client) - {None} == acknowledged | {"e--1"}
    store = client.service.workspace.store
    eventually(lambda: shown in {one.request_id for one in store.impressions()})


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_model_that_cannot_be_written_leaves_the_old_one(
    serve: Server, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A full disk, a read-only one, a folder of somebody else: the fit says so, and where."""
    client = serve()
    models, version = client.service.workspace.models, client.service.keeper.version
    make = Path.mkdir

    def refuse(path: Path, *args: Any, **options: Any) -> None:
        if path.name.endswith(".partial"):
            raise OSError(code, os.strerror(code))
        make(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with (
        tiny_world.reopen(client.service.workspace.path, pages=PAGES) as engine,
        pytest.raises(WorkspaceError, match=f"cannot write the model .*{os.strerror(code)}"),
    ):
        engine.fit(now=tiny_world.NOW)
    assert current_version(models) == version
    assert get(client, "/v1/recommend", **ASK)["model"] == version


def test_a_folder_that_may_not_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_world.make(tmp_path / "w").close()
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and allowed(path, mode))
    with (
        tiny_world.reopen(tmp_path / "w") as engine,
        pytest.raises(WorkspaceError, match="cannot be read and written: check the permissions"),
    ):
        _ = engine.workspace.store


@pytest.mark.parametrize("days", [-400.0, 4000.0])
def test_a_clock_that_jumps_changes_no_more_than_ages(
    serve: Server, monkeypatch: pytest.MonkeyPatch, days: float
) -> None:
    """Events count in the next answer, scores stay finite, and kept ones are made anew."""
    client = serve()
    before = get(client, "/v1/recommend", **ASK)
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + days * DAY)
    first = ids(before)[0]
    bought = {"user_id": "ann", "item_id": first, "action": "purchase", "scenario": "shop"}
    assert client.post("/v1/events", json=bought).status_code == 200
    after = get(client, "/v1/recommend", **ASK)
    assert first not in ids(after)
    assert len(ids(after)) == 3
    assert all(abs(item["score"]) < 1e6 for item in after["items"])
    monkeypatch.undo()
    assert ids(get(client, "/v1/recommend", **ASK)) == ids(after)


def test_two_servers_on_one_workspace_agree(serve: Server) -> None:
    """Events, items and models written by one count in the next answer of the other."""
    one = serve()
    with served(one.service.workspace.path, pages=PAGES) as two:
        for writer, reader in ((one, two), (two, one)):
            first = ids(get(reader, "/v1/recommend", **ASK))[0]
            bought = {"user_id": "ann", "item_id": first, "action": "purchase", "scenario": "shop"}
            assert writer.post("/v1/events", json=bought).status_code == 200
            assert first not in ids(get(reader, "/v1/recommend", **ASK))
        assert one.post("/v1/events", json=event(1)).json()["accepted"] == 1
        assert two.post("/v1/events", json=event(1)).json()["repeated"] == 1
        two.put("/v1/items/map-8", json={"title": "Old map of Oslo", "tags": ["maps"]})
        asked = {"scenario": "shop", "user": "bo"}
        eventually(lambda: "map-8" in ids(get(one, "/v1/recommend", **asked)))
        with tiny_world.reopen(one.service.workspace.path, pages=PAGES) as engine:
            version = engine.fit(now=tiny_world.NOW).config.version
        eventually(lambda: {one.service.keeper.version, two.service.keeper.version} == {version})


@pytest.mark.parametrize("error", [MemoryError("no memory"), RuntimeError("a bug")])
def test_a_swap_that_crashes_leaves_the_old_model_serving(
    serve: Server, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whatever the new model does when it is read; it is tried once, and told."""
    client = serve()
    old = client.service.keeper.version
    load: Callable[..., Model] = Model.load
    tried: list[str | None] = []

    def crash(models: Path, settings: Any, version: str | None = None) -> Model:
        tried.append(version)
        raise error

    with tiny_world.reopen(client.service.workspace.path, pages=PAGES) as engine:
        monkeypatch.setattr(Model, "load", crash)
        new = engine.fit(now=tiny_world.NOW).config.version
    eventually(lambda: str(error) in client.get("/health/ready").json()["trouble"])
    assert get(client, "/v1/recommend", **ASK)["model"] == old
    time.sleep(0.2)
    assert tried == [new]
    assert b'model_loads_total{outcome="failed"} 1.0' in client.get("/metrics").content
    monkeypatch.setattr(Model, "load", load)
    assert client.post(f"/v1/models/{new}/promote").json() == {"serving": new}


@pytest.mark.parametrize("failure", [FakeAnswer(503), FakeAnswer(body=b"{"), FakeAnswer(401)])
def test_a_remote_api_that_is_down_costs_the_texts_only(serve: Server, failure: FakeAnswer) -> None:
    """The service of the encoder fails: lists rest on behaviour, and say so."""
    with FakeServer() as remote:
        encoder = RemoteEncoder(RemoteConfig(base_url=remote.url, model="m", retries=0))

        def fitted(path: Path) -> None:
            with tiny_world.reopen(path, encoder=encoder, pages=PAGES) as engine:
                engine.fit(now=tiny_world.NOW)

        client = serve(encoder=encoder, after=fitted, fit=False)
        assert not get(client, "/v1/recommend", **ASK)["notes"]
        remote.answer_with(*[failure] * 20)
        body = get(client, "/v1/recommend", **ASK, text="a text never seen")
        assert any("the encoder is slow or down" in note for note in body["notes"])
        assert body["items"]
        assert 'degraded_answers_total{why="encoder"}' in client.get("/metrics").text
        encoder.close()


def test_more_than_can_wait_is_refused_at_once_and_the_rest_is_answered(serve: Server) -> None:
    """Two may wait: of five who ask while another answer takes long, three hear so at once."""
    client = serve(pace=replace(PACE, queue=2))
    long = threading.Event()

    async def all_at_once() -> list[httpx.Response]:
        busy = asyncio.create_task(client.service.ask(lambda: long.wait(30)))
        asked = [
            asyncio.create_task(client.http.get(path, params=parameters))
            for path, parameters in (
                ("/v1/recommend", ASK),
                ("/v1/search", {"scenario": "shop", "q": "maps"}),
                ("/v1/recommend", ASK),
                ("/v1/similar/map-1", {"scenario": "shop"}),
                ("/v1/pages/home", {"user": "ann"}),
            )
        ]
        while sum(one.done() for one in asked) < 3:
            await asyncio.sleep(0.01)
        assert not long.is_set()
        long.set()
        await busy
        return await asyncio.gather(*asked)

    answers = client.run(all_at_once())
    refused = [one for one in answers if one.status_code == 503]
    assert len(refused) == 3
    assert sum(one.status_code == 200 for one in answers) == 2
    assert all(one.json()["error"]["type"] == "OverloadError" for one in refused)
    assert all(one.headers["retry-after"] == "1" for one in refused)
    assert 'polyscene_refused_requests_total{why="overload"} 3.0' in client.get("/metrics").text
    assert get(client, "/v1/recommend", **ASK)["items"]
