"""The context source: what was done about the thing that is asked about, and things like it.

Which tags would this user give to this artist? The question names a context a, and a target t is
scored by what all users did about a and contexts like it (art), and by what this user did about
contexts like it (own), both as shares:

    score(t) = ℓ(own) + w·(1 + k/n)·ℓ(art) - v·ℓ(pop)          ℓ(x) = log(1 + x/floor)
    own(t)  ∝ Σ_{posts of the user} cos(z_a, z_b)^p · [t in the post about b] + κ · habit(t)

art and z are in `profiles`; habit is the share of t in log(1 + posts of the user with t), n the
posts of the user, pop the share of t in everything. The less a user has done, the more the others
count. The posts of the user are those of the moment: a new one changes the next answer.

Measured in docs/benchmarks.md. Related: FolkRank and adapted PageRank for folksonomies (Jäschke et
al., PKDD 2007), pairwise tensor factorisation (Rendle and Schmidt-Thieme, WSDM 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from polyscene.component import Config, Posts, Precedent, Query, Training, Validation, Vectors
from polyscene.data.dataset import IntArray
from polyscene.metrics.ranking import ndcg
from polyscene.sources.base import Source, best, nothing
from polyscene.sources.profiles import Profiles, posted_pairs
from polyscene.sources.saved import load_each, reading, save_each
from polyscene.sources.trial import Steps, choose, filled

__all__ = ["Context", "ContextConfig"]

_AT = 10
_UNSET = {"power": 3.0, "others": 0.5, "newcomer": 10.0, "popularity": 0.4}
_STEPS: Steps = (
    ("power", (1.0, 2.0, 3.0, 4.0)),
    ("others", (0.3, 0.4, 0.5, 0.7, 1.0)),
    ("newcomer", (0.0, 5.0, 10.0, 20.0, 40.0)),
    ("popularity", (0.0, 0.2, 0.4, 0.6)),
    ("others", (0.3, 0.4, 0.5, 0.7, 1.0)),
)


class ContextConfig(Config):
    """Options of `context`."""

    power: float | None = Field(default=None, gt=0, le=8)
    """p, how much more the posts about contexts most like the one asked about count; unset to
    choose it by validation."""
    others: float | None = Field(default=None, ge=0)
    """w, what all users did about the context counts beside what the user did about those like it;
    unset to choose it by validation."""
    newcomer: float | None = Field(default=None, ge=0)
    """k, at how many posts of a user what others did counts twice its weight, more with fewer;
    unset to choose it by validation."""
    popularity: float | None = Field(default=None, ge=0)
    """v, how much popularity is held against a target; unset to choose it by validation."""
    habit: float = Field(default=0.3, ge=0)
    """κ, what the user does about anything counts as much as so many posts about the same thing."""
    prior: float = Field(default=1.0, ge=0)
    """β, as how many posts the contexts like one count, beside the posts about it."""
    neighbours: int = Field(default=50, ge=1)
    """How many contexts like one speak for it."""
    posts: float = Field(default=0.5, ge=0)
    """What a post about a context counts where contexts are compared by their users, beside what a
    user did with it, which counts 0.2 to 1."""
    floor: float = Field(default=0.01, gt=0)
    """The share from which on the logarithm bends: smaller ones differ as they are."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What speaks for the targets of a question."""

    targets: IntArray
    """Rows of the targets for which anything does, ascending."""
    own: Vectors
    """What the user did about contexts like the one asked about, as shares."""
    others: Vectors
    """What all users did about it and contexts like it, as shares."""
    popularity: Vectors
    """What all users did about anything, as shares."""
    posts: int
    """How many posts the user has."""

    def scores(self, config: ContextConfig) -> Vectors:
        """A score for each of the targets, with all options set."""
        own, others, popularity = (
            np.log1p(shares / np.float32(config.floor))
            for shares in (self.own, self.others, self.popularity)
        )
        weight = _others_weight(self.posts, config)
        return np.asarray(own + weight * others - (config.popularity or 0.0) * popularity)


class Context(Source):
    """What all did about a context, and what the user did about those like it; else silent."""

    name: ClassVar[str] = "context"
    usual: ClassVar[float] = 1.0
    config_type = ContextConfig
    config: ContextConfig

    def __init__(self, config: ContextConfig | None = None) -> None:
        super().__init__(config)
        self._profiles: dict[str, Profiles] = {}

    def tuned(self, validations: Sequence[Validation]) -> Self:
        """Choose the options that are unset; see `polyscene.component.Tunable`."""
        trials = [_Trial(validation, self.config) for validation in validations]
        return type(self)(choose(self.name, self._set, self.config, _STEPS, trials))

    def fit(self, training: Training) -> None:
        """Learn for each scenario that names the source; see `polyscene.component.Trainable`.

        O(Σ_u d_u²) for users who did d_u things, and O(items · neighbours) memory.
        """
        self._profiles = {
            name: _learned(training, name, self.config) for name in _scenarios(training)
        }

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(posts of the user + targets) a query."""
        scores = nothing(queries)
        asked = [place for place, query in enumerate(queries) if query.context >= 0]
        profiles = self._profiles.get(queries[0].scenario) if asked else None
        if profiles is None:
            return scores
        chosen = [queries[place] for place in asked]
        contexts = np.array([query.context for query in chosen])
        posts = [query.history.posts for query in chosen]
        found = _evidence(profiles, contexts, posts, chosen[0].history.items, self._set)
        for place, evidence in zip(asked, found, strict=True):
            scores[place, evidence.targets] = evidence.scores(self._set)
        return scores

    def precedents(self, query: Query, rows: IntArray) -> Sequence[Sequence[Precedent]] | None:
        """Where the user did the same, and where others did, what gave more to the score first.

        Of the user's posts with the target the one about the context most like that asked about;
        of others the context itself, else the nearest about which anybody did it.
        """
        profiles = self._profiles.get(query.scenario)
        if profiles is None or query.context < 0:
            return None
        config, posts = self._set, query.history.posts
        contexts, items = np.array([query.context]), query.history.items
        (found,) = _evidence(profiles, contexts, [posts], items, config)
        near = profiles.alike(contexts, items, config.neighbours)
        side = profiles.sides(profiles.of(contexts, near, config.prior))
        alike = profiles.likeness(side, posts.contexts)
        weight, floor = _others_weight(found.posts, config), np.float32(config.floor)
        said = []
        for row in rows.tolist():
            at = np.flatnonzero(found.targets == row)
            own, others = (float(np.sum(shares[at])) for shares in (found.own, found.others))
            given = [
                (np.log1p(own / floor), _own_precedent(posts, alike, row) if own > 0 else None),
                (
                    weight * np.log1p(others / floor),
                    _others_precedent(profiles, near, query, row) if others > 0 else None,
                ),
            ]
            given.sort(key=lambda one: -one[0])
            said.append([precedent for _, precedent in given if precedent is not None])
        return said

    def save(self, path: Path) -> None:
        """Write the learned state into the existing directory `path`, a folder a scenario."""
        (path / "options.json").write_text(self.config.model_dump_json(), "utf-8")
        save_each(path, self._profiles)

    def load(self, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        with reading("what was done about contexts", path):
            text = (path / "options.json").read_text("utf-8")
            self.config = ContextConfig.model_validate_json(text)
            self._profiles = load_each(path, Profiles.load)
        return self

    @property
    def _set(self) -> ContextConfig:
        """The options with all that is unset filled in."""
        return filled(self.config, _UNSET)


class _Trial:
    """One split, on which options are scored by the questions about contexts.

    Args:
        validation: The split.
        config: Options of which those are used that are not chosen.
    """

    def __init__(self, validation: Validation, config: ContextConfig) -> None:
        self._training = validation.training
        self._config = config
        self._asked = [
            (name, able)
            for name in _scenarios(validation.training)
            if len(able := _able(validation, name))
        ]
        self._questions = validation.questions
        self._relevant = validation.relevant
        self._known: dict[float, list[_Evidence]] = {}

    @property
    def possible(self) -> bool:
        """Whether anything about a context was held out."""
        return bool(self._asked)

    def score(self, config: ContextConfig) -> float:
        """NDCG@10 of the questions."""
        power = config.power or 1.0
        if power not in self._known:
            self._known[power] = [
                evidence
                for profiles, contexts, posts, _ in self._parts
                for evidence in _evidence(profiles, contexts, posts, self._training.vectors, config)
            ]
        right = [wanted for *_, rows in self._parts for wanted in rows]
        hits = np.zeros((len(right), _AT), np.bool_)
        for place, (evidence, wanted) in enumerate(zip(self._known[power], right, strict=True)):
            top, _ = best(evidence.scores(config), evidence.targets, _AT)
            hits[place, : len(top)] = np.isin(top, wanted)
        return float(np.mean(ndcg(hits, np.array([len(wanted) for wanted in right]), _AT)))

    @cached_property
    def _parts(self) -> list[tuple[Profiles, IntArray, list[Posts], list[IntArray]]]:
        """For each scenario what was learned; contexts, posts of the users, and what is right."""
        found = []
        for name, able in self._asked:
            asked, matrix = self._questions.take(able), sp.csr_matrix(self._relevant[name][able])
            pairs = posted_pairs(self._training.data, self._training.settings, name)
            pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
            starts, ends = (np.searchsorted(pairs[:, 0], asked.users, s) for s in ("left", "right"))
            posts = [
                Posts(pairs[start:end, 1], pairs[start:end, 2])
                for start, end in zip(starts, ends, strict=True)
            ]
            right = np.split(matrix.indices, matrix.indptr[1:-1])
            profiles = _learned(self._training, name, self._config)
            found.append((profiles, asked.contexts, posts, right))
        return found


def _scenarios(training: Training) -> list[str]:
    """The scenarios that name the source and do not recommend people."""
    return [
        name
        for name, spec in training.settings.scenarios.items()
        if Context.name in spec.sources and spec.target != "person"
    ]


def _able(validation: Validation, scenario: str) -> IntArray:
    """Positions of the questions about contexts that have something to find in a scenario."""
    right = validation.relevant[scenario].getnnz(axis=1) > 0
    return np.flatnonzero(right & (validation.questions.contexts >= 0))


def _learned(training: Training, scenario: str, config: ContextConfig) -> Profiles:
    return Profiles.learn(training, scenario, config.neighbours, config.posts)


def _others_weight(posts: int, config: ContextConfig) -> np.float32:
    """w·(1 + k/n)."""
    return np.float32((config.others or 0.0) * (1 + (config.newcomer or 0.0) / max(posts, 1)))


def _evidence(
    profiles: Profiles,
    contexts: IntArray,
    posts: Sequence[Posts],
    vectors: Vectors,
    config: ContextConfig,
) -> list[_Evidence]:
    """What speaks for targets where these contexts are asked about, by users with these posts."""
    near = profiles.alike(contexts, vectors, config.neighbours)
    art = profiles.of(contexts, near, config.prior)
    sides, found = profiles.sides(art), []
    for place, own in enumerate(posts):
        told, where, counts = np.unique(own.targets, return_inverse=True, return_counts=True)
        about, post = np.unique(own.contexts, return_inverse=True)
        alike = np.maximum(profiles.likeness(sides[place], about), 0) ** (config.power or 1.0)
        habit = np.log1p(counts)
        weights = config.habit * habit / max(float(habit.sum()), 1e-12)
        weights = weights + np.bincount(where, alike[post], minlength=len(told))
        given = slice(art.indptr[place], art.indptr[place + 1])
        targets = np.unique(np.concatenate([told, art.indices[given]])).astype(np.int64)
        evidence = np.zeros((3, len(targets)), np.float32)
        evidence[0, np.searchsorted(targets, told)] = weights / max(float(weights.sum()), 1e-12)
        evidence[1, np.searchsorted(targets, art.indices[given])] = art.data[given]
        known = targets < len(profiles)  # a tag that came after the fit is not popular yet
        evidence[2, known] = profiles.popularity[targets[known]]
        kept = (evidence[:2] > 0).any(axis=0)
        shares, others, popularity = evidence[:, kept]
        found.append(_Evidence(targets[kept], shares, others, popularity, len(about)))
    return found


def _own_precedent(posts: Posts, alike: Vectors, target: int) -> Precedent | None:
    """The user's post with a target about the context that is most alike, the latest of equals."""
    places = np.flatnonzero(posts.targets == target)
    if not len(places):
        return None
    return Precedent(int(posts.contexts[places[np.argmax(alike[places])]]), own=True)


def _others_precedent(
    profiles: Profiles, near: sp.csr_matrix, query: Query, target: int
) -> Precedent | None:
    """A context about which others did the same: the one asked about, else the nearest."""
    nearest = near.indices[np.argsort(-near.data, kind="stable")]
    asked = [query.context] if query.context < len(profiles) else []
    contexts = np.concatenate([np.array(asked, np.int64), nearest])
    posts = query.history.posts
    own = np.isin(contexts, posts.contexts[posts.targets == target])
    did = profiles.counts[contexts][:, [target]].toarray().ravel() > own
    return Precedent(int(contexts[np.argmax(did)]), own=False) if did.any() else None
