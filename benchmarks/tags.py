"""Which tags would this user give this artist? `python benchmarks/tags.py`.

lastfm-2k: a fifth of the posts of each user, drawn at random, is hidden; a post is all tags that a
user gave to one artist. The rest is ingested and fitted through the engine, with listens and with
no tag in the text of an artist or user, and for each hidden post the five best of all tags are
asked for with `recommend_many`. Recall@5 and NDCG@5 are averaged over posts, and over users.

The baselines rank by shares of tags in the same training posts, ties by popularity:

    popular     in all posts
    of the artist, of the user
    mixes of the two, whose weight ρ is chosen by recall@5 on 3,000 posts of the training part:
    linear      ρ·p(t|artist) + (1 - ρ)·p(t|user)
    counts      the same with log(1 + count) in place of counts
    logs        ρ·log(1 + p(t|artist)/0.01) + (1 - ρ)·log(1 + p(t|user)/0.01)
    product     p'(t|artist)^ρ · p'(t|user)^(1 - ρ)   with p' = 0.99·p + 0.01·p(t)

Prints a table and one line of JSON a row.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

import semantic
from polyscene.data.dataset import Dataset
from polyscene.data.importers import get_importer
from polyscene.data.questions import Questions
from polyscene.data.schema import Event, Item
from polyscene.encoders import open_encoder
from polyscene.engine import Engine
from polyscene.evaluation.protocols import Plan, split
from polyscene.metrics.ranking import hit_matrix, ndcg, recall
from polyscene.settings import Settings, parse_settings
from polyscene.workspace import Workspace

K = 5
SHARE = 0.2
WEIGHTS = np.arange(0.1, 0.95, 0.1)
TRIED = 3000
CHUNK = 500
SETTINGS = {
    # listens count as in this preset; nothing else of it is measured here
    "music": {"preset": "music", "sources": {"trending": 1.0}},
    "tags": {"preset": "tags"},
}
Matrix = sp.csr_matrix
Mix = Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]


@dataclass
class Task:
    """Posts to learn from and posts to find, over the rows of one dataset."""

    data: Dataset
    train: Dataset
    questions: Questions
    right: Matrix


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--cache", type=Path, default=Path("build/tags"))
    options = parser.parse_args()
    if not semantic.DATA.is_dir():
        sys.exit(f"skipped: no data sets in {semantic.DATA}")
    options.cache.mkdir(parents=True, exist_ok=True)
    items, events = records()
    for seed in options.seeds:
        run(items, events, seed, options.cache)


def records() -> tuple[list[Item], list[Event]]:
    """Artists without any tag in their text, tags, listens and what was tagged."""
    folder = semantic.DATA / "lastfm-2k"
    given = list(read("lastfm-tags", folder))
    everybody = {row["user_id"] for kind, row in given if kind == "events"}
    rows = [*read("lastfm", folder, exclude_tags_of=everybody), *given]
    items = [Item.model_validate(row) for kind, row in rows if kind == "items"]
    return items, [Event.model_validate(row) for kind, row in rows if kind == "events"]


def read(name: str, folder: Path, **options: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of an importer with their kinds."""
    for part in get_importer(name, **options).read(folder):
        for batch in part.batches:
            yield from ((part.kind, row) for _, row in batch.rows)


def run(items: list[Item], events: list[Event], seed: int, cache: Path) -> None:
    # as `polyscene evaluate --protocol random` does, a fit holds out like what it will be asked
    settings = parse_settings({"scenarios": SETTINGS, "validation": {"split": "random"}})
    with tempfile.TemporaryDirectory() as folder:
        encoder = open_encoder(settings.encoders, cache)
        workspace = Workspace(Path(folder) / "all", settings, encoder)
        with Engine(opened(workspace, items, events)) as engine:
            data, links = (engine.workspace.store.dataset(), engine.workspace.store.links())
            task = cut(data, links, settings, seed)
        users, tags = np.unique(task.questions.users), task.train.target[task.train.on_tag]
        print(f"seed {seed}: {len(task.questions):,} posts of {len(users):,} users to find, "
              f"{task.right.nnz:,} tags; {len(np.unique(tags)):,} tags in training")  # fmt: skip
        for name, lists in baselines(task, links, settings, seed):
            told(seed, name, task, lists)
        with tempfile.TemporaryDirectory() as other:
            encoder = open_encoder(settings.encoders, cache)
            place = Workspace(Path(other) / "train", settings, encoder)
            kept = [events[row] for row in np.flatnonzero(known(task))]
            with Engine(opened(place, items, kept)) as engine:
                told(seed, "polyscene", task, *asked(engine, task))
                print(f"    {engine.model.fusions['tags']}")
                print(f"    {engine.model.sources['context'].config}")


def opened(workspace: Workspace, items: list[Item], events: list[Event]) -> Workspace:
    workspace.path.mkdir(exist_ok=True)
    with workspace.store.write() as writer:
        writer.put_items(items)
        writer.add_events(events)
    return workspace


def cut(data: Dataset, links: Any, settings: Settings, seed: int) -> Task:
    part = split(data, links, settings, Plan("random", ("tags",), SHARE, seed), time.time())
    return Task(data, part.train, part.questions, part.relevant["tags"])


def known(task: Task) -> np.ndarray:
    """Which events are learned from: those that are not among the hidden posts."""
    hidden = task.questions.rows(task.data.user, task.data.context) >= 0
    return ~(hidden & task.data.on_tag)


def asked(engine: Engine, task: Task) -> tuple[list[list[str]], float]:
    """The lists of the engine, and the seconds of all of them together."""
    engine.fit()
    users, items = task.data.users.ids, task.data.items.ids
    start = time.perf_counter()
    answers = engine.recommend_many(
        [users[row] for row in task.questions.users], "tags", K, reasons=False,
        contexts=[items[row] for row in task.questions.contexts],
    )  # fmt: skip
    lists = [[item.item_id for item in answer.items] for answer in answers]
    return lists, time.perf_counter() - start


def told(
    seed: int, name: str, task: Task, lists: list[list[str]], seconds: float | None = None
) -> None:
    values = {"recall@5": scored(task, lists, recall), "ndcg@5": scored(task, lists, ndcg)}
    users = task.questions.users
    counts = np.bincount(users)
    by_user = np.bincount(users, values["recall@5"])[counts > 0] / counts[counts > 0]
    row = {"seed": seed, "row": name} | {
        metric: round(float(own.mean()), 4) for metric, own in values.items()
    }
    row["recall@5 by user"] = round(float(by_user.mean()), 4)
    if seconds is not None:
        row["ms a list"] = round(1e3 * seconds / len(lists), 2)
    print(f"  {name:42} {row['recall@5']:.4f} {row['ndcg@5']:.4f} {row['recall@5 by user']:.4f}")
    print(json.dumps(row), flush=True)


def scored(task: Task, lists: list[list[str]], metric: Callable[..., np.ndarray]) -> np.ndarray:
    ids, matrix = task.data.items.ids, task.right
    right = [
        {ids[row] for row in matrix.indices[start:end]}
        for start, end in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)
    ]
    hits, counts = hit_matrix(lists, right, K)
    return metric(hits, counts, K)


def baselines(
    task: Task, links: Any, settings: Settings, seed: int
) -> Iterator[tuple[str, list[list[str]]]]:
    """The lists of each baseline; the mixes as they did best on some of the training posts."""
    trial = cut(task.train, links, settings, seed + 1000)
    some = np.random.default_rng(seed).choice(len(trial.questions), TRIED, replace=False)
    trial.questions, trial.right = trial.questions.take(np.sort(some)), trial.right[np.sort(some)]
    both, before = Shares(task), Shares(trial)
    yield "most popular tags", both.lists(lambda a, u, p, rho: p, 0.0)
    yield "most popular tags of the artist", both.lists(linear, 1.0)
    yield "most popular tags of the user", both.lists(linear, 0.0)
    best: tuple[float, str, list[list[str]]] = (0.0, "", [])
    for name, mix in MIXES.items():
        for logs in (False, True):
            reached = [
                (float(scored(trial, before.lists(mix, rho, logs), recall).mean()), rho)
                for rho in WEIGHTS
            ]
            value, rho = max(reached)
            label = f"mix, {name}{' of log counts' if logs else ''}, ρ {rho:.1f}"
            lists = both.lists(mix, rho, logs)
            yield label, lists
            best = max(best, (value, label, lists))
    yield f"best mix on validation ({best[1]})", best[2]


def linear(artist: np.ndarray, user: np.ndarray, popular: np.ndarray, rho: float) -> np.ndarray:
    return np.asarray(rho * artist + (1 - rho) * user)


def logs(artist: np.ndarray, user: np.ndarray, popular: np.ndarray, rho: float) -> np.ndarray:
    return linear(np.log1p(artist / 0.01), np.log1p(user / 0.01), popular, rho)


def product(artist: np.ndarray, user: np.ndarray, popular: np.ndarray, rho: float) -> np.ndarray:
    sides = (np.log(0.99 * side + 0.01 * popular + 1e-12) for side in (artist, user))
    return linear(*sides, popular, rho)


MIXES: dict[str, Mix] = {"linear": linear, "logs": logs, "product": product}


class Shares:
    """Shares of the tags in the training posts, of artists and of users."""

    def __init__(self, task: Task) -> None:
        train, data = task.train.take(task.train.on_tag), task.data
        self.task = task
        self.columns = np.unique(train.target)
        place = np.searchsorted(self.columns, train.target)
        ones, width = np.ones(len(train), np.float64), len(self.columns)
        self.of_artists = sp.csr_matrix((ones, (train.context, place)), (len(data.items), width))
        self.of_users = sp.csr_matrix((ones, (train.user, place)), (len(data.users), width))
        popular = np.bincount(place).astype(np.float64)
        self.popular = popular / popular.sum()

    def lists(self, mix: Mix, rho: float, log_counts: bool = False) -> list[list[str]]:
        """The five best tags of each question."""
        asked, ids = self.task.questions, self.task.data.items.ids
        artists, users = (shares(one, log_counts) for one in (self.of_artists, self.of_users))
        found: list[list[str]] = []
        for start in range(0, len(asked), CHUNK):
            some = slice(start, start + CHUNK)
            artist, user = artists[asked.contexts[some]], users[asked.users[some]]
            scores = mix(artist.toarray(), user.toarray(), self.popular[None], rho)
            scores = np.broadcast_to(scores, artist.shape) + 1e-6 * self.popular
            top = np.argpartition(-scores, K, axis=1)[:, :K]
            order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1)
            best = self.columns[np.take_along_axis(top, order, axis=1)]
            found += [[ids[row] for row in rows] for rows in best.tolist()]
        return found


def shares(counts: Matrix, log_counts: bool) -> Matrix:
    """Rows that sum to 1."""
    rows = counts.log1p() if log_counts else counts
    sums = np.asarray(rows.sum(axis=1)).ravel()
    return sp.csr_matrix(sp.diags(1 / np.where(sums > 0, sums, 1)) @ rows)


if __name__ == "__main__":
    main()
