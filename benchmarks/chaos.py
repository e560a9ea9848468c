"""kill -9 of the server, of a worker and of a fit, at random moments under load.

    python benchmarks/chaos.py [--kills 50] [--seed 0] [--writers 4]

A small workspace (the shop of the sample world) is served by two workers while writers send events,
each again until it is acknowledged, and ask for lists. A kill is of one of three kinds, in turn:

- server: the process and its workers die at once, and it is started again;
- worker: one of the two dies, and the service puts another in its place;
- fit: a fit that was asked for over HTTP dies at a random moment.

After each the service must answer a list, the database must be whole, the current model must be
readable, and every event that was acknowledged must be in the store, once. The first that is not so
ends the run with an error.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import httpx
import numpy as np
import psutil

KINDS = ("server", "worker", "fit")
POLYSCENE = (sys.executable, "-m", "polyscene")
ASK = {"scenario": "shop", "user": "writer-0"}
WAIT_S = 180


class Service:
    """The service as a process group, so that all of it can be killed at once."""

    def __init__(self, workspace: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._workspace = workspace
        self.base = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        """Start it; it is not yet ready."""
        words = ["serve", "--workers", "2", "--port", str(self._port)]
        self.process = subprocess.Popen(
            [*POLYSCENE, "-w", str(self._workspace), *words],
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )

    def workers(self) -> list[psutil.Process]:
        """The processes that answer."""
        children = psutil.Process(self.process.pid).children()
        return [one for one in children if "spawn_main" in " ".join(words_of(one))]

    def fits(self) -> list[psutil.Process]:
        """The fits under way."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in children if words_of(one)[-1:] == ["fit"]]

    def kill(self) -> None:
        """End all of it at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def answers(self) -> float:
        """Seconds until it answers a list.

        Raises:
            SystemExit: When it does not in time.
        """
        begun = time.monotonic()
        while time.monotonic() < begun + WAIT_S:
            with suppress(httpx.HTTPError):
                answer = httpx.get(f"{self.base}/v1/recommend", params=ASK, timeout=10)
                if answer.status_code == 200 and answer.json()["items"]:
                    return time.monotonic() - begun
            time.sleep(0.05)
        raise SystemExit(f"no answer within {WAIT_S} s")


class Writers:
    """Threads that write events and ask for lists until they are stopped."""

    def __init__(self, base: str, count: int, items: list[str]) -> None:
        self.acknowledged: set[str] = set()
        self.wrong: list[str] = []
        self.lists = 0
        self._base, self._items, self._stop = base, items, threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each finish what it sends."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, number: int) -> None:
        draw, count = random.Random(number), 0
        while not self._stop.is_set():
            count += 1
            name = f"{number}-{count}"
            event = {
                "user_id": f"writer-{number}",
                "item_id": draw.choice(self._items),
                "action": "click",
                "event_id": name,
            }
            self._until_acknowledged(name, event)
            if count % 5 == 0:
                with suppress(httpx.TransportError):
                    answer = httpx.get(f"{self._base}/v1/recommend", params=ASK, timeout=10)
                    self.lists += answer.status_code == 200
                    if answer.status_code != 200:
                        self.wrong.append(f"list: {answer.status_code} {answer.text[:200]}")

    def _until_acknowledged(self, name: str, event: dict[str, str]) -> None:
        while not self._stop.is_set():
            with suppress(httpx.TransportError):
                answer = httpx.post(f"{self._base}/v1/events", json=event, timeout=10)
                if answer.status_code == 200:
                    self.acknowledged.add(name)
                    return
                if answer.status_code != 503:
                    self.wrong.append(f"event: {answer.status_code} {answer.text[:200]}")
            time.sleep(0.05)


def words_of(process: psutil.Process) -> list[str]:
    """The command of a process, empty where it has just died."""
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--writers", type=int, default=4)
    options = parser.parse_args()
    draw, begun = random.Random(options.seed), time.monotonic()
    took: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "shop"
        items = make(workspace)
        service = Service(workspace)
        writers = Writers(service.base, options.writers, items)
        try:
            service.answers()
            for number in range(options.kills):
                kind = KINDS[number % len(KINDS)]
                known = set(writers.acknowledged)
                kill(kind, service, draw)
                took[kind].append(service.answers())
                check(workspace, known)
                print(f"{number + 1} {kind}: answers after {took[kind][-1]:.1f} s", flush=True)
        finally:
            writers.stop()
            service.kill()
        check(workspace, writers.acknowledged)
        if writers.wrong:
            raise SystemExit(f"unexpected answers: {writers.wrong[:5]}")
    minutes = (time.monotonic() - begun) / 60
    print(f"\n{options.kills} kills in {minutes:.0f} minutes, load {os.getloadavg()[0]:.1f}")
    print(f"{len(writers.acknowledged)} events acknowledged, {writers.lists} lists; nothing lost")
    print("| killed | times | answers after, median s | most s |\n|---|---|---|---|")
    for kind, seconds in took.items():
        print(f"| {kind} | {len(seconds)} | {np.median(seconds):.1f} | {max(seconds):.1f} |")


def make(workspace: Path) -> list[str]:
    """A fitted workspace; the ids of its items."""
    lines = files("polyscene.demo").joinpath("world", "shop.jsonl").read_text("utf-8")
    records = [json.loads(line) for line in lines.splitlines()]
    things = [one for one in records if "item_id" in one]
    source = workspace.parent / "items.jsonl"
    source.write_text("".join(json.dumps(one) + "\n" for one in things))
    for words in (["init", "--preset", "shop"], ["ingest", "--items", str(source)], ["fit"]):
        run = [*POLYSCENE, "-w", str(workspace), *words]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    return [one["item_id"] for one in things]


def kill(kind: str, service: Service, draw: random.Random) -> None:
    """Kill something of that kind at a random moment."""
    if kind == "server":
        time.sleep(draw.uniform(0, 1))
        service.kill()
        service.start()
    elif kind == "worker":
        time.sleep(draw.uniform(0, 1))
        draw.choice(service.workers()).kill()
    else:
        httpx.post(f"{service.base}/v1/models/fit", timeout=30).raise_for_status()
        time.sleep(draw.uniform(0, 8))
        for fit in service.fits():
            with suppress(psutil.NoSuchProcess):
                fit.kill()


def check(workspace: Path, acknowledged: set[str]) -> None:
    """The database is whole, the model readable, and every acknowledged event there, once.

    Raises:
        SystemExit: When something is not so.
    """
    raw = sqlite3.connect(workspace / "store.db")
    whole = raw.execute("PRAGMA integrity_check").fetchall()
    kept = [name for (name,) in raw.execute("SELECT event_id FROM events").fetchall()]
    raw.close()
    if whole != [("ok",)]:
        raise SystemExit(f"the database is damaged: {whole[:3]}")
    if lost := acknowledged - set(kept):
        raise SystemExit(f"{len(lost)} acknowledged events are lost: {sorted(lost)[:5]}")
    if len(kept) != len(set(kept)):
        raise SystemExit("an event is there twice")
    current = (workspace / "models" / "current").read_text().strip()
    json.loads((workspace / "models" / current / "config.json").read_text())


if __name__ == "__main__":
    main()
