"""Time and memory of a fit with all defaults on a large generated catalogue.

`python benchmarks/scale.py --items 100000 --users 50000 --events 1000000`

Items belong to one of many groups, each with words and tags of its own; how often they are chosen
follows Zipf's law. A user has a few groups, from which four of five of their events come. The world
is written as CSV, ingested, and fitted in a process of its own with one scenario of the preset
"shop" and an empty cache; `--folder` keeps all of it, so that a second run fits alone. Prints the
time of each step of the fit, its peak memory, what the fit chose, the latency of answers and the
rate of lists, and last a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

SEED = 11
GROUPS, WORDS, COMMON = 200, 60, 2000
"""Groups, words of each, and words that are used in all."""
SYLLABLES = ("ka", "lo", "mi", "ter", "sa", "ren", "du", "vel", "no", "pra", "shi", "gon", "ur")


def vocabulary(random: np.random.Generator, count: int) -> list[str]:
    parts = random.choice(SYLLABLES, (2 * count, 3))
    return list(dict.fromkeys(map("".join, parts.tolist())))[:count]


def write_world(folder: Path, items: int, users: int, events: int) -> None:
    """The same for the same numbers."""
    random = np.random.default_rng(SEED)
    words = np.array(vocabulary(random, COMMON))
    own = random.integers(0, len(words), (GROUPS, WORDS))
    group = random.integers(0, GROUPS, items)
    titles = words[own[group[:, None], random.integers(0, WORDS, (items, 4))]]
    others = words[random.integers(0, len(words), (items, 2))]
    tags = words[own[group[:, None], random.integers(0, 12, (items, 3))]]
    names = np.array([f"item-{row}" for row in range(items)])
    pl.DataFrame(
        {
            "item_id": names,
            "title": [" ".join(own) for own in np.hstack([titles, others]).tolist()],
            "tags": ["|".join(dict.fromkeys(own)) for own in tags.tolist()],
        }
    ).write_csv(folder / "items.csv")
    weights = 1 / np.arange(1, items + 1) ** 0.8
    random.shuffle(weights)
    order = np.argsort(group, kind="stable")  # items by group, to be drawn from within one
    sums = np.cumsum(weights[order])
    starts = np.append(0, sums)[np.searchsorted(group[order], np.arange(GROUPS + 1))]
    activity = random.pareto(1.5, users) + 1
    who = np.searchsorted(np.cumsum(activity), random.random(events) * activity.sum())
    liked = random.integers(0, GROUPS, (users, 3))[who, random.integers(0, 3, events)]
    within = random.random(events) < 0.8
    low, high = np.where(within, starts[liked], 0), np.where(within, starts[liked + 1], sums[-1])
    at = np.searchsorted(sums, low + random.random(events) * (high - low))
    pl.DataFrame(
        {
            "user_id": [f"user-{row}" for row in who.tolist()],
            "item_id": names[order[np.minimum(at, items - 1)]],
            "action": random.choice(["view", "like", "purchase"], events, p=[0.7, 0.2, 0.1]),
            "timestamp": 1_790_000_000 + np.sort(random.integers(0, 3e7, events)),
        }
    ).write_csv(folder / "events.csv")


@contextmanager
def timed(steps: dict[str, float], label: str) -> Iterator[None]:
    start, used = time.perf_counter(), time.process_time()
    yield
    took, cpu = time.perf_counter() - start, time.process_time() - used
    steps[label] = steps.get(label, 0.0) + took
    print(f"  {label:32} {took:7.1f} s {cpu:7.1f} s CPU {peak_mb():7.0f} MB", flush=True)


def watched(steps: dict[str, float], label: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        with timed(steps, label):
            return call(*arguments, **options)

    return run


def watch(steps: dict[str, float]) -> None:
    """Time the steps of a fit."""
    from polyscene.fitting import learn, run
    from polyscene.sources import Source
    from polyscene.storage import Store

    Store.dataset = watched(steps, "read events", Store.dataset)  # type: ignore[method-assign]
    for module, name, label in (
        (run, "_encode_items", "encode"),
        (run, "item_vectors", "whiten"),
        (learn, "validations", "hold out"),
        (learn, "_table", "ask the users on trial"),
        (learn, "choose_weights", "choose weights"),
    ):
        setattr(module, name, watched(steps, label, getattr(module, name)))
    for source in subclasses(Source):
        for name, label in (("tuned", "choose options"), ("fit", "learn")):
            if name in vars(source):
                text = f"{label}: {source.__name__}"
                setattr(source, name, watched(steps, text, getattr(source, name)))


def subclasses(base: type) -> Iterator[type]:
    for one in base.__subclasses__():
        yield one
        yield from subclasses(one)


def fit(folder: Path) -> None:
    """Fit, in a process of its own."""
    from polyscene.engine import Engine
    from polyscene.engine.bench import bench_batch, bench_recommend

    steps: dict[str, float] = {}
    watch(steps)
    with Engine.open(folder) as engine:
        start, used = time.perf_counter(), time.process_time()
        model = engine.fit()
        seconds, cpu, peak = time.perf_counter() - start, time.process_time() - used, peak_mb()
        found: dict[str, Any] = {
            "fit_s": round(seconds),
            "cpu_s": round(cpu),
            "fit_mb": round(peak),
        }
        print(f"fit of {len(model.items):,} items: {seconds:.0f} s, {cpu:.0f} s CPU, {peak:.0f} MB")
        print(f"{model.fusions['shop']}", flush=True)
        for one in (
            *bench_recommend(engine, "shop", count=100),
            *bench_batch(engine, "shop", count=1000),
        ):
            print(f"  {one.name:32} {one.value:7.1f} {one.unit}", flush=True)
            found[one.name] = round(one.value, 1)
    print(json.dumps(found | {"steps": {name: round(one, 1) for name, one in steps.items()}}))


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def measure(folder: Path, options: argparse.Namespace) -> None:
    python = [sys.executable, "-m", "polyscene", "-w", str(folder)]
    if not (folder / "store.db").exists():
        write_world(folder, options.items, options.users, options.events)
        text = 'version = 1\n[scenarios.shop]\npreset = "shop"\n'
        (folder / "polyscene.toml").write_text(text, "utf-8")
        files = ["--items", str(folder / "items.csv"), "--events", str(folder / "events.csv")]
        start = time.perf_counter()
        subprocess.run([*python, "ingest", *files], check=True)
        print(f"ingest {time.perf_counter() - start:.0f} s", flush=True)
    subprocess.run([sys.executable, __file__, "--fit", str(folder)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="Where to keep the world and the workspace.")
    parser.add_argument("--fit", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit is not None:
        fit(options.fit)
    elif options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        measure(options.folder, options)
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), options)


if __name__ == "__main__":
    main()
