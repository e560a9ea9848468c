"""The social source: friends of friends, and what friends do.

People: a linear autoencoder in closed form (`closed_form`) over who is connected with whom. With
A the symmetric connections and B fitted to them,

    score(u, v) = Σ_{f friend of u} B_fv + B_uv + B_vu

so that a new connection changes the next answer. The last two terms, which a history does not
have, are what the kernel says of u and v themselves; they matter most where there are few friends.

Items: what friends did, those of like taste first:

    score(u, i) = Σ_{f friend of u} (sim(u, f) + ε) · x_fi

What was done in private scenarios is left out: it is nothing to recommend to others.

Reference: EASE (Steck, WWW 2019), here on an adjacency matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from polyscene.component import Config, Query, Training, Validation, Vectors
from polyscene.data.dataset import IdMap, IntArray
from polyscene.metrics.ranking import ndcg
from polyscene.represent.connections import FRIENDS, Connections
from polyscene.sources.base import SILENT, Source, nothing
from polyscene.sources.closed_form import LowRank, behaviour_factors, low_rank
from polyscene.sources.crowd import Crowd
from polyscene.sources.saved import reading
from polyscene.sources.trial import Steps, choose, filled, top_hits

__all__ = ["Social", "SocialConfig"]

_UNSET = {"reg": 30.0}
_STEPS: Steps = (("reg", (3.0, 10.0, 30.0, 100.0)),)
_AT = 10
_NOISE = 1e-6
"""Scores below this size are rounding errors, which fusion would blow up to a full weight."""


class SocialConfig(Config):
    """Options of `social`."""

    reg: float | None = Field(default=None, gt=0)
    """λ of the kernel over connections; unset to choose it by validation."""
    rank: int = Field(default=512, ge=8, le=4096)
    """How many directions of the connections are kept."""
    stranger: float = Field(default=0.05, ge=0)
    """ε, how much a friend counts whose behaviour is not at all alike."""


class Social(Source):
    """Friends of friends as people to meet, and what friends do as items."""

    name: ClassVar[str] = "social"
    config_type = SocialConfig
    config: SocialConfig

    def __init__(self, config: SocialConfig | None = None) -> None:
        super().__init__(config)
        self._crowd: Crowd | None = None
        self._kernel: LowRank | None = None

    def tuned(self, validations: Sequence[Validation]) -> Self:
        """Choose λ by NDCG@10 on held-out connections; see `polyscene.component.Tunable`."""
        start = filled(self.config, _UNSET)
        trials = [] if self.config.reg is not None else [_Trial(one) for one in validations]
        return type(self)(choose(self.name, start, self.config, _STEPS, trials))

    def fit(self, training: Training) -> None:
        """Learn who is connected with whom; see `polyscene.component.Trainable`."""
        around = connected(training)
        self._crowd = Crowd.of(_public(training)) if around.nnz else None
        self._kernel = _kernel(around, self.config) if around.nnz else None

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(users · rank), or O(interactions of friends), a query."""
        scores, crowd, kernel = nothing(queries), self._crowd, self._kernel
        if crowd is None or kernel is None or not queries:
            return scores
        friends = _friends(queries, crowd.ids)
        told = np.flatnonzero(np.diff(friends.indptr))
        if not len(told):
            return scores
        friends, asked = friends[told], [queries[place] for place in told.tolist()]
        if queries[0].spec.target == "person":
            own = crowd.rows([query.user for query in asked])
            found = _people(kernel, friends, own)
            found[np.abs(found) < _NOISE] = SILENT
            scores[told, : found.shape[1]] = found[:, : scores.shape[1]]
            return scores
        weights = friends.multiply(crowd.alike(asked)) + self.config.stranger * friends
        items = sp.csr_matrix(weights @ crowd.deeds)
        rows = np.repeat(told, np.diff(items.indptr))
        scores[rows, items.indices] = items.data
        return scores

    def friends(self, query: Query, rows: IntArray) -> IntArray | None:
        """How many friends acted on each item; people are near to friends, which is no number.

        None in a scenario that does not read all others: it may not tell what happened there.
        """
        crowd = self._crowd
        if crowd is None or query.spec.reads != "all":
            return None
        around = _friends([query], crowd.ids)
        if query.spec.target == "person":
            return np.full(len(rows), -1 if around.nnz else 0)
        counts, known = np.zeros(len(rows), np.int64), rows < crowd.deeds.shape[1]
        counts[known] = crowd.deeds[around.indices][:, rows[known]].getnnz(axis=0)
        return counts

    def save(self, path: Path) -> None:
        """Write the learned state into the existing directory `path`."""
        (path / "options.json").write_text(self.config.model_dump_json(), "utf-8")
        if self._crowd is not None and self._kernel is not None:
            self._crowd.save(path)
            np.save(path / "rows.npy", self._kernel.rows)
            np.save(path / "columns.npy", self._kernel.columns)

    def load(self, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        with reading("the connections", path):
            text = (path / "options.json").read_text("utf-8")
            self.config = SocialConfig.model_validate_json(text)
            if (path / "rows.npy").exists():
                self._kernel = LowRank(np.load(path / "rows.npy"), np.load(path / "columns.npy"))
                self._crowd = Crowd.load(path)
        return self


class _Trial:
    """Held-out connections of one split."""

    def __init__(self, validation: Validation) -> None:
        training = validation.training
        people = [n for n, spec in training.settings.scenarios.items() if spec.target == "person"]
        size = len(training.data.users)
        self.relevant = sp.csr_matrix((len(validation.users), size), dtype=np.float32)
        for name in people:
            self.relevant = sp.csr_matrix(self.relevant + validation.relevant[name][:, :size])
        self._users = validation.users
        self._around = connected(training)

    @property
    def possible(self) -> bool:
        """Whether anything was held out."""
        return bool(self.relevant.nnz)

    def score(self, config: SocialConfig) -> float:
        """NDCG@10 of the kernel with these options."""
        if not self._around.nnz:
            return 0.0
        friends = self._around[self._users]
        scores = _people(_kernel(self._around, config), friends, self._users)
        scores[
            np.repeat(np.arange(len(scores)), np.diff(friends.indptr)), friends.indices
        ] = -np.inf
        scores[np.arange(len(scores)), self._users] = -np.inf
        counts = self.relevant.getnnz(axis=1)
        return float(np.nanmean(ndcg(top_hits(scores, self.relevant, _AT), counts, _AT)))


def connected(training: Training) -> sp.csr_matrix:
    """Who is connected with whom by relations, or by following; symmetric ones, (users, users)."""
    users, data = training.data.users, training.data
    pairs = [users.rows(pair) for pair in Connections(training.links).pairs()]
    table = np.array(pairs, np.int64).reshape(-1, 2)
    codes = [code for code, action in enumerate(data.actions) if action in FRIENDS]
    follows = data.on_person & np.isin(data.action, codes) & (data.target >= 0)
    table = np.concatenate([table, np.stack([data.user[follows], data.target[follows]], axis=1)])
    table = table[(table >= 0).all(axis=1) & (table[:, 0] != table[:, 1])]
    cells = np.concatenate([table, table[:, ::-1]])
    size = (len(users), len(users))
    around = sp.csr_matrix(
        (np.ones(len(cells), np.float32), (cells[:, 0], cells[:, 1])), shape=size
    )
    around.data[:] = 1.0
    return around


def _public(training: Training) -> Training:
    """The same without the events of private scenarios."""
    data, scenarios = training.data, training.settings.scenarios
    hidden = [name in scenarios and scenarios[name].private for name in data.scenarios]
    kept = ~np.array([*hidden, False], np.bool_)[data.scenario]  # code -1 is the last
    return replace(training, data=data.take(kept))


def _kernel(around: sp.csr_matrix, config: SocialConfig) -> LowRank:
    factors = behaviour_factors(around, config.rank)
    nothing_said = np.zeros((around.shape[0], 1), np.float32)
    return low_rank(factors, nothing_said, filled(config, _UNSET).reg or 0.0, 0.0)


def _people(kernel: LowRank, friends: sp.csr_matrix, own: np.ndarray) -> Vectors:
    """Scores of all users for some, from their friends and their own rows (-1 if unknown)."""
    found = kernel.scores(friends)
    known = np.flatnonzero(own >= 0)
    rows = own[known]
    found[known] += kernel.rows[rows] @ kernel.columns.T + kernel.columns[rows] @ kernel.rows.T
    return found


def _friends(queries: Sequence[Query], ids: IdMap) -> sp.csr_matrix:
    """Ones where a user is a friend of the one who asks, shape (queries, users)."""
    rows = [ids.rows(query.friends) for query in queries]
    rows = [np.unique(own[own >= 0]) for own in rows]
    starts = np.concatenate([[0], np.cumsum([len(own) for own in rows])])
    columns = np.concatenate([np.zeros(0, np.int64), *rows])
    return sp.csr_matrix(
        (np.ones(len(columns), np.float32), columns, starts), shape=(len(queries), len(ids))
    )
