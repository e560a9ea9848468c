"""Time and memory of the main job on every real data set: `python benchmarks/sets.py`.

For each set: ingest, fit from an empty cache (encoding included) in a process of its own, fit
again with a full cache, the latency of single answers with reasons, and the rate of lists for up to
2,000 users at once. Every scenario has the sources of its preset, or with `--source kernel` the
kernel alone. Prints a table and a line of JSON a set.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
RECIPES = Path(__file__).parent.parent / "examples"


def run(path: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "polyscene", "-w", str(path), *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout) if "--json" in words else done.stdout


def recipe(name: str, folder: str, out: Path) -> list[str]:
    command = [sys.executable, str(RECIPES / name), str(DATA / folder), str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return ["--items", str(out / "items.csv"), "--events", str(out / "events.csv")]


def ingest_words(name: str, out: Path) -> tuple[dict[str, str], list[str]]:
    """Scenarios with their presets, and the options of `ingest`."""
    if name == "movielens-small":
        words = ["--format", "movielens", str(DATA / name), "--on-error", "skip"]
        return {"video": "video"}, words
    if name == "lastfm-2k":
        words = ["--format", "lastfm", str(DATA / name)]
        return {"music": "music", "social": "social"}, words
    if name == "douban-cn":
        return {"video": "video"}, recipe("douban_cn.py", name, out)
    return {"arts": "shop", "office": "shop"}, recipe("amazon_art_office.py", name, out)


def bench(path: Path, subject: str, scenario: str, count: int) -> dict[str, float]:
    options = ["--scenario", scenario, "--count", str(count), "--json"]
    found = run(path, "bench", subject, *options)
    return {one["name"]: round(one["value"], 2) for one in found}


def measure(name: str, source: str | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        path.mkdir()
        scenarios, words = ingest_words(name, Path(folder) / "files")
        lines = ["version = 1"]
        for scenario, preset in scenarios.items():
            lines += [f"[scenarios.{scenario}]", f'preset = "{preset}"']
            if source and preset != "social":
                lines.append(f"sources = {{ {source} = 1.0 }}")
        (path / "polyscene.toml").write_text("\n".join(lines), "utf-8")
        start = time.perf_counter()
        run(path, "ingest", *words)
        ingest = time.perf_counter() - start
        fits = [
            {one["name"]: one["value"] for one in run(path, "bench", "fit", "--json")}
            for _ in range(2)
        ]
        answers = {scenario: bench(path, "recommend", scenario, 300) for scenario in scenarios}
        lists = {scenario: bench(path, "batch", scenario, 2000) for scenario in scenarios}
    return {
        "set": name,
        "source": source or "default",
        "ingest_s": round(ingest, 1),
        "items": int(fits[0]["items"]),
        "fit_s": round(fits[0]["time"], 1),
        "fit_mb": round(fits[0]["peak memory of the process"]),
        "refit_s": round(fits[1]["time"], 1),
        "answers": answers,
        "lists": lists,
    }


def main() -> None:
    sets = ["movielens-small", "lastfm-2k", "douban-cn", "amazon-art-office"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=sets)
    parser.add_argument("--source", default=None)
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"skipped: no data sets in {DATA}")
    for name in options.sets:
        found = measure(name, options.source)
        print(f"{name:20} ingest {found['ingest_s']} s, fit {found['fit_s']} s and "
              f"{found['fit_mb']} MB, again {found['refit_s']} s")  # fmt: skip
        for scenario, answer in found["answers"].items():
            many = found["lists"][scenario]
            print(f"{'':20} {scenario}: p50 {answer['p50']} ms, p99 {answer['p99']} ms; "
                  f"{many['rate']} users/s, with reasons {many['rate with reasons']}")  # fmt: skip
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
