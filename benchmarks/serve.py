"""The service beside a bare FastAPI route, in one run: answers, events, and both at once.

    python benchmarks/serve.py [WORKSPACE] [--scenario video] [--users 1000]

WORKSPACE is one with a fitted scenario; without, MovieLens small is loaded and fitted in a
temporary folder. The events that are sent stay in the workspace. Of so many users each is asked for
once before: what is kept of an answer is kept for a minute, so on a slow machine take fewer.

The load comes from this process, on the same machine: what it takes of the processor is lacking to
the service. Beside the rate stands what a request costs the service in processor time, which a busy
machine changes less. "kept" asks the same again; "longer" asks each time for a list of another
length, from 11 to 59, and "without one" leaves another target out, so that the answer has to be
made anew. "after event" sends an event of the user first, whose time is not counted, so that
nothing made before holds; its processor time is that of both. At last answers are asked for while
single events come for the same users, `--event-rate` of them a second and then as many as can be;
both before the rows of events alone, which make histories long.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

PRESET = "video"
DATA = Path(__file__).parent.parent.parent / "shared" / "data" / "movielens-small"
BARE = """
import sys
import numpy as np, uvicorn
from fastapi import FastAPI

app = FastAPI()
V = np.random.default_rng(0).standard_normal((10_000, 384)).astype(np.float32)

@app.get("/bare")
async def bare(user: int = 0):
    scores = V @ V[user % len(V)]
    top = np.argpartition(-scores, 10)[:10]
    top = top[np.argsort(-scores[top])]
    return {"items": [{"row": int(row), "score": float(scores[row])} for row in top]}

uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""

Make = Callable[[], Sequence[bytes]]
"""Requests of one connection, one after the other; the last is the one that is timed."""


@dataclass(frozen=True)
class Server:
    name: str
    port: int
    process: psutil.Process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", nargs="?", type=Path)
    parser.add_argument("--scenario", default=PRESET)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--event-rate", type=float, default=300.0, help="events a second")
    parser.add_argument("--only", default="", help="Only rows whose name has this in it.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = options.workspace or made(Path(folder) / "workspace")
        before = os.getloadavg()[0]
        print(f"load of the machine before: {before:.1f} on {os.cpu_count()} processors\n")
        serve = [sys.executable, "-m", "polyscene", "-w", str(workspace), "serve", "--port"]
        with (
            started("bare route", [sys.executable, "-c", BARE], "/bare") as bare,
            started("service", serve, "/health/ready") as service,
        ):
            measure(bare, service, options)
            memory = service.process.memory_info().rss / 1e6
            print(f"{memory:.0f} MB at the end")


def made(workspace: Path) -> Path:
    polyscene = [sys.executable, "-m", "polyscene", "-w", str(workspace)]
    for words in (
        ["init", "--preset", PRESET],
        ["ingest", "--format", "movielens", "--on-error", "skip", str(DATA)],
        ["fit"],
    ):
        subprocess.run([*polyscene, *words], check=True, stdout=subprocess.DEVNULL)
    return workspace


@contextmanager
def started(name: str, command: list[str], path: str) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen([*command, str(port)], stderr=subprocess.DEVNULL) as process:
        try:
            begun = time.perf_counter()
            while True:
                with suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{path}").read()
                    break
                time.sleep(0.05)
            ready = time.perf_counter() - begun
            server = Server(name, port, psutil.Process(process.pid))
            memory = server.process.memory_info().rss / 1e6
            print(f"{name}: ready after {ready:.1f} s, {memory:.0f} MB")
            time.sleep(3)  # the encoder is being loaded
            yield server
        finally:
            process.terminate()


def measure(bare: Server, service: Server, options: argparse.Namespace) -> None:
    seconds, connections = options.seconds, options.connections
    users = json.loads(fetch(service, "/api/users?n=1000"))["Users"]
    names = [user["UserId"] for user in users]
    random.Random(0).shuffle(names)
    del names[options.users :]
    items = [item["ItemId"] for item in json.loads(fetch(service, "/api/items?n=1000"))["Items"]]
    ask, counted = f"/v1/recommend?scenario={options.scenario}&user=", itertools.count()

    def answer(name: str, n: int = 10, more: str = "") -> list[bytes]:
        return [get(f"{ask}{name}&n={n}{more}")]

    def without() -> list[bytes]:
        turn = next(counted) // len(names)  # of all users: no question comes twice
        return answer(next(cycle), more=f"&exclude={items[turn * 7 % len(items)]}")

    def longer() -> list[bytes]:
        number = next(asked)
        turn = number // len(names)  # likewise
        return answer(names[number % len(names)], 11 + (number + turn) % 49)

    cycle, asked = itertools.cycle(names), itertools.count()
    numbers = itertools.cycle(range(10_000))

    def event(number: int) -> dict[str, object]:
        user, item = names[number % len(names)], items[number * 7 % len(items)]
        return {"user_id": user, "item_id": item, "action": "click", "event_id": f"{run}-{number}"}

    def single() -> list[bytes]:
        return [post("/v1/events", event(next(counted)))]

    def batch() -> list[bytes]:
        return [post("/v1/events", [event(next(counted)) for _ in range(1000)])]

    def after() -> list[bytes]:
        number = next(counted)
        return [post("/v1/events", event(number)), *answer(names[number % len(names)])]

    run = f"{time.time():.0f}"
    for name in names:  # each user once, so that what is kept is there
        fetch(service, f"{ask}{name}&n=10")
    jobs: list[tuple[str, Server, Make, int, int]] = [
        ("bare route", bare, lambda: [get(f"/bare?user={next(numbers)}")], connections, 1),
        ("recommend, kept", service, lambda: answer(next(cycle)), connections, 1),
        ("recommend, without one", service, without, connections, 1),
        ("recommend, longer", service, longer, connections, 1),
        ("recommend, after event", service, after, connections, 1),
    ]
    more: list[tuple[str, Server, Make, int, int]] = [
        ("events, single", service, single, 64, 1),
        ("events, by 1000", service, batch, 4, 1000),
    ]

    def alone(label: str, server: Server, make: Make, connected: int, times: int) -> None:
        if options.only in label:
            job = Job(make, connected)
            report(label, server, asyncio.run(load(server, [job], seconds))[0], times)

    print(f"\n{'':24}{'/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}{'cpu ms each':>13}")
    for job in jobs:
        alone(*job)
    for what, rate in ((f"{options.event_rate:.0f} events/s", options.event_rate), ("events", 0.0)):
        if options.only in f"recommend, with {what}":
            both = [Job(lambda: answer(next(cycle)), connections), Job(single, 16, rate)]
            found = asyncio.run(load(service, both, seconds))
            report(f"recommend, with {what}", service, found[0], 1)
            report("events, with recommend", service, found[1], 1)
    for job in more:
        alone(*job)


@dataclass(frozen=True)
class Job:
    """A load."""

    make: Make
    connections: int
    rate: float = 0.0
    """Requests a second of all connections; 0 for as many as can be."""


@dataclass(frozen=True)
class Outcome:
    seconds: float
    latencies: np.ndarray[tuple[int], np.dtype[np.float64]]
    failed: int
    cpu: float


def report(label: str, server: Server, outcome: Outcome, times: int) -> None:
    count = len(outcome.latencies) * times
    p50, p99 = np.percentile(outcome.latencies, (50, 99)) * 1e3
    print(
        f"{label:24}{count / outcome.seconds:9,.0f}{p50:9.2f}{p99:9.2f}{outcome.failed:8}"
        f"{outcome.cpu / count * 1e3:13.3f}",
        flush=True,
    )


async def load(server: Server, jobs: list[Job], seconds: float) -> list[Outcome]:
    """Send what each job makes over so many connections, one request after the other."""
    before, start = server.process.cpu_times(), time.perf_counter()
    until = start + seconds
    seen: list[list[tuple[float, int]]] = [[] for _ in jobs]
    await asyncio.gather(
        *(
            client(server.port, job, number, until, found)
            for job, found in zip(jobs, seen, strict=True)
            for number in range(job.connections)
        )
    )
    took, after = time.perf_counter() - start, server.process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return [
        Outcome(
            took,
            np.array([latency for latency, _ in found]),
            sum(status >= 400 for _, status in found),
            cpu,
        )
        for found in seen
    ]


async def client(
    port: int, job: Job, number: int, until: float, found: list[tuple[float, int]]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    pause = job.connections / job.rate if job.rate else 0.0
    due = time.perf_counter() + pause * number / job.connections
    while max(due, time.perf_counter()) < until:
        await asyncio.sleep(max(0.0, due - time.perf_counter()) if pause else 0)
        due += pause
        for request in job.make():
            start = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            at = head.index(b"content-length:") + 15
            await reader.readexactly(int(head[at : head.index(b"\r\n", at)]))
        found.append((time.perf_counter() - start, int(head[9:12])))
    writer.close()


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, content: object) -> bytes:
    body = json.dumps(content)
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()


def fetch(server: Server, path: str) -> bytes:
    answer: bytes = urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}").read()
    return answer


if __name__ == "__main__":
    main()
