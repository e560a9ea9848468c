"""What a trained encoder is judged by: NDCG@10 of held-out successes, by mean vectors.

Held out are the latest events, where enough are dated, else random ones, with every event on a
share of the items, which are new to the encoder then. A user is asked for by the mean vector of
what they did before, as the source `semantic-mean` does, and the held-out items and targets of
held-out events are put in order, at most 400 of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.data.dataset import Dataset, IntArray, Links, Mask
from polyscene.data.split import after, dated, random_pairs, time_at
from polyscene.fitting.friends import split_friends, unlinked
from polyscene.fitting.holdout import FEW, succeeded
from polyscene.metrics.ranking import ndcg
from polyscene.represent.items import mean_by_group
from polyscene.represent.whiten import normalise
from polyscene.settings import Settings
from polyscene.sources.trial import top_hits

__all__ = ["Held", "Judge", "Judged", "Question", "hold_out", "itself", "questions"]

K = 10
_ASKED = 400
"""Users that are asked for in a scenario, at most."""
_RANKED = 400
"""Targets that are put in order, at most."""
_HISTORY = 10
"""Items that a user is known by, at most."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked in one scenario; over nodes, see `polyscene.training.pairs`."""

    known: Sequence[IntArray]
    """By asked user, the nodes they are known by."""
    ranked: IntArray
    """The nodes that are put in order, shape (t,)."""
    relevant: sp.csr_matrix
    """Which are right, shape (users, t)."""
    seen: sp.csr_matrix
    """Which a user acted on before, and are not put in order for them; same shape."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is learned from, and what is to be found."""

    train: Dataset
    links: Links
    held: Dataset
    friends: dict[str, IntArray]
    """By scenario of people, the pairs (user, friend) that are to be found."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was measured of a base and of what was made of it."""

    before: dict[str, float]
    """NDCG@10 of the base on what is held out, by scenario and their "mean"."""
    after: dict[str, float]
    """The same of what was made."""
    more: dict[str, Any] = field(default_factory=dict)
    """What else is known of the run, for `metrics.json`."""
    gained: bool = True
    """Whether training found anything as good as its start; else what was made is the start."""


class Judge:
    """Measures encoders on the same questions.

    Args:
        asked: By scenario, what is asked.
        texts: The texts of each node.
    """

    def __init__(self, asked: dict[str, Question], texts: Sequence[tuple[str, ...]]) -> None:
        self.asked = {name: one for name, one in asked.items() if len(one.known)}
        nodes = [node for one in self.asked.values() for node in (*one.known, one.ranked)]
        self._nodes = np.unique(np.concatenate(nodes)) if nodes else np.zeros(0, np.int64)
        self._texts = [texts[node] for node in self._nodes]

    def __bool__(self) -> bool:
        return bool(self.asked)

    def __call__(self, encode: Callable[[list[str]], Vectors]) -> dict[str, float]:
        """NDCG@10 by scenario, and their mean as "mean".

        Args:
            encode: Texts to unit vectors, shape (texts, dim).
        """
        texts = [text for own in self._texts for text in own]
        owners = np.repeat(np.arange(len(self._texts)), [len(own) for own in self._texts])
        vectors = mean_by_group(encode(texts), owners.tolist(), len(self._texts))
        found = {name: self._ndcg(one, vectors) for name, one in self.asked.items()}
        return {**found, "mean": float(np.mean(list(found.values())))}

    def _ndcg(self, one: Question, vectors: Vectors) -> float:
        users = [vectors[np.searchsorted(self._nodes, known)].sum(axis=0) for known in one.known]
        scores = normalise(np.stack(users)) @ vectors[np.searchsorted(self._nodes, one.ranked)].T
        scores[one.seen.nonzero()] = -np.inf
        counts = one.relevant.getnnz(axis=1)
        return float(np.mean(ndcg(top_hits(scores, one.relevant, K), counts, K)))


def hold_out(
    data: Dataset,
    links: Links,
    settings: Settings,
    scenarios: Sequence[str],
    share: float,
    seed: int,
) -> Held:
    """Set events, items and friendships apart to judge by.

    Args:
        data: All events.
        links: All relations.
        settings: The workspace's settings.
        scenarios: The scenarios that are learned from.
        share: The share of each.
        seed: Of the draws.
    """
    right = np.zeros(len(data), np.bool_)
    for name in scenarios:
        right |= succeeded(data, settings, name)
    held = random_pairs(data, right, share, seed)
    if dated(data):
        late = after(data, time_at(data, 1 - share)) & right
        if len(np.intersect1d(data.user[late], data.user[~late])) >= FEW:
            held = late
    acted = np.unique(data.target[right & ~data.on_person])
    rng = np.random.default_rng(seed)
    new = rng.permutation(acted)[: int(share * len(acted))]
    held |= right & ~data.on_person & np.isin(data.target, new)
    left_out = held | (~data.on_person & np.isin(data.target, new))
    links, friends = split_friends(links, data.users, settings, scenarios, share, seed)
    return Held(data.take(~left_out), unlinked(links, data.take(held)), data.take(held), friends)


def questions(
    parts: Held, settings: Settings, scenarios: Sequence[str], seed: int
) -> dict[str, Question]:
    """What is asked in each scenario about what was set apart."""
    found = {}
    for name in scenarios:
        rng = np.random.default_rng(seed)
        person = settings.scenario(name).target == "person"
        used = succeeded(parts.held, settings, name)
        pairs = np.stack([parts.held.user[used], parts.held.target[used]], axis=1)
        if person and name in parts.friends:
            pairs = np.concatenate([pairs, parts.friends[name]])
        found[name] = _question(parts.train, np.unique(pairs, axis=0), settings, name, rng)
    return found


def _question(
    train: Dataset, pairs: IntArray, settings: Settings, name: str, rng: np.random.Generator
) -> Question:
    """A question about pairs (user, target) to be found, shape (pairs, 2)."""
    person = settings.scenario(name).target == "person"
    items = len(train.items)
    liked = _liked(train, settings)
    ranked = np.unique(pairs[:, 1])
    if person:  # a person of whom nothing is known has no text
        ranked = ranked[np.isin(ranked, train.user)]
    ranked = np.sort(rng.permutation(ranked)[:_RANKED])
    pairs = pairs[np.isin(pairs[:, 1], ranked) & np.isin(pairs[:, 0], train.user[liked])]
    users = np.sort(rng.permutation(np.unique(pairs[:, 0]))[:_ASKED])
    pairs = pairs[np.isin(pairs[:, 0], users)]
    relevant = _cells(pairs, users, ranked)
    before = train.take((train.on_person == person) & np.isin(train.user, users))
    done = np.stack([before.user, before.target], axis=1)
    done = np.unique(done[np.isin(done[:, 1], ranked)], axis=0)
    seen = _cells(done, users, ranked)
    seen = sp.csr_matrix(seen - seen.multiply(relevant))
    seen.eliminate_zeros()
    if person:
        known = [np.array([user + items]) for user in users]
        return Question(known, ranked + items, relevant, seen)
    known = []
    for user in users:
        own = np.flatnonzero(liked & (train.user == user))
        known.append(np.unique(train.target[own[-_HISTORY:]]))
    return Question(known, ranked, relevant, seen)


def _cells(pairs: IntArray, users: IntArray, ranked: IntArray) -> sp.csr_matrix:
    """Ones at distinct pairs (user, target), shape (users, ranked); both are ascending."""
    cells = np.searchsorted(users, pairs[:, 0]), np.searchsorted(ranked, pairs[:, 1])
    ones = np.ones(len(pairs), np.float32)
    return sp.csr_matrix((ones, cells), shape=(len(users), len(ranked)))


def itself(
    texts: Sequence[tuple[str, ...]], items: int, share: float, seed: int
) -> tuple[Question, list[tuple[str, ...]], IntArray]:
    """What is asked where nobody did anything: to find an item's other text by its first.

    Args:
        texts: The texts of each node.
        items: How many of the nodes are items.
        share: The share of the items with several texts that is asked about, two at least.
        seed: Of the draw.

    Returns:
        The question, the texts of the nodes it adds behind the others, and the items asked about.
    """
    several = [row for row in range(items) if len(texts[row]) > 1]
    count = min(max(2, int(share * len(several))), _RANKED, len(several))
    rows = np.sort(np.random.default_rng(seed).permutation(np.array(several, np.int64))[:count])
    first = len(texts)
    added = [(texts[row][0],) for row in rows] + [texts[row][1:] for row in rows]
    known = [np.array([first + place]) for place in range(count)]
    right = sp.csr_matrix(sp.identity(count, np.float32))
    nothing = sp.csr_matrix((count, count), dtype=np.float32)
    return Question(known, np.arange(first + count, first + 2 * count), right, nothing), added, rows


def _liked(train: Dataset, settings: Settings) -> Mask:
    """Events on items that were a success in any scenario."""
    found = np.zeros(len(train), np.bool_)
    for name, spec in settings.scenarios.items():
        if spec.target != "person":
            found |= succeeded(train, settings, name)
    return found
