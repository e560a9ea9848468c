"""Rate and peak memory of ingesting events: `python benchmarks/ingest.py --events 1000000`.

Writes a seeded world of users, items and events as CSV and as Parquet into a temporary folder,
then loads each in a process of its own, so that the peak is that of the ingest alone. Prints a
table and, last, one line of JSON for the documentation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

USERS, ITEMS, SEED = 50_000, 20_000, 7


def write_world(folder: Path, count: int) -> None:
    """Items and `count` events, the same for the same count, in both formats."""
    random = np.random.default_rng(SEED)
    names = [f"item-{row}" for row in range(ITEMS)]
    items = pl.DataFrame({"item_id": names, "title": [f"Title of {name}" for name in names]})
    popular = (random.pareto(1.2, count) * 10).astype(np.int64) % ITEMS
    events = pl.DataFrame(
        {
            "user_id": [f"user-{row}" for row in random.integers(0, USERS, count)],
            "item_id": [names[row] for row in popular],
            "action": random.choice(["view", "like", "purchase"], count),
            "timestamp": 1_700_000_000 + np.arange(count),
            "scenario": random.choice(["shop", "news"], count),
            "value": random.integers(1, 6, count).astype(np.float64),
            "event_id": [f"event-{row}" for row in range(count)],
        }
    )
    items.write_csv(folder / "items.csv")
    events.write_csv(folder / "events.csv")
    events.write_parquet(folder / "events.parquet")


def peak_rss() -> int:
    """Bytes this process held at most. Linux's `ru_maxrss` would include the parent's share."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def load(folder: Path, suffix: str) -> dict[str, float]:
    """Load one format into a fresh store; runs in a process of its own."""
    from polyscene.data.ingest import ingest
    from polyscene.storage import Store

    with Store.open(f"sqlite:///{folder / suffix}.db") as store:
        ingest(store, items=folder / "items.csv")
        start, cpu_start = time.perf_counter(), time.process_time()
        report = ingest(store, events=folder / f"events.{suffix}")
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
        peak = peak_rss()
        start = time.perf_counter()
        store.dataset()
        dataset_s = time.perf_counter() - start
    return {
        "events": report.loaded,
        "seconds": round(seconds, 2),
        "events_per_s": round(report.loaded / seconds),
        "cpu_s": round(cpu, 2),
        "peak_rss_mb": round(peak / 1e6),
        "dataset_s": round(dataset_s, 2),
        "store_mb": round((folder / f"{suffix}.db").stat().st_size / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="how many events")
    parser.add_argument("--load", nargs=2, metavar=("FOLDER", "SUFFIX"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(load(Path(options.load[0]), options.load[1])))
        return
    results = {}
    with tempfile.TemporaryDirectory(prefix="polyscene-ingest-") as name:
        write_world(Path(name), options.events)
        for suffix in ("csv", "parquet"):
            command = [sys.executable, __file__, "--load", name, suffix]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            results[suffix] = json.loads(done.stdout)
            line = "  ".join(f"{key} {value}" for key, value in results[suffix].items())
            print(f"{suffix:8} {line}")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"benchmark": "ingest", "machine": machine, **results}))


if __name__ == "__main__":
    main()
