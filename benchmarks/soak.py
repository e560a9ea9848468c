"""Half an hour of mixed load at a bounded rate: no error, and does memory stay flat?

    python benchmarks/soak.py [WORKSPACE] [--minutes 30] [--rate 40] [--fit-every 600]

WORKSPACE is one with a fitted scenario `video`; without, the sample world of `polyscene demo` is
made in a temporary folder. Users and items that are written come from fixed pools, so that what a
service must hold does not grow, but for the events.

Memory is the resident set of the service (without the process of a fit), read every five seconds.
The slope is that of a straight line through the medians of each minute after the first third, when
what is kept of answers and of the store's pages has filled. Its interval is from 2000 resamples of
the line's residuals in blocks of five minutes (moving-block bootstrap), as neighbouring minutes are
alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from serve import PRESET, Server, started

MIX = {
    "recommend, kept": 30,
    "recommend, made": 20,
    "recommend, explained": 3,
    "text": 4,
    "search": 3,
    "similar": 5,
    "event": 25,
    "events, by 20": 2,
    "item put": 3,
    "user put": 2,
    "relations put": 1,
    "metrics": 1,
    "ready": 1,
}
"""How often each kind of request comes, in parts of a hundred."""
WORDS = ("old friends", "space", "a murder", "war and love", "a dog", "music", "north", "heist")
BLOCK = 5


@dataclass
class Seen:
    """What has come of the load so far."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start, and MB."""
    late: int = 0
    """Requests that were left out because 64 were under way: the rate was too high."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", nargs="?", type=Path)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second")
    parser.add_argument("--fit-every", type=float, default=600.0, help="seconds; 0 for never")
    parser.add_argument("--json", type=Path, help="where all numbers are written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = options.workspace or sample(Path(folder) / "workspace")
        command = [sys.executable, "-m", "polyscene", "-w", str(workspace), "serve", "--port"]
        with started("service", command, "/health/ready") as service:
            before = os.getloadavg()[0]
            seen = asyncio.run(soak(service, options.minutes * 60, options.rate, options.fit_every))
            print(f"load of the machine: {before:.1f} before, {os.getloadavg()[0]:.1f} after")
            lines = httpx.get(f"http://127.0.0.1:{service.port}/metrics").text.splitlines()
            degraded = [line for line in lines if line.startswith("polyscene_degraded_answers_t")]
            report(seen, options.minutes * 60, degraded)
    if options.json:
        found = {"seconds": seen.seconds, "errors": seen.errors, "memory": seen.memory}
        options.json.write_text(json.dumps(found))


def sample(workspace: Path) -> Path:
    """The sample world, fitted."""
    words = [sys.executable, "-m", "polyscene", "demo", "--keep", str(workspace)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return workspace


async def soak(service: Server, seconds: float, rate: float, fit_every: float) -> Seen:
    seen, draw = Seen(), random.Random(0)
    base = f"http://127.0.0.1:{service.port}"
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=base, timeout=30, limits=limits) as client:
        users = (await client.get("/api/users", params={"n": 600})).json()["Users"]
        items = (await client.get("/api/items", params={"n": 1000})).json()["Items"]
        load = Load(client, [u["UserId"] for u in users], [i["ItemId"] for i in items], draw)
        begun = time.monotonic()
        watching = asyncio.create_task(watch(service.process, seen, begun))
        under_way: set[asyncio.Task[None]] = set()
        kinds, weights, next_fit = list(MIX), list(MIX.values()), begun + (fit_every or 1e9)
        while (now := time.monotonic()) < begun + seconds:
            if len(under_way) >= 64:
                seen.late += 1
            else:
                (kind,) = draw.choices(kinds, weights)
                task = asyncio.create_task(load.ask(kind, seen))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            if now > next_fit:
                next_fit += fit_every
                await load.send("fit", "POST", "/v1/models/fit", seen)
            await asyncio.sleep(draw.expovariate(rate))
        await asyncio.gather(*under_way)
        watching.cancel()
    return seen


class Load:
    """Makes the requests."""

    def __init__(
        self, client: httpx.AsyncClient, users: list[str], items: list[str], draw: random.Random
    ) -> None:
        self._client, self._users, self._items, self._draw = client, users, items, draw
        self._count = 0
        self._run = f"{time.time():.0f}"

    def _event(self) -> dict[str, Any]:
        self._count += 1
        return {
            "user_id": self._draw.choice(self._users),
            "item_id": self._draw.choice(self._items),
            "action": self._draw.choice(("click", "like", "watch")),
            "scenario": PRESET,
            "event_id": f"{self._run}-{self._count}",
        }

    async def ask(self, kind: str, seen: Seen) -> None:
        """Make a request of a kind."""
        draw, ask = self._draw, {"scenario": PRESET, "user": self._draw.choice(self._users)}
        number = draw.randrange(200)
        if kind == "recommend, kept":
            await self.send(kind, "GET", "/v1/recommend", seen, params=ask)
        elif kind == "recommend, made":
            more = {"n": draw.randrange(5, 50)}
            await self.send(kind, "GET", "/v1/recommend", seen, params=ask | more)
        elif kind == "recommend, explained":
            await self.send(kind, "GET", "/v1/recommend", seen, params=ask | {"explain": "true"})
        elif kind == "text":
            about = {"scenario": PRESET, "text": f"{draw.choice(WORDS)} {number % 20}"}
            await self.send(kind, "GET", "/v1/recommend", seen, params=about)
        elif kind == "search":
            about = {"scenario": PRESET, "q": draw.choice(WORDS)}
            await self.send(kind, "GET", "/v1/search", seen, params=about)
        elif kind == "similar":
            path = f"/v1/similar/{draw.choice(self._items)}"
            await self.send(kind, "GET", path, seen, params={"scenario": PRESET})
        elif kind == "event":
            await self.send(kind, "POST", "/v1/events", seen, json=self._event())
        elif kind == "events, by 20":
            await self.send(
                kind, "POST", "/v1/events", seen, json=[self._event() for _ in range(20)]
            )
        elif kind == "item put":
            body = {"title": f"A film about {draw.choice(WORDS)} {draw.randrange(1000)}"}
            await self.send(kind, "PUT", f"/v1/items/soak-{number}", seen, json=body)
        elif kind == "user put":
            body = {"description": f"I like {draw.choice(WORDS)}."}
            await self.send(kind, "PUT", f"/v1/users/soak-{number}", seen, json=body)
        elif kind == "relations put":
            one = {"subject": f"soak-{number}", "predicate": "follows", "object": "soak-0"}
            await self.send(kind, "PUT", "/v1/relations", seen, json=[one])
        else:
            path = "/metrics" if kind == "metrics" else "/health/ready"
            await self.send(kind, "GET", path, seen)

    async def send(self, kind: str, method: str, path: str, seen: Seen, **options: Any) -> None:
        """Make a request, and note what came of it."""
        start = time.perf_counter()
        try:
            answer = await self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            seen.errors[f"{kind}: {type(error).__name__}"] += 1
            return
        seen.seconds[kind].append(time.perf_counter() - start)
        if answer.status_code >= 400:
            seen.errors[f"{kind}: {answer.status_code} {answer.text[:200]}"] += 1


async def watch(process: psutil.Process, seen: Seen, begun: float) -> None:
    while True:
        seen.memory.append((time.monotonic() - begun, process.memory_info().rss / 1e6))
        await asyncio.sleep(5)


def slope(memory: Sequence[tuple[float, float]], after: float) -> tuple[float, float, float]:
    """MB an hour, and the ends of its 95 % interval."""
    minutes: dict[int, list[float]] = defaultdict(list)
    for moment, amount in memory:
        if moment >= after:
            minutes[int(moment // 60)].append(amount)
    x = np.array(sorted(minutes), np.float64) / 60
    y = np.array([np.median(minutes[minute]) for minute in sorted(minutes)])
    if len(x) <= BLOCK:
        return np.nan, np.nan, np.nan
    line = np.polyfit(x, y, 1)
    rest, rng = y - np.polyval(line, x), np.random.default_rng(0)
    found = []
    for _ in range(2000):
        starts = rng.integers(0, len(x) - BLOCK + 1, len(x) // BLOCK + 1)
        drawn = np.concatenate([rest[start : start + BLOCK] for start in starts])[: len(x)]
        found.append(np.polyfit(x, np.polyval(line, x) + drawn, 1)[0])
    low, high = np.quantile(found, (0.025, 0.975))
    return float(line[0]), float(low), float(high)


def report(seen: Seen, seconds: float, degraded: Sequence[str]) -> None:
    count = sum(map(len, seen.seconds.values()))
    print(f"{count} requests in {seconds / 60:.0f} minutes, {seen.late} left out as too many")
    print("\n| request | count | p50 ms | p99 ms | max ms |\n|---|---|---|---|---|")
    for kind, times in sorted(seen.seconds.items()):
        p50, p99, most = np.quantile(times, (0.5, 0.99, 1)) * 1000
        print(f"| {kind} | {len(times)} | {p50:.1f} | {p99:.1f} | {most:.0f} |")
    print(f"\nerrors: {dict(seen.errors) or 'none'}")
    print(f"degraded: {list(degraded) or 'none'}")
    amounts = [amount for _, amount in seen.memory]
    print(
        f"memory: {amounts[0]:.0f} MB at first, {amounts[-1]:.0f} at last, {max(amounts):.0f} most"
    )
    for moment, amount in seen.memory[:: max(len(seen.memory) // 15, 1)]:
        print(f"  {moment / 60:5.1f} min  {amount:7.1f} MB")
    per_hour, low, high = slope(seen.memory, seconds / 3)
    print(f"slope after the first third: {per_hour:.1f} MB/h [{low:.1f}, {high:.1f}]")


if __name__ == "__main__":
    main()
