"""The graph source: personalised PageRank over items and what connects them.

Items are joined to nodes: the users who liked them, their tags, and what they are related to, one
node for each pair of a predicate and a name. A walk goes item → node → item. It leaves an item i
with weights f of the kinds of node that i has, and a node for its items alike:

    T_iν = f_kind · a_iν / Σ_ν' a_iν'  (over the kind)  / Σ_kinds of i f_kind
    H_νi = a_iν / Σ_i' a_i'ν

It starts at the liked part r of the history, by weight, and goes on with chance d after each return
to an item, else starts anew:

    p ← (1 - d)·r + d·p·T·H        `steps` times from p = r
    score(i) = d·(p·T·H)_i / (likes of i + 1)^β

β holds popularity against an item, without which the best known ones come first. Of an item a of
the relation (a, predicate, b) to another, b belongs to the node (predicate, b) too. Nodes of one
item lead nowhere and are left out, as are blocks. Options that are unset are chosen by NDCG@10 on
held-out events. No history is stored: a new event changes the next answer. Items that came after
the fit are not in the graph.

References: topic-sensitive PageRank (Haveliwala, WWW 2002); random walks with item, tag and user
nodes (Konstas et al., SIGIR 2009); degree-penalised walks (Christoffel et al., RecSys 2015).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from polyscene.component import Path, Query, Training, Validation, Vectors
from polyscene.data.dataset import IntArray
from polyscene.represent.connections import BLOCKS
from polyscene.represent.interactions import interactions
from polyscene.sources.base import SILENT, Source, nothing
from polyscene.sources.likes import (
    RECENCY,
    LikesConfig,
    grounds,
    likes,
    likes_on_trial,
    reweighted,
    weights,
)
from polyscene.sources.saved import load_matrix, reading, save_matrix
from polyscene.sources.trial import Steps, Trial, choose, filled

__all__ = ["Graph", "GraphConfig"]

PEOPLE, TAG = "people", "tag"
"""Kinds of nodes beside the predicates."""
_SPLITS = 1
"""Splits on which the options are tried, at most."""
_ON_TRIAL = 500
"""Users on whom they are tried, at most, fewer where the graph is large."""
_EFFORT = 100_000_000
"""Edges × users on trial, at most, but at least a tenth of `_ON_TRIAL` users."""
_CELLS = 1 << 24
"""Entries of the matrix of chances that are in memory at once: nodes × queries."""
_SHARES = (0.0, 0.1, 0.3, 1.0)
_EQUAL = 1e-6
"""By what share chances differ that count as equal."""
_STEPS: Steps = (
    ("graded", (True, False)),
    ("beta", (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)),
    ("tags", _SHARES),
    ("relations", _SHARES),
    ("damping", (0.1, 0.3, 0.6)),
    ("beta", (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)),
    ("decay", (True, False)),
    ("recency", RECENCY),
)
_UNSET = {
    "tags": 0.1, "relations": 0.1, "damping": 0.3, "beta": 0.4, "graded": False, "decay": True,
    "recency": 0.0,
}  # fmt: skip


class GraphConfig(LikesConfig):
    """Options of `graph`."""

    behaviour: float = Field(default=1.0, ge=0)
    """How much leads from an item to the users who liked it; 0 to leave users out. The weights of
    tags and relations are relative to it."""
    tags: float | None = Field(default=None, ge=0)
    """How much leads from an item to its tags; unset to choose it by validation."""
    relations: float | None = Field(default=None, ge=0)
    """How much leads from an item to what it is related to; unset to choose it by validation."""
    steps: int = Field(default=3, ge=1, le=20)
    """How often the walk goes from an item to a node and back."""
    damping: float | None = Field(default=None, gt=0, lt=1)
    """d, the chance that the walk goes on from an item; else it starts anew from the history. The
    smaller, the nearer to the history the targets are; unset to choose it by validation."""
    beta: float | None = Field(default=None, ge=0, le=2)
    """β, how much popularity is held against a target: 0 not at all; unset to choose it by
    validation."""


@dataclass(frozen=True, slots=True)
class _Edges:
    """What joins n items to nodes, before any weights."""

    parts: Mapping[str, sp.csr_matrix]
    """By option, `behaviour`, `tags` and `relations`, how much each item has of each node."""
    names: Sequence[tuple[str, str]]
    """Kind and name of the nodes, in the order of the parts."""
    popularity: Vectors
    """Likes of each item and 1, shape (n,)."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """One step there and back, for n items and v nodes."""

    away: sp.csr_matrix
    """T, the chances of nodes from an item, shape (n, v)."""
    back: sp.csr_matrix
    """Hᵀ, the chances of an item from a node, shape (n, v)."""

    def chances(self, starts: sp.csr_matrix, config: GraphConfig) -> Vectors:
        """Where walks end that begin at the items of each row, shape (rows, n)."""
        lengths = np.maximum(np.asarray(starts.sum(axis=1)).ravel(), np.finfo(np.float32).tiny)
        start = np.asarray((sp.diags_array(1 / lengths) @ starts).T.todense(), np.float32, "C")
        damping, there = np.float32(config.damping or 0.0), self.away.T.tocsr()
        now = start
        for _ in range(config.steps):
            found = damping * (self.back @ (there @ now))
            now = (1 - damping) * start + found
        return np.asarray(found.T, np.float32)


class Graph(Source):
    """Personalised PageRank from the history over items, users, tags and relations."""

    name: ClassVar[str] = "graph"
    config_type = GraphConfig
    config: GraphConfig

    def __init__(self, config: GraphConfig | None = None) -> None:
        super().__init__(config)
        self._walk: _Walk | None = None
        self._names: Sequence[tuple[str, str]] = ()
        self._popularity: Vectors = np.zeros(0, np.float32)

    def tuned(self, validations: Sequence[Validation]) -> Self:
        """Choose the options that are unset; see `polyscene.component.Tunable`.

        Some twenty walks of a few hundred users on one split.
        """
        trials = [_GraphTrial(_smaller(validation)) for validation in validations[:_SPLITS]]
        free = [step for step in _STEPS if all(trial.has(step[0]) for trial in trials)]
        return type(self)(choose(self.name, self._set, self.config, free, trials))

    def fit(self, training: Training) -> None:
        """Build the graph; see `polyscene.component.Trainable`. O(events + tags + relations)."""
        config = self._set
        edges = _edges(training, bool(config.graded))
        self._walk, self._names = _walk(edges, config), edges.names
        self._popularity = edges.popularity

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(steps · edges) a query."""
        walk, config, scores = self._walk, self._set, nothing(queries)
        if walk is None or not queries or not queries[0].spec.of_items:
            return scores
        x, n = likes(queries, np.arange(walk.away.shape[0]), config), walk.away.shape[0]
        for some in _chunks(np.flatnonzero(np.diff(x.indptr)), sum(walk.away.shape)):
            found = walk.chances(sp.csr_matrix(x[some]), config)
            scores[some, :n] = _judged(found, self._popularity, config)
        return scores

    def support(self, query: Query, rows: IntArray) -> IntArray:
        """The history items with the likeliest connections in two steps, shape (m, k)."""
        walk, k = self._walk, self.config.support
        found = np.full((len(rows), k), -1, np.int64)
        if walk is None or not query.spec.of_items:
            return found
        x = likes([query], np.arange(walk.away.shape[0]), self._set)
        known = np.flatnonzero(rows < walk.away.shape[0])
        gave = (walk.back[rows[known]] @ walk.away[x.indices].T).toarray() * x.data
        gave[rows[known, None] == x.indices] = 0
        found[known] = grounds(gave, x.indices, k)
        return found

    def paths(self, query: Query, rows: IntArray) -> Sequence[Path | None]:
        """For each target the likeliest way to it from the item h of the history that matters most.

        That is the one without which a walk of two steps, which starts at the rest of the history
        then, would be least likely to end at the target; of equal ones the one that gives most. The
        node maximises T_hν · H_νi. None where there is no way in two steps.
        """
        walk = self._walk
        if walk is None or not query.spec.of_items:
            return [None] * len(rows)
        x = likes([query], np.arange(walk.away.shape[0]), self._set)
        away = sp.csr_matrix(walk.away[x.indices])
        found: list[Path | None] = []
        for row in rows.tolist():
            if row >= walk.back.shape[0]:
                found.append(None)
                continue
            ways = sp.csr_matrix(away.multiply(walk.back[row]))
            mine = x.indices != row  # no way starts at its end
            found.append(self._path(ways, x.indices, np.where(mine, x.data, 0.0)))
        return found

    def save(self, path: FilePath) -> None:
        """Write the learned state into the existing directory `path`."""
        (path / "options.json").write_text(self.config.model_dump_json(), "utf-8")
        if self._walk is not None:
            save_matrix(path, "away", self._walk.away)
            save_matrix(path, "back", self._walk.back)
            np.save(path / "popularity.npy", self._popularity)
            (path / "names.json").write_text(json.dumps(self._names, ensure_ascii=False), "utf-8")

    def load(self, path: FilePath) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        with reading("the graph", path):
            text = (path / "options.json").read_text("utf-8")
            self.config = GraphConfig.model_validate_json(text)
            self._load(path)
        return self

    def _load(self, path: FilePath) -> None:
        away, back = load_matrix(path, "away"), load_matrix(path, "back")
        popularity = np.load(path / "popularity.npy")
        names = [(str(k), str(v)) for k, v in json.loads((path / "names.json").read_text("utf-8"))]
        if not away.shape == back.shape == (len(popularity), len(names)):
            raise ValueError(f"{away.shape}, {back.shape}, {len(popularity)} and {len(names)}")
        self._walk, self._popularity, self._names = _Walk(away, back), popularity, names

    @property
    def _set(self) -> GraphConfig:
        """The options with all that is unset filled in."""
        return filled(self.config, _UNSET)

    def _path(self, ways: sp.csr_matrix, items: IntArray, weights: Vectors) -> Path | None:
        """The way from the item that matters most, over its likeliest node.

        Args:
            ways: The chances of each way from an item over a node, shape (items, nodes).
            items: Rows of the history items.
            weights: How much walks start at each, shape (items,); 0 for those that are left out.
        """
        gave = np.asarray(ways.sum(axis=1), np.float64).ravel() * weights
        if not gave.size or gave.max() <= 0:
            return None
        rest = weights.sum() - weights
        left = np.divide(gave.sum() - gave, rest, out=np.zeros(len(rest)), where=rest > 0)
        least = left <= left[gave > 0].min() * (1 + _EQUAL)
        start = int(np.argmax(np.where(least, gave, 0.0)))
        entries = slice(ways.indptr[start], ways.indptr[start + 1])
        node = int(ways.indices[entries][np.argmax(ways.data[entries])])
        return Path(int(items[start]), *self._names[node])


class _GraphTrial(Trial):
    """One split, on which options are scored."""

    def __init__(self, validation: Validation) -> None:
        super().__init__(validation)
        self._built = {True: _edges(validation.training, True)}
        self._found: tuple[str, Vectors] | None = None

    def has(self, option: str) -> bool:
        """Whether an option makes a difference here."""
        return option not in ("tags", "relations") or option in self._built[True].parts

    def score(self, config: GraphConfig) -> float:
        """NDCG@10; the latest chances are kept, since β is tried on them."""
        grade = bool(config.graded)
        if grade not in self._built:
            self._built[grade] = _edges(self.training, grade)
        edges, key = self._built[grade], config.model_dump_json(exclude={"beta", "support"})
        if self._found is None or self._found[0] != key:
            walk = _walk(edges, config)
            x = likes_on_trial(self, np.arange(walk.away.shape[0]), config)
            parts = [
                walk.chances(sp.csr_matrix(x[some]), config)
                for some in _chunks(np.arange(x.shape[0]), sum(walk.away.shape))
            ]
            self._found = key, np.concatenate(parts)
        return self.ndcg(_judged(self._found[1], edges.popularity, config))


def _smaller(validation: Validation) -> Validation:
    """The same split with fewer users on trial, evenly taken."""
    events = int(np.count_nonzero(~validation.training.data.on_tag))
    edges = events + sum(map(len, validation.training.tags))
    most = int(np.clip(_EFFORT // max(edges, 1), _ON_TRIAL // 10, _ON_TRIAL))
    count = len(validation.users)
    kept = np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))
    relevant = {name: sp.csr_matrix(one[kept]) for name, one in validation.relevant.items()}
    return replace(validation, questions=validation.questions.take(kept), relevant=relevant)


def _edges(training: Training, grade: bool) -> _Edges:
    """The graph of a training set; parts that join no two items are left out."""
    rows = interactions(training.data, training.settings, training.now, decay=False)
    liked = reweighted(rows, weights(rows.data, grade))
    if not grade:
        liked.data[:] = 1.0  # all likes are alike to the walk
    people = [(PEOPLE, "")] * liked.shape[0]
    parts, names = {}, []
    for option, found, labels in (
        ("behaviour", sp.csr_matrix(liked.T), people),
        ("tags", *_tags(training)),
        ("relations", *_relations(training)),
    ):
        shared = np.flatnonzero(found.getnnz(axis=0) >= 2)
        if len(shared):
            parts[option] = sp.csr_matrix(found[:, shared])
            names += [labels[node] for node in shared]
    popularity = 1 + np.asarray(liked.sum(axis=0), np.float32).ravel()
    return _Edges(parts, names, popularity)


def _tags(training: Training) -> tuple[sp.csr_matrix, list[tuple[str, str]]]:
    """Items by tags, and the names of the tags."""
    codes: dict[str, int] = {}
    pairs = [
        (row, codes.setdefault(tag, len(codes)))
        for row, tags in enumerate(training.tags)
        for tag in dict.fromkeys(tags)
    ]
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return _joined(table[:, 0], table[:, 1], training), [(TAG, tag) for tag in codes]


def _relations(training: Training) -> tuple[sp.csr_matrix, list[tuple[str, str]]]:
    """Items by pairs of predicate and name, and what those are; people are not named."""
    links, names = training.links, training.links.names.ids
    item = np.append(training.data.items.rows(names), -1)  # for row -1, should there be one
    subject, target = item[links.subject], item[links.object]
    hidden = np.array([name in BLOCKS for name in links.predicates] or [False], np.bool_)
    used = ((subject >= 0) | (target >= 0)) & ~hidden[links.predicate]
    subject, target, predicate = subject[used], target[used], links.predicate[used]
    far = np.where(subject >= 0, links.object[used], links.subject[used])
    keys, nodes = np.unique(predicate.astype(np.int64) * len(item) + far, return_inverse=True)
    person = (training.data.users.rows(names) >= 0) & (item[:-1] < 0)
    labels = [
        (
            links.predicates[key // len(item)],
            "" if person[key % len(item)] else names[key % len(item)],
        )
        for key in keys.tolist()
    ]
    items, nodes = np.concatenate([subject, target]), np.concatenate([nodes, nodes])
    return _joined(items[items >= 0], nodes[items >= 0], training), labels


def _joined(items: IntArray, nodes: IntArray, training: Training) -> sp.csr_matrix:
    """Ones for pairs of items and nodes, each counted once."""
    shape = (len(training.data.items), int(nodes.max(initial=-1)) + 1)
    found = sp.csr_matrix((np.ones(len(items), np.float32), (items, nodes)), shape=shape)
    found.data[:] = 1.0
    return found


def _walk(edges: _Edges, config: GraphConfig) -> _Walk:
    """The chances of a step there and of a step back."""
    n = len(edges.popularity)
    shares = {option: np.float32(getattr(config, option) or 0.0) for option in edges.parts}
    has = {
        option: shares[option] * (part.getnnz(axis=1) > 0) for option, part in edges.parts.items()
    }
    total = np.maximum(sum(has.values(), start=np.zeros(n, np.float32)), np.finfo(np.float32).tiny)
    none = sp.csr_matrix((n, 0), dtype=np.float32)
    away, back = [none], [none]
    for option, part in edges.parts.items():
        leaves = has[option] / total / np.maximum(np.asarray(part.sum(axis=1)).ravel(), 1e-9)
        enters = 1 / np.asarray(part.sum(axis=0)).ravel()
        away.append(sp.csr_matrix(sp.diags_array(leaves) @ part))
        back.append(sp.csr_matrix(part @ sp.diags_array(enters)))
    stacked = (sp.csr_matrix(sp.hstack(parts), dtype=np.float32) for parts in (away, back))
    return _Walk(*stacked)


def _judged(chances: Vectors, popularity: Vectors, config: GraphConfig) -> Vectors:
    """Scores of chances, `SILENT` where the walk never comes."""
    scores = chances / popularity ** np.float32(config.beta or 0.0)
    return np.where(chances > 0, scores, SILENT).astype(np.float32)


def _chunks(rows: IntArray, width: int) -> Iterator[IntArray]:
    """The rows in parts of no more than `_CELLS` entries of this width."""
    size = max(_CELLS // max(width, 1), 1)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
