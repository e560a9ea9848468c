"""The social source: people by friends and behaviour, and what friends do.

People: friends of friends, people who did the same, and the friends of these, as `circle` scores
them. A new friend, and a new deed, change the next answer.

Items: what friends did, those of like taste first:

    score(u, i) = Σ_{f friend of u} (sim(u, f) + ε) · x_fi

What was done in private scenarios is left out: it is nothing to recommend to others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import Field

from polyscene.component import Config, Query, Training, Validation, Vectors
from polyscene.data.dataset import IdMap, IntArray
from polyscene.metrics.ranking import ndcg
from polyscene.sources.base import Source, nothing
from polyscene.sources.circle import Circle, Stacked, connected, joined
from polyscene.sources.crowd import Crowd, of_people
from polyscene.sources.saved import load_each, reading, save_each
from polyscene.sources.trial import Steps, choose, filled, top_hits

__all__ = ["Social", "SocialConfig"]

_UNSET = {"reg": 100.0, "behaviour": 10.0, "kin": 1.0}
"""What is taken for options that are unset where there is nothing to choose them by."""
_START = {"reg": 100.0, "behaviour": 0.0, "kin": 0.0}
"""What the choice starts from: behaviour must show that it helps."""
_BEHAVIOUR = (0.0, 5.0, 10.0, 20.0, 40.0)
_KIN = (0.0, 0.5, 1.0, 1.5, 2.5)
_STEPS: Steps = (
    ("behaviour", _BEHAVIOUR),
    ("kin", _KIN),
    ("behaviour", _BEHAVIOUR),
    ("reg", (10.0, 30.0, 100.0, 300.0)),
    ("kin", _KIN),
)
_RANK = 256
"""Rank at which the options are tried, at most."""
_SPLITS = 2
"""Splits on which the options are tried, at most."""
_AT = 10
_GROUNDS = 3
"""History items that are named, at most."""


class SocialConfig(Config):
    """Options of `social`."""

    reg: float | None = Field(default=None, gt=0)
    """λ of the kernel over people; unset to choose it by validation."""
    behaviour: float | None = Field(default=None, ge=0)
    """w, what people did beside whom they know, in the kernel over people; unset to choose it by
    validation."""
    kin: float | None = Field(default=None, ge=0)
    """γ, how much people who did the same, and their friends, count beside what friends say; unset
    to choose it by validation. Who has no friends is told them whatever it is."""
    rank: int = Field(default=512, ge=8, le=4096)
    """How many directions of the connections, and of the behaviour, are kept."""
    stranger: float = Field(default=0.05, ge=0)
    """ε, how much a friend counts whose behaviour is not at all alike."""


class Social(Source):
    """People by friends and behaviour, and what friends do as items."""

    name: ClassVar[str] = "social"
    config_type = SocialConfig
    config: SocialConfig

    def __init__(self, config: SocialConfig | None = None) -> None:
        super().__init__(config)
        self._crowd: Crowd | None = None
        self._circles: dict[str, Circle] = {}

    def tuned(self, validations: Sequence[Validation]) -> Self:
        """Choose λ, w and γ by NDCG@10 on held-out friends; see `polyscene.component.Tunable`."""
        trials = [
            trial
            for validation in validations[:_SPLITS]
            for name in of_people(validation.training)
            if (trial := _Trial(validation, name, min(self.config.rank, _RANK))).possible
        ]
        start = filled(self.config, _START if trials else _UNSET)
        return type(self)(choose(self.name, start, self.config, _STEPS, trials))

    def fit(self, training: Training) -> None:
        """Learn who knows whom and who did what; see `polyscene.component.Trainable`."""
        config = filled(self.config, _UNSET)
        around = connected(training.links, training.data)
        self._crowd = Crowd.of(_public(training)) if around.nnz else None
        self._circles = {}
        for name in of_people(training):
            circle, stacked = Circle.of(training, name, config.rank)
            if stacked is not None:
                kernel = stacked.kernel(config.reg or 0.0, config.behaviour or 0.0)
                circle = replace(circle, kernel=kernel)
            self._circles[name] = circle

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(users · rank), or O(interactions of friends), a query."""
        if not queries:
            return nothing(queries)
        if queries[0].spec.target == "person":
            return self._people(queries)
        return self._items(queries)

    def _people(self, queries: Sequence[Query]) -> Vectors:
        scores, circle = nothing(queries), self._circles.get(queries[0].scenario)
        if circle is None:
            return scores
        found = joined(*self._said(circle, queries))
        scores[:, : found.shape[1]] = found[:, : scores.shape[1]]
        return scores

    def _said(
        self, circle: Circle, queries: Sequence[Query]
    ) -> tuple[Vectors, Vectors, sp.csr_matrix, IntArray, float]:
        """What friends and those who did the same say to some users, as `joined` takes it."""
        friends = _friends(queries, circle.crowd.ids)
        own = circle.crowd.rows([query.user for query in queries])
        met, kin = circle.met(friends, own), circle.kin(circle.crowd.alike(queries))
        return met, kin, friends, own, filled(self.config, _UNSET).kin or 0.0

    def _items(self, queries: Sequence[Query]) -> Vectors:
        scores, crowd = nothing(queries), self._crowd
        if crowd is None:
            return scores
        friends = _friends(queries, crowd.ids)
        told = np.flatnonzero(np.diff(friends.indptr))
        if not len(told):
            return scores
        friends, asked = friends[told], [queries[place] for place in told.tolist()]
        weights = friends.multiply(crowd.alike(asked)) + self.config.stranger * friends
        items = sp.csr_matrix(weights @ crowd.deeds)
        rows = np.repeat(told, np.diff(items.indptr))
        scores[rows, items.indices] = items.data
        return scores

    def friends(self, query: Query, rows: IntArray) -> IntArray | None:
        """How many friends acted on each item; people are near to friends, which is no number.

        Of people that holds where somebody without friends would see them stand lower.
        None in a scenario that does not read all others: it may not tell what happened there.
        """
        crowd = self._crowd
        if crowd is None or query.spec.reads != "all":
            return None
        if query.spec.target == "person":
            return np.where(self._by_friends(query)[rows], -1, 0)
        around = _friends([query], crowd.ids)
        counts, known = np.zeros(len(rows), np.int64), rows < crowd.deeds.shape[1]
        counts[known] = crowd.deeds[around.indices][:, rows[known]].getnnz(axis=0)
        return counts

    def _by_friends(self, query: Query) -> npt.NDArray[np.bool_]:
        """Which people have a higher score than without any friends, shape (people,)."""
        nearer, circle = np.zeros(len(query.allowed), np.bool_), self._circles.get(query.scenario)
        if circle is not None:
            met, kin, friends, own, weight = self._said(circle, [query])
            nobody = sp.csr_matrix(friends.shape, dtype=np.float32)
            here = joined(met, kin, friends, own, weight)
            alone = joined(np.zeros_like(met), kin, nobody, own, weight)
            nearer[: here.shape[1]] = (here > alone)[0, : len(nearer)]
        return nearer

    def support(self, query: Query, rows: IntArray) -> IntArray | None:
        """Of people the history items by which those are alike who speak for them, shape (m, 3).

        What was done in private scenarios is not named.
        """
        circle, crowd = self._circles.get(query.scenario), self._crowd
        if circle is None or crowd is None or query.spec.target != "person" or not len(rows):
            return None
        return circle.behind_kin(query, rows, crowd, _GROUNDS)

    def save(self, path: Path) -> None:
        """Write the learned state into the existing directory `path`."""
        (path / "options.json").write_text(self.config.model_dump_json(), "utf-8")
        if self._crowd is not None:
            self._crowd.save(path)
        save_each(path, self._circles)

    def load(self, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        with reading("the connections", path):
            text = (path / "options.json").read_text("utf-8")
            self.config = SocialConfig.model_validate_json(text)
            self._crowd = Crowd.load(path) if (path / "users.json").exists() else None
            self._circles = load_each(path, Circle.load)
        return self


class _Trial:
    """Held-out friends of one split, for one scenario of people."""

    def __init__(self, validation: Validation, scenario: str, rank: int) -> None:
        relevant = validation.relevant[scenario][:, : len(validation.training.data.users)]
        able = np.flatnonzero(relevant.getnnz(axis=1))
        self._relevant, self._users = sp.csr_matrix(relevant[able]), validation.users[able]
        self._source = validation.training, scenario, rank
        self._last: tuple[tuple[float, float], Vectors] | None = None

    @property
    def possible(self) -> bool:
        """Whether anything was held out."""
        return bool(self._relevant.nnz)

    def score(self, config: SocialConfig) -> float:
        """NDCG@10 among all whom one does not know yet, with these options."""
        met = self._met(config.reg or 0.0, config.behaviour or 0.0)
        scores = joined(met, self._kin, self._friends, self._users, config.kin or 0.0)
        known = self._friends.tocoo()
        scores[known.row, known.col] = -np.inf
        scores[np.arange(len(scores)), self._users] = -np.inf
        hits = top_hits(scores, self._relevant, _AT)
        return float(np.mean(ndcg(hits, self._relevant.getnnz(axis=1), _AT)))

    @cached_property
    def _learned(self) -> tuple[Circle, Stacked | None]:
        return Circle.of(*self._source)

    @cached_property
    def _friends(self) -> sp.csr_matrix:
        return sp.csr_matrix(self._learned[0].around[self._users])

    @cached_property
    def _kin(self) -> Vectors:
        circle = self._learned[0]
        return circle.kin(circle.crowd.alike_to(self._users))

    def _met(self, reg: float, weight: float) -> Vectors:
        """The last is kept, for γ changes nothing of it."""
        if self._last is None or self._last[0] != (reg, weight):
            circle, stacked = self._learned
            if stacked is not None:
                circle = replace(circle, kernel=stacked.kernel(reg, weight))
            self._last = (reg, weight), circle.met(self._friends, self._users)
        return self._last[1]


def _public(training: Training) -> Training:
    """The same without the events of private scenarios."""
    data, scenarios = training.data, training.settings.scenarios
    hidden = [name in scenarios and scenarios[name].private for name in data.scenarios]
    kept = ~np.array([*hidden, False], np.bool_)[data.scenario]  # code -1 is the last
    return replace(training, data=data.take(kept))


def _friends(queries: Sequence[Query], ids: IdMap) -> sp.csr_matrix:
    """Ones where a user is a friend of the one who asks, shape (queries, users)."""
    rows = [ids.rows(query.friends) for query in queries]
    rows = [np.unique(own[own >= 0]) for own in rows]
    starts = np.concatenate([[0], np.cumsum([len(own) for own in rows])])
    columns = np.concatenate([np.zeros(0, np.int64), *rows])
    return sp.csr_matrix(
        (np.ones(len(columns), np.float32), columns, starts), shape=(len(queries), len(ids))
    )
