"""Peer recommenders on a prepared split, each tuned on the same validation rows.

    python3.11 -m venv .venv-peers
    .venv-peers/bin/pip install -r benchmarks/peers-requirements.txt
    .venv-peers/bin/python benchmarks/peers.py SPLIT_DIR [--peers als ease] [--budget 12] [--seed 0]

An environment apart from that of Polyscene, which is not imported. SPLIT_DIR has

    train.csv, valid.csv   user,item,value,timestamp; valid.csv was held out of the training rows
    later.csv              other rows held out, which nothing is chosen by; may be empty
    test.csv               user,item; read only for the users who are asked for
    items.csv              item,text
    meta.json              name, liked (a row is positive from this value; null: all are), values
                           ("rating", "count" or "none"), candidates (null or the only rankable
                           items), timestamps (true or false), k

Each peer gets `--budget` configurations of its space: its default, then draws in which the values
of an option come up equally often. The one with the best NDCG@k on the validation positives of up
to 2,000 users is fitted again on all rows together. Items that a user has in the rows are not
listed; users without a positive row are given the popular items.

Written to SPLIT_DIR/peers/: `PEER.csv` (user,rank,item; the top 20) and `PEER.json` (the choice,
its validation score, all trials and seconds). A peer that can't run says why and is left out.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # implicit has threads of its own

import argparse
import json
import sys
import time
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from peers_data import Data, Split, Validation, top_lists
from peers_models import DEPTH, EASE_ITEMS, Params, Peer, Space, peers

VALIDATION_USERS = 2000
PATIENCE = 3  # stages of a growing fit without a gain
GROWTH = 0.3  # share of the time of tuning that one growing fit may take


@dataclass
class Tuning:
    params: Params = field(default_factory=dict)
    score: float = -1.0
    tried: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def draws(space: Space, n: int, seed: int) -> list[Params]:
    """At most `n` distinct settings: the first values, then shuffled columns side by side."""
    rng = np.random.default_rng(seed)
    found = {_key(first): first for first in [{name: own[0] for name, own in space.items()}]}
    for _ in range(50):
        columns = {name: _column(own, n, rng) for name, own in space.items()}
        for row in range(n):
            setting = {name: column[row] for name, column in columns.items()}
            if len(found) < n:
                found.setdefault(_key(setting), setting)
    return list(found.values())


def _column(values: list[Any], n: int, rng: np.random.Generator) -> list[Any]:
    order = [i for _ in range(n // len(values) + 1) for i in rng.permutation(len(values))]
    return [values[i] for i in order[:n]]


def _key(setting: Params) -> str:
    return json.dumps(setting, sort_keys=True)


def tune(peer: Peer, data: Data, valid: Validation, settings: list[Params], seed: int) -> Tuning:
    """The best of `settings`, as many as the peer's CPU time allows."""
    best, start, cpu = Tuning(), time.perf_counter(), time.process_time()
    for setting in settings:
        if time.process_time() - cpu > peer.seconds:
            break
        top: dict[str, Any] = {"params": setting, "score": -1.0}
        for params, score in _stages(peer, data, valid, setting, seed):
            if score > top["score"]:
                top = {"params": params, "score": score}
            if time.process_time() - cpu > peer.seconds:
                break
        best.tried.append(top)
        if top["score"] > best.score:
            best.params, best.score = top["params"], top["score"]
    best.seconds = time.perf_counter() - start
    return best


def _stages(
    peer: Peer, data: Data, valid: Validation, setting: Params, seed: int
) -> Iterator[tuple[Params, float]]:
    """Settings and scores of a fit as it grows, until it stops to gain."""
    if peer.stages is None:
        yield setting, valid.ndcg(data, peer.fit(data, setting, seed))
        return
    best, waited, cpu = -1.0, 0, time.process_time()
    for params, scores in peer.stages(data, setting, seed):
        score = valid.ndcg(data, scores)
        yield params, score
        best, waited = max(best, score), 0 if score > best else waited + 1
        if waited == PATIENCE or time.process_time() - cpu > GROWTH * peer.seconds:
            return


class Run:
    """The peers on one split."""

    def __init__(self, folder: Path, budget: int, seed: int) -> None:
        self.out, self.budget, self.seed = folder / "peers", budget, seed
        self.out.mkdir(exist_ok=True)
        self.split = Split.read(folder)
        parts = self.split.train, self.split.valid, self.split.later
        self.everything = self.split.data(*parts)
        self.train, self.valid, self.note = self._validation()

    def _validation(self) -> tuple[Data, Validation, str]:
        """Training rows and what is held out of them; among all items if no candidate is."""
        note = ""
        for open_to_all in (False, True):
            train = self.split.data(self.split.train, open_to_all=open_to_all)
            valid = Validation.of(train, self.split.valid, VALIDATION_USERS, self.seed)
            if len(valid.users):
                return train, valid, note
            note = "no candidate is in valid.csv: validated among all items"
        sys.exit(f"{self.split.meta.name}: valid.csv has no positive row to tune on")

    def peer(self, name: str, peer: Peer) -> None:
        """Tune, fit and write one peer, or say why not."""
        for kind in ("csv", "json"):
            (self.out / f"{name}.{kind}").unlink(missing_ok=True)
        why = peer.obstacle(self.everything) or peer.obstacle(self.train)
        if why:
            print(f"{name}: skipped, {why}", flush=True)
            return
        seed = self.seed + zlib.crc32(name.encode())
        settings = draws(peer.space(self.train), self.budget, seed)
        best = tune(peer, self.train, self.valid, settings, self.seed)
        start = time.perf_counter()
        scores = peer.fit(self.everything, best.params, self.seed)
        fitted = time.perf_counter()
        users = self.everything.users.get_indexer(self.split.asked)
        lists = top_lists(self.everything, scores, users, DEPTH)
        done = time.perf_counter()
        self._write(name, lists)
        label = f"valid_ndcg@{self.split.meta.k}"
        report = {
            "peer": name, "params": best.params, label: round(best.score, 5),
            "trials": len(best.tried), "tune_seconds": round(best.seconds, 2),
            "fit_seconds": round(fitted - start, 2), "predict_seconds": round(done - fitted, 2),
            "library": peer.library, "note": self._notes(name), "tried": best.tried,
        }  # fmt: skip
        text = json.dumps(report, indent=1)
        (self.out / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        shown = {key: report[key] for key in list(report)[1:7]}
        print(f"{name}: {json.dumps(shown)}", flush=True)

    def _notes(self, name: str) -> str:
        notes = [self.note] if self.note else []
        if name == "ease" and self.everything.known.sum() > EASE_ITEMS:
            notes.append(f"only the {EASE_ITEMS} most liked items")
        return "; ".join(notes)

    def _write(self, name: str, lists: np.ndarray[Any, Any]) -> None:
        rows, ranks = np.nonzero(lists >= 0)
        frame = pd.DataFrame({
            "user": np.array(self.split.asked, object)[rows],
            "rank": ranks + 1,
            "item": self.everything.items.to_numpy()[lists[rows, ranks]],
        })  # fmt: skip
        frame.to_csv(self.out / f"{name}.csv", index=False)


def main() -> None:
    known = peers()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("split", type=Path)
    parser.add_argument("--peers", nargs="+", default=list(known), choices=list(known))
    parser.add_argument("--budget", type=int, default=12, help="configurations of each peer")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    run = Run(options.split, options.budget, options.seed)
    failed = 0
    for name in options.peers:
        try:
            run.peer(name, known[name])
        except Exception as error:  # one peer less, the others are still of use
            failed += 1
            print(f"{name}: failed, {type(error).__name__}: {error}", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
