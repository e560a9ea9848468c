"""The service as a process: it starts, answers, stops, and survives being killed."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from calling import call
from served import eventually

KILLS = 2
COMMAND = [sys.executable, "-W", "error", "-m", "polyscene"]


@contextmanager
def serving(path: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The service in a process of its own, once it is ready: its address and the process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    words = ["-w", str(path), "serve", "--port", str(port), *options]
    with subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE) as process:
        try:
            wait_ready(address, process)
            yield address, process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def wait_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        with suppress(httpx.TransportError):
            if httpx.get(f"{address}/health/ready").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the service did not become ready")


def test_it_answers_until_it_is_told_to_stop(copied: Path) -> None:
    """SIGTERM: what was acknowledged and what was answered is in the store afterwards."""
    with serving(copied) as (address, process):
        asked = httpx.get(f"{address}/v1/recommend?scenario=shop&user=ann&n=3").json()
        event = {"user_id": "ann", "item_id": "map-1", "action": "purchase", "event_id": "last"}
        event["request_id"] = asked["request_id"]
        assert httpx.post(f"{address}/v1/events", json=event).json()["accepted"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)
    raw = sqlite3.connect(copied / "store.db")
    assert raw.execute("SELECT count(*) FROM events WHERE event_id = 'last'").fetchone() == (1,)
    shown = raw.execute("SELECT request_id FROM impressions").fetchall()
    raw.close()
    assert shown == [(asked["request_id"],)]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_says_that_it_serves_when_it_listens(copied: Path, workers: str) -> None:
    """Who reads the line is not refused; it names the port that was free."""
    words = ["-w", str(copied), "serve", "--port", "0", "--workers", workers]
    with subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            said = re.fullmatch(r"serving on (http://127\.0\.0\.1:[1-9]\d*); /docs .*\n", line)
            assert said, line
            assert httpx.get(f"{said[1]}/health/live", timeout=60).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) in (0, -signal.SIGTERM)
            assert "serving on" not in process.stderr.read()
        finally:
            with suppress(ProcessLookupError):
                process.kill()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_does_not_say_that_it_serves_where_another_does(copied: Path, workers: str) -> None:
    """Another program listens on the port, and would answer."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        words = ["-w", str(copied), "serve", "--port", port, "--workers", workers]
        done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "serving on" not in done.stderr
    assert "address already in use" in done.stderr.lower()


def test_two_workers_see_each_others_events(copied: Path) -> None:
    """Whichever worker is asked next knows the event; the counters of both are added."""
    with serving(copied, "--workers", "2") as (address, process):
        for number, item in enumerate(("map-1", "map-2", "map-3", "run-1", "run-2")):
            event = {"user_id": "two", "item_id": item, "action": "purchase", "scenario": "shop"}
            assert httpx.post(f"{address}/v1/events", json=event).status_code == 200
            for _ in range(4):  # each request of its own connection, so that both are asked
                asked = httpx.get(f"{address}/v1/recommend?scenario=shop&user=two&n=20").json()
                assert item not in [one["item_id"] for one in asked["items"]], number
        counted = httpx.get(f"{address}/metrics").text
        assert "polyscene_events_total 5.0" in counted
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def words_of(process: psutil.Process) -> str:
    """The command of a process, empty where it has just died."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def test_killed_parts_of_several_workers(copied: Path) -> None:
    """SIGKILL of a worker: another takes its place. Of the first process: its workers go too."""
    with serving(copied, "--workers", "2") as (address, process):
        parent = psutil.Process(process.pid)

        def workers() -> list[psutil.Process]:
            return [one for one in parent.children() if "spawn_main" in words_of(one)]

        def answers() -> bool:
            with suppress(httpx.TransportError):
                path = "/v1/recommend?scenario=shop&user=ann"
                return httpx.get(f"{address}{path}", timeout=20).status_code == 200
            return False

        first, second = workers()
        event = {"user_id": "two", "item_id": "map-1", "action": "click", "event_id": "before"}
        assert httpx.post(f"{address}/v1/events", json=event).json()["accepted"] == 1
        first.kill()
        eventually(lambda: len(workers()) == 2 and first not in workers(), 60)
        eventually(answers, 60)
        assert httpx.post(f"{address}/v1/events", json=event).json()["repeated"] == 1
        left = workers()
        assert second in left
        process.kill()
        process.wait()
        assert not psutil.wait_procs(left, 60)[1]


def test_a_killed_service_loses_no_acknowledged_event(copied: Path) -> None:
    """SIGKILL under load: every event that was acknowledged is there, once, and it starts again."""
    random.seed(4)
    acknowledged: set[str] = set()
    for number in range(KILLS):
        with serving(copied) as (address, process):
            stop = threading.Event()
            writers = [
                threading.Thread(
                    target=write, args=(address, f"{number}-{one}", acknowledged, stop)
                )
                for one in range(4)
            ]
            for writer in writers:
                writer.start()
            before = len(acknowledged)
            eventually(lambda before=before: len(acknowledged) > before + 10, 60)  # type: ignore[misc]
            time.sleep(random.uniform(0, 0.3))
            process.kill()
            process.wait()
            stop.set()
            for writer in writers:
                writer.join()
        raw = sqlite3.connect(copied / "store.db")
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        kept = [name for (name,) in raw.execute("SELECT event_id FROM events").fetchall()]
        raw.close()
        assert acknowledged <= set(kept)
        assert len(kept) == len(set(kept))


def write(address: str, name: str, acknowledged: set[str], stop: threading.Event) -> None:
    """Send events one by one, and ask now and then, until the service is gone."""
    with httpx.Client(base_url=address, timeout=5) as client, suppress(httpx.TransportError):
        number = 0
        while not stop.is_set():
            number += 1
            event_id = f"{name}-{number}"
            event = {"user_id": name, "item_id": "tea-1", "action": "click", "event_id": event_id}
            if client.post("/v1/events", json=event).status_code == 200:
                acknowledged.add(event_id)
            if number % 10 == 0:
                client.get("/v1/recommend", params={"scenario": "shop", "user": name})


def test_keys_are_made_listed_and_revoked(copied: Path) -> None:
    made = call("-w", copied, "keys", "add", "the shop", "--role", "write", "--rate", "600")
    assert made.out.startswith("ps_")
    listed = json.loads(call("-w", copied, "keys", "list", "--json").out)
    assert [(key["name"], key["role"], key["requests_per_minute"]) for key in listed] == [
        ("the shop", "write", 600.0)
    ]
    assert call("-w", copied, "keys", "revoke", listed[0]["id"]).code == 0
    assert json.loads(call("-w", copied, "keys", "list", "--json").out)[0]["revoked_at"]
    assert "the shop" in call("-w", copied, "keys", "list").out
    assert call("-w", copied, "keys", "revoke", "none").code == 1
    assert call("-w", copied, "keys", "add").code == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_it_listens_to_others_only_with_a_key(copied: Path, host: str) -> None:
    done = call("-w", copied, "serve", "--host", host)
    assert done.code == 1
    assert "polyscene keys add" in done.err
    assert "serving on" not in done.err
    assert os.environ.get("PROMETHEUS_MULTIPROC_DIR") is None
