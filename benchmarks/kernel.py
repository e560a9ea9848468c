"""The kernel: quality beside the other sources, its forms, and cold items.

`python benchmarks/kernel.py`. Splits and protocol are those of `benchmarks/semantic.py`. Four
parts for each set, all on one split:

    warm    NDCG@10 of `kernel` through the engine, options chosen inside the fit
    forms   NDCG@10 of the exact inverse, of its rows pruned, and of the low-rank form, at the
            options that the fit chose
    near    NDCG@10 of the low-rank form with and without pieces of histories, where the set has
            times; λ of the best of three each, on the split that is measured
    cold    a fifth of the items have no event in training; NDCG@10 among them of the ridge map from
            text, with and without text rows in the kernel behind it, and of the mean cosine
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import scipy.sparse as sp

import semantic
from polyscene.component import Vectors
from polyscene.data.split import dated
from polyscene.encoders import open_encoder
from polyscene.engine import Engine
from polyscene.metrics.ranking import hit_matrix, ndcg
from polyscene.represent.interactions import graded, interactions, places, weighted
from polyscene.represent.whiten import normalise
from polyscene.settings import parse_settings
from polyscene.sources import Kernel
from polyscene.sources.closed_form import behaviour_factors, exact, low_rank, pruned
from polyscene.sources.kernel_search import factored
from polyscene.workspace import Workspace

LONG = 36500.0


def report(name: str, row: str, value: float, seconds: float | None = None) -> None:
    took = "" if seconds is None else f"   {seconds:6.1f} s"
    print(f"  {row:52} {value:.4f}{took}", flush=True)
    print(json.dumps({"set": name, "row": row, "ndcg@10": round(value, 4), "seconds": seconds}))


def open_engine(path: Path, data: semantic.Split) -> Engine:
    scenario = {
        "preset": data.preset, "sources": {"kernel": 1.0}, "seen_actions": [],
        "half_life_days": LONG, "trend_half_life_days": LONG,
    }  # fmt: skip
    settings = parse_settings({"scenarios": {"here": scenario}})
    engine = Engine(Workspace(path, settings, open_encoder(settings.encoders, path / "cache")))
    with engine.workspace.store.write() as writer:
        writer.put_items(data.items)
        writer.add_events(data.train)
    return engine


def ranked(scores: Vectors, seen: sp.csr_matrix, test: sp.csr_matrix) -> float:
    """Mean NDCG@10 over the rows with a held-out positive."""
    lists, right = [], []
    for user in np.flatnonzero(test.getnnz(axis=1)):
        row = scores[user].copy()
        row[seen[user].indices] = -np.inf
        lists.append(np.argsort(-row, kind="stable")[:10].tolist())
        right.append(test[user].indices.tolist())
    return float(ndcg(*hit_matrix(lists, right, 10), 10).mean())


def warm(name: str, engine: Engine, data: semantic.Split) -> Kernel:
    start = time.perf_counter()
    kernel = engine.fit().sources["kernel"]
    seconds = round(time.perf_counter() - start, 1)
    assert isinstance(kernel, Kernel)
    lists = [[i.item_id for i in engine.recommend(user, "here", 10).items] for user in data.test]
    value = float(ndcg(*hit_matrix(lists, list(data.test.values()), 10), 10).mean())
    print(f"  {kernel.config}")
    report(name, "kernel through the engine, fit from text to model", value, seconds)
    return kernel


def matrices(engine: Engine, data: semantic.Split) -> tuple[sp.csr_matrix, sp.csr_matrix, Vectors]:
    """Training strengths, held-out positives, and vectors, over the rows of the model."""
    stored, targets = engine.workspace.store.dataset(), engine.model.items.targets
    assert list(stored.items.ids) == list(targets.ids.ids)
    train = interactions(stored, engine.workspace.settings, time.time())
    cells = [
        (stored.users.row(user), targets.ids.row(item))
        for user, right in data.test.items()
        for item in right
        if user in stored.users and item in targets.ids
    ]
    rows, columns = zip(*cells, strict=True)
    test = sp.csr_matrix((np.ones(len(cells), np.float32), (rows, columns)), shape=train.shape)
    return train, test, np.asarray(engine.model.items.vectors)


def forms(name: str, engine: Engine, data: semantic.Split, fitted: Kernel) -> None:
    train, test, vectors = matrices(engine, data)
    choice = fitted.config
    assert choice.reg is not None
    assert choice.text is not None
    known = np.flatnonzero(train.getnnz(axis=0) >= 2)
    x, v = sp.csr_matrix(train[:, known]), vectors[known]
    test = sp.csr_matrix(test[:, known])
    x = weighted(x, choice.least)
    start = time.perf_counter()
    kernel = exact(x, v, choice.reg, choice.text)
    report(name, f"exact inverse of {len(known)} items", ranked(x @ kernel, x, test),
           round(time.perf_counter() - start, 1))  # fmt: skip
    for kept in (100, 300, 1000):
        scores = (x @ pruned(kernel, kept)).toarray()
        report(name, f"exact, {kept} entries a row kept", ranked(scores, x, test))
    for rank in (64, 128, 256, 512):
        start = time.perf_counter()
        small = low_rank(behaviour_factors(x, rank), v, choice.reg, choice.text)
        seconds = round(time.perf_counter() - start, 1)
        report(
            name, f"low rank {rank} beside exact text", ranked(small.scores(x), x, test), seconds
        )


def near(name: str, engine: Engine, data: semantic.Split, fitted: Kernel) -> None:
    stored = engine.workspace.store.dataset()
    if not dated(stored):
        print("  near: the set has no times")
        return
    train, test, vectors = matrices(engine, data)
    known = np.flatnonzero(train.getnnz(axis=0) >= 2)
    rows = weighted(sp.csr_matrix(train[:, known]), fitted.config.least)
    ranks, right = sp.csr_matrix(places(stored)[:, known]), sp.csr_matrix(test[:, known])
    for weight in (0.0, 0.3, 1.0, 3.0, 10.0):
        config = fitted.config.model_copy(update={"near": weight})
        factors = factored(rows, lambda: ranks, config, config.rank)
        found = {}
        for reg in (100.0, 300.0, 1000.0):
            kernel = low_rank(factors, vectors[known], reg, config.text or 0.0)
            found[reg] = ranked(kernel.scores(rows), rows, right)
        best = max(found, key=lambda reg: found[reg])
        report(name, f"near {weight:g}, λ {best:g}", found[best])


def cold(name: str, engine: Engine, data: semantic.Split) -> None:
    train, test, vectors = matrices(engine, data)
    everything = sp.csr_matrix(train + test)
    users, targets = engine.workspace.store.dataset().users, engine.model.items.targets.ids
    good = [event for event in data.train if event.value >= data.liked]
    cells = [(users.row(event.user_id), targets.row(event.item_id)) for event in good]
    right = sp.csr_matrix(
        (np.ones(len(cells), np.float32), tuple(zip(*cells, strict=True))), shape=train.shape
    ) + sp.csr_matrix(test)
    rng = np.random.default_rng(1)
    acted = np.flatnonzero(everything.getnnz(axis=0))
    new = np.sort(rng.choice(acted, len(acted) // 5, replace=False))
    old = np.setdiff1d(np.flatnonzero(train.getnnz(axis=0) >= 2), new)
    x, v, away = sp.csr_matrix(train[:, old]), vectors[old], vectors[new]
    liked = sp.csr_matrix(right[:, new])
    nothing = sp.csr_matrix(liked.shape, dtype=np.float32)
    mean = normalise(np.asarray(x @ v, np.float32)) @ away.T
    report(name, "cold: mean cosine, whitened", ranked(mean, nothing, liked))
    weights = x.copy()
    weights.data = graded(x.data)
    factors = behaviour_factors(weights, 256)
    for text in (0.0, 100.0):
        told = low_rank(factors, v, 100.0, text).text_map(v, 1.0)
        value = ranked(np.asarray(weights @ told) @ away.T, nothing, liked)
        report(name, f"cold: map behind a kernel with text weight {text:.0f}", value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=["movielens", "lastfm", "douban"])
    chosen = parser.parse_args().sets
    if not semantic.DATA.is_dir():
        sys.exit(f"skipped: no data sets in {semantic.DATA}")
    sets = {
        "movielens": semantic.movielens, "lastfm": semantic.lastfm, "douban": semantic.douban,
    }  # fmt: skip
    for name in chosen:
        data = sets[name]()
        listened = Counter(event.user_id for event in data.train)
        print(f"{name}: {len(data.items)} items, {len(listened)} users", flush=True)
        with tempfile.TemporaryDirectory() as folder, open_engine(Path(folder), data) as engine:
            fitted = warm(name, engine, data)
            forms(name, engine, data, fitted)
            near(name, engine, data, fitted)
            cold(name, engine, data)


if __name__ == "__main__":
    main()
