"""Files in, with what is wrong in them, and everything out."""

from __future__ import annotations

import io
import json
import os
import signal
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from polyscene.data.ingest import ingest
from polyscene.server.imports import KEPT, Imports, Upload
from polyscene.storage import Note, Store, put_notes
from served import Served, eventually

from .conftest import Server
from .test_dashboard import Browser, with_keys

SETTINGS = """version = 1
[scenarios.shop]
preset = "shop"
"""
ITEMS = "item_id,title,available\nnew-1,A new kettle,true\n"
WRONG = "item_id,title,available\nnew-1,A new <b>kettle</b>,true\nnew-2,Cup,<perhaps>\n"


def settings(path: Path) -> None:
    (path / "polyscene.toml").write_text(SETTINGS, "utf-8")


def send(browser: Browser, content: bytes, name: str = "new.csv", **fields: str) -> httpx.Response:
    """Fill in the form and send it, as a browser does."""
    form = {"token": browser.token, "kind": "items", "on_error": "fail", **fields}
    request = httpx.Request(
        "POST", "http://127.0.0.1", data=form, files={"file": (name, content, "text/csv")}
    )
    headers = {**browser._headers({}), "content-type": request.headers["content-type"]}
    return browser.client.post("/dashboard/data", content=request.read(), headers=headers)


def ended(browser: Browser) -> str:
    text = ""

    def done() -> bool:
        nonlocal text
        text = browser.get("/data", **{"hx-request": "true"}).text
        return "It is being loaded" not in text

    eventually(done, 60)
    return text


def test_a_file_is_loaded_and_its_items_are_recommended(serve: Server) -> None:
    """Skipping the wrong row, which is shown with what was expected."""
    client = serve(after=settings)
    browser = Browser(client)
    assert "No file was loaded here yet" in browser.get("/data").text
    answer = send(browser, WRONG.encode(), on_error="skip", name="../../a<b>.csv")
    assert answer.status_code == 303
    page = ended(browser)
    assert "Loaded: 1. Left out: 1." in page
    assert "&lt;perhaps&gt;" in page
    assert "a&lt;b&gt;.csv" in page
    assert "local" in page
    assert list((client.service.workspace.path / "imports").glob("*.csv")) == []
    found = client.service.workspace.store.item("new-1")
    assert found is not None
    eventually(lambda: "new-1" in client.get("/v1/similar/tea-3?scenario=shop&n=50").text, 10)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("new.exe", {}, "A file whose name ends in one of"),
        ("", {}, "Choose a file"),
        ("new.csv", {"kind": "secrets"}, "items"),
        ("new.csv", {"encoding": "rot13"}, "unknown encoding"),
        ("new.csv", {"token": "x"}, "too old"),
    ],
)
def test_a_wrong_form_starts_nothing(
    world: Served, name: str, fields: dict[str, str], message: str
) -> None:
    browser = Browser(world)
    browser.get("/data")
    answer = send(browser, ITEMS.encode(), name=name, **fields)
    assert answer.status_code == 422
    assert message in answer.text
    assert world.service.imports.list() == []


def test_no_file_is_read_of_who_is_not_signed_in(serve: Server) -> None:
    keys: dict[str, str] = {}
    client = serve(after=with_keys(keys))
    browser = Browser(client)
    browser.get("/sign-in")
    answer = send(browser, ITEMS.encode())
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("/sign-in")
    for path in ("/data", "/data/everything.zip", "/data/user.json?user=ann"):
        assert browser.get(path).status_code == 303


def test_a_file_that_is_too_large_is_refused(world: Served) -> None:
    browser = Browser(world)
    browser.get("/data")
    headers = browser._headers({"content-length": str(65 * 2**20), "content-type": "text/plain"})
    answer = world.post("/dashboard/data", content=b"", headers=headers)
    assert answer.status_code == 413


def test_everything_comes_out_and_goes_in_again(serve: Server, tmp_path: Path) -> None:
    """The records of the archive make the same store."""
    client = serve()
    client.get("/v1/recommend", params={"scenario": "shop", "user": "ann"})
    client.put("/v1/relations", json=[{"subject": "ann", "predicate": "follows", "object": "bo"}])
    store = client.service.workspace.store
    note = Note("user", "ann", "profile", ["Ann likes tea."], [], "encoder", "1", 1.0, "shop")
    put_notes(store, [note])
    eventually(lambda: list(store.impressions()))
    answer = Browser(client).get("/data/everything.zip")
    assert "attachment" in answer.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    archive.extractall(tmp_path / "out")
    assert json.loads(archive.read("impressions.jsonl").splitlines()[0])["scenario"] == "shop"
    assert json.loads(archive.read("notes.jsonl"))["words"] == ["Ann likes tea."]
    files = {
        kind: tmp_path / "out" / f"{kind}.jsonl"
        for kind in ("items", "users", "relations", "events")
    }
    with Store.open(f"sqlite:///{tmp_path / 'again.db'}") as again:
        ingest(again, **files)
        for records in ("items", "users", "relations"):
            assert list(getattr(again, records)()) == list(getattr(store, records)())
        assert [event for _, event in again.events(0, 99)] == [e for _, e in store.events(0, 99)]


def test_what_is_held_on_a_user_comes_out(world: Served) -> None:
    browser = Browser(world)
    answer = browser.get("/data/user.json?user=ann")
    assert answer.json() == world.get("/v1/exports/ann").json()
    assert "attachment" in answer.headers["content-disposition"]
    assert browser.get("/data/user.json?user=nobody").status_code == 404


def upload(name: str = "new.csv") -> Upload:
    return Upload(name, ".csv", "items", "fail", "utf-8", "ann")


def test_a_killed_import_is_said_to_have_been_stopped(serve: Server) -> None:
    """Nothing of its file is kept, and another may start; meanwhile none may."""
    client = serve(after=settings)
    imports, folder = client.service.imports, client.service.workspace.path / "imports"
    big = ITEMS + "".join(f"x{n},Kettle,true\n" for n in range(20_000))
    client.run(imports.start(upload(), io.BytesIO(big.encode())))
    assert imports.list()[0].state == "running"
    browser = Browser(client)
    browser.get("/data")
    assert send(browser, ITEMS.encode()).status_code == 409
    process: Any = imports._process
    os.kill(process.pid, signal.SIGKILL)
    state = eventually(lambda: (one := imports.list()[0]).state == "failed" and one)
    assert state.message
    assert client.service.workspace.store.item("x1") is None
    assert list(folder.glob("*.csv")) == []


def test_reports_of_old_imports_are_dropped(tmp_path: Path) -> None:
    """Also what a killed service left behind; a report that cannot be read is passed over, and no
    path of the server is told."""
    folder = tmp_path / "imports"
    folder.mkdir()
    about = {"name": "a.csv", "kind": "items", "by": "ann", "started_at": 1.0}
    for n in range(KEPT + 5):
        (folder / f"2026-{n:02}.import.json").write_text(json.dumps(about))
        (folder / f"2026-{n:02}.report.json").write_text('{"state": "done"}')
    told = f"{folder}/2026-24.csv: 3 problems; nothing of the file was kept"
    failed = {"state": "failed", "message": told}
    (folder / "2026-24.report.json").write_text(json.dumps(failed))
    (folder / "2026-30.import.json").write_text("{")
    (folder / "left.csv").write_text("x")
    imports = Imports(tmp_path, lambda: None)
    assert imports.list()[0].message == "a.csv: 3 problems; nothing of the file was kept"
    assert {one.state for one in imports.list()[1:]} == {"done"}
    imports._keep(folder / "2027.csv", io.BytesIO(b"x"))
    assert len(list(folder.glob("*.import.json"))) == KEPT - 1
    assert len(list(folder.glob("*.report.json"))) == KEPT - 2
    assert [path.name for path in folder.glob("*.csv")] == ["2027.csv"]
