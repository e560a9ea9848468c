"""Latency, recall, build time and memory of the vector index: `python benchmarks/index.py`.

Vectors are synthetic: a mixture of 2,000 Gaussian clusters of unequal size in 32 latent dimensions
(spread 0.6 around centres of spread 1), rotated into 256 dimensions with a little isotropic noise
and scaled to length 1. Queries are new draws of the same mixture, one at a time. Prints a table
and, last, one line of JSON for the documentation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polyscene.settings import IndexSettings
from polyscene.vectors.exact import exact_search
from polyscene.vectors.index import VectorIndex

DIM, LATENT, CLUSTERS, SPREAD, NOISE, SEED = 256, 32, 2000, 0.6, 0.05, 7
QUERIES, N = 100, 100
FILTERS = {"none": None, "50 %": 0.5, "1 %": 0.01}

Vectors = npt.NDArray[np.float32]


def mixture(count: int) -> Vectors:
    """Unit rows of the mixture, shape (count, 256)."""
    random = np.random.default_rng(SEED)
    rotation = np.linalg.qr(random.standard_normal((DIM, LATENT)))[0].astype(np.float32)
    centres = random.standard_normal((CLUSTERS, LATENT)).astype(np.float32)
    shares = random.dirichlet(np.ones(CLUSTERS))
    vectors = np.empty((count, DIM), np.float32)
    for start in range(0, count, 100_000):
        size = min(100_000, count - start)
        latent = centres[random.choice(CLUSTERS, size, p=shares)]
        latent += SPREAD * random.standard_normal((size, LATENT), dtype=np.float32)
        rows = latent @ rotation.T
        rows += NOISE * random.standard_normal((size, DIM), dtype=np.float32)
        vectors[start : start + size] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return vectors


def measure(index: VectorIndex, queries: Vectors, share: float | None) -> dict[str, float]:
    """Milliseconds a query and recall@100, with a random filter."""
    random = np.random.default_rng(SEED)
    allowed = None if share is None else random.random(len(index)) < share
    _, truth = exact_search(index.vectors, queries, N, allowed)
    index.search(queries[:1], N, allowed)
    seconds, reached = [], 0
    for place in range(len(queries)):
        start = time.perf_counter()
        _, scores = index.search(queries[place : place + 1], N, allowed)
        seconds.append(time.perf_counter() - start)
        reached += int((scores >= truth[place].min() - 1e-6).sum())
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    return {
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
        "recall_at_100": round(reached / truth.size, 4),
    }


def saved_megabytes(index: VectorIndex) -> float:
    """Memory beside the vectors, which is the size of what is saved."""
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder))
        return round(sum(entry.stat().st_size for entry in Path(folder).iterdir()) / 2**20, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    titles = ("vectors", "kind", "build s", "MB", "filter", "p50 ms", "p99 ms", "recall@100")
    print("".join(f"{title:>12}" for title in titles))
    for size in options.sizes:
        both = mixture(size + QUERIES)
        vectors, queries = both[:size], both[size:]
        for below in (size, 0):
            index = VectorIndex.build(vectors, IndexSettings(exact_below=below))
            report = index.report
            megabytes = saved_megabytes(index)
            for name, share in FILTERS.items():
                row = measure(index, queries, share)
                cells = (size, report.kind, report.build_seconds, megabytes, name, *row.values())
                print("".join(f"{cell:>12}" for cell in cells), flush=True)
                rows.append(
                    {
                        "vectors": size,
                        "kind": report.kind,
                        "lists": report.lists,
                        "probes": report.probes,
                        "build_s": report.build_seconds,
                        "index_mb": megabytes,
                        "vectors_mb": round(vectors.nbytes / 2**20, 1),
                        "filter": name,
                        **row,
                    }
                )
    machine = {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "faiss": version("faiss-cpu"),
        "load": os.getloadavg(),
    }
    json.dump({"benchmark": "index", "dim": DIM, "rows": rows, **machine}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
