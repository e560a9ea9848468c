"""Splits as the peer recommenders of `benchmarks/peers.py` see them, and how lists are judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

Array = np.ndarray[Any, Any]
Scores = Callable[[Array], Array]
"""Rows of users to their scores of every item, a fresh float array; NaN is no score."""

BLOCK = 256
IDS = {"user": str, "item": str}


@dataclass(frozen=True)
class Meta:
    """`meta.json`."""

    name: str
    liked: float | None
    values: str
    candidates: list[str] | None
    timestamps: bool
    k: int = 10


@dataclass(frozen=True)
class Split:
    """A prepared split; of the test rows only the users are read."""

    meta: Meta
    train: pd.DataFrame
    valid: pd.DataFrame
    later: pd.DataFrame
    asked: list[str]
    texts: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> Split:
        """The split of a folder."""
        meta = Meta(**json.loads((folder / "meta.json").read_text(encoding="utf-8")))
        asked = pd.read_csv(folder / "test.csv", usecols=["user"], dtype=str, na_filter=False)
        items = pd.read_csv(folder / "items.csv", dtype=str, na_filter=False)
        return cls(
            meta,
            _events(folder / "train.csv", meta),
            _events(folder / "valid.csv", meta),
            _events(folder / "later.csv", meta),
            list(dict.fromkeys(asked["user"])),
            dict(zip(items["item"], items["text"], strict=True)),
        )

    def data(self, *parts: pd.DataFrame, open_to_all: bool = False) -> Data:
        """What a peer may learn from `parts`; users under test are known by name only.

        Every item of `items.csv` is rankable if there are no candidates or with `open_to_all`.
        """
        candidates = None if open_to_all else self.meta.candidates
        rows = pd.concat(parts, ignore_index=True)
        liked = rows.loc[rows["good"], "item"].value_counts()
        how = "sum" if self.meta.values == "count" else "max"
        rows = rows.groupby(["user", "item"], sort=False, as_index=False).agg(
            {"value": how, "time": "max", "good": "max"}
        )
        names = pd.Index(list(dict.fromkeys([*self.texts, *rows["item"]])))
        count = names.map(liked).fillna(0).to_numpy(int)
        order = np.argsort(-count, kind="stable")
        users = pd.Index(list(dict.fromkeys([*rows["user"], *self.valid["user"], *self.asked])))
        items = names[order]
        return Data(
            self.meta,
            users,
            items,
            [self.texts.get(item, "") for item in items],
            items.isin(list(self.texts) if candidates is None else candidates),
            rows.assign(user=users.get_indexer(rows["user"]), item=items.get_indexer(rows["item"])),
            count[order],
        )


@dataclass(frozen=True)
class Data:
    """Rows to fit on, a user and an item at most once; the most liked items come first.

    `popularity` is the number of positive rows. A stable order of scores breaks ties by it, and a
    user without scores is given the popular items.
    """

    meta: Meta
    users: pd.Index
    items: pd.Index
    texts: list[str]
    rankable: Array
    rows: pd.DataFrame
    popularity: Array

    @property
    def kinds(self) -> list[str]:
        """Ways to weigh the rows: see `matrix`."""
        if self.meta.values == "none":
            return ["ones"]
        return ["ones", "scaled"] + ["all"] * (self.meta.liked is not None)

    def matrix(self, kind: str) -> sp.csr_matrix:
        """Weights of users and items, 1 on average.

        `ones` and `scaled` have the positive rows: each the same, or by the log of the count, or
        by the rating (with a threshold, the best weighs twice one just liked). `all` has every
        row, by its value.
        """
        rows = self.rows if kind == "all" else self.rows[self.rows["good"]]
        value, top = rows["value"].to_numpy(np.float32), float(self.rows["value"].max())
        if kind == "ones":
            value = np.ones_like(value)
        elif self.meta.values == "count":
            value = np.log1p(np.maximum(value, 0.0))
        elif kind == "scaled" and self.meta.liked is not None and top > self.meta.liked:
            value = 1.0 + (value - self.meta.liked) / (top - self.meta.liked)
        value = np.maximum(value, 1e-3)
        return self._csr(rows, value / value.mean())

    @cached_property
    def seen(self) -> sp.csr_matrix:
        """1 for each row, positive or not."""
        return self._csr(self.rows, np.ones(len(self.rows), np.float32))

    @cached_property
    def known(self) -> Array:
        """Whether each item has a positive row."""
        return self.popularity > 0

    @cached_property
    def active(self) -> Array:
        """Whether each user has a positive row."""
        return np.bincount(self.rows.loc[self.rows["good"], "user"], minlength=len(self.users)) > 0

    def _csr(self, rows: pd.DataFrame, value: Array) -> sp.csr_matrix:
        where = (rows["user"].to_numpy(), rows["item"].to_numpy())
        return sp.csr_matrix(
            (value.astype(np.float32), where), shape=(len(self.users), len(self.items))
        )


@dataclass(frozen=True)
class Validation:
    """Held-out positives: `relevant` has a row for each of `users`."""

    users: Array
    relevant: sp.csr_matrix

    @classmethod
    def of(cls, data: Data, held: pd.DataFrame, most: int, seed: int) -> Validation:
        """Up to `most` users with a rankable positive that they have not seen."""
        held = held[held["good"]].drop_duplicates(["user", "item"])
        users, items = data.users.get_indexer(held["user"]), data.items.get_indexer(held["item"])
        kept = items >= 0
        kept[kept] = data.rankable[items[kept]]
        cells = (np.ones(kept.sum(), np.float32), (users[kept], items[kept]))
        relevant = sp.csr_matrix(cells, shape=data.seen.shape)
        relevant = sp.csr_matrix(relevant - relevant.multiply(data.seen))
        relevant.eliminate_zeros()
        chosen = np.flatnonzero(relevant.getnnz(axis=1))
        if len(chosen) > most:
            chosen = np.sort(np.random.default_rng(seed).choice(chosen, most, replace=False))
        return cls(chosen, relevant[chosen])

    def ndcg(self, data: Data, scores: Scores) -> float:
        """Mean NDCG@k."""
        return ndcg(top_lists(data, scores, self.users, data.meta.k), self.relevant)


def _events(path: Path, meta: Meta) -> pd.DataFrame:
    rows = pd.read_csv(path, dtype={**IDS, "timestamp": str}, na_filter=False)
    value = pd.to_numeric(rows["value"], errors="coerce").fillna(1.0)
    time = pd.to_numeric(rows["timestamp"], errors="coerce").fillna(0.0)
    good = np.ones(len(rows), bool) if meta.liked is None else value >= meta.liked
    return rows[["user", "item"]].assign(value=value, time=time, good=good)


def top_lists(data: Data, scores: Scores, users: Array, n: int) -> Array:
    """The best `n` rankable unseen items of each user, -1 where there are no more.

    Ties, items without a score, and users without a positive are in order of popularity.
    """
    lists = np.full((len(users), n), -1)
    for start in range(0, len(users), BLOCK):
        block = users[start : start + BLOCK]
        values = scores(block)
        values[~data.active[block]] = 0.0
        np.nan_to_num(values, copy=False, nan=np.finfo(values.dtype).min)
        values[:, ~data.rankable] = -np.inf
        values[data.seen[block].nonzero()] = -np.inf
        for row, line in enumerate(values, start):
            best = _top(line, n)
            lists[row, : len(best)] = best
    return lists


def _top(line: Array, n: int) -> Array:
    cut = np.partition(line, -n)[-n] if len(line) > n else -np.inf
    able = np.flatnonzero((line >= cut) & (line > -np.inf))
    return able[np.argsort(-line[able], kind="stable")][:n]


def ndcg(lists: Array, relevant: sp.csr_matrix) -> float:
    """Mean binary NDCG over the rows, the ideal being min(k, relevant) hits on top."""
    k = lists.shape[1]
    rows = np.arange(len(lists))[:, None]
    hits = np.asarray(relevant[rows, np.maximum(lists, 0)].todense()) * (lists >= 0)
    gains = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(gains)[np.minimum(relevant.getnnz(axis=1), k) - 1]
    return float((hits @ gains / ideal).mean())
