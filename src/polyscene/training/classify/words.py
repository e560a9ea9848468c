"""A regression on the words of both texts: what words alone tell of a task.

    z_t = a_t·liked(u) + b_t·disliked(u) + c_t·text(i) + d_t,scenario

liked(u) and disliked(u) are the words of the titles and tags of what the user liked, and of what
they did not; text(i) are those of the whole text of the item. Words are single ones and pairs that
follow one another, a character of scripts without spaces being a word, weighted by TF-IDF:

    (1 + ln n) · (1 + ln((1 + N) / (1 + df))), each text of length 1

The coefficients have the smallest log loss, or squared error, with a ridge. Everything is numpy:
no torch is needed, neither to train it nor to use it.

Reference: Wang and Manning (2012), Baselines and Bigrams, ACL.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.data.dataset import IntArray, Mask
from polyscene.text.tokens import words
from polyscene.training.classify.heads import chances

__all__ = ["PENALTIES", "Pairs", "Parts", "Vocabulary", "Words", "best_shares", "fit_words"]

Floats = npt.NDArray[np.float64]
_MOST = 50_000
"""Words of a vocabulary, at most."""
_ROUNDS = 100
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
PENALTIES = (0.3, 1.0, 3.0)
"""The strengths of the ridge that are tried; see `fit_words`."""


class Vocabulary:
    """The words of some texts that are in two of them at least, the most frequent first.

    Args:
        words: The words by column.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._column = {word: column for column, word in enumerate(self.words)}

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """That of some texts."""
        frequency = Counter(word for text in texts for word in set(_terms(text)))
        return cls([word for word, count in frequency.most_common(_MOST) if count > 1])

    def counts(self, texts: Sequence[str]) -> sp.csr_matrix:
        """How often each text has each word, shape (texts, words)."""
        rows, columns = [], []
        for row, text in enumerate(texts):
            known = [self._column[term] for term in _terms(text) if term in self._column]
            rows += [row] * len(known)
            columns += known
        ones = np.ones(len(rows), np.float32)
        return sp.csr_matrix((ones, (rows, columns)), shape=(len(texts), len(self.words)))


@dataclass(frozen=True, slots=True)
class Parts:
    """Counts of words that pairs are told apart by."""

    liked: sp.csr_matrix
    """Of what each user liked, shape (users, words of titles)."""
    disliked: sp.csr_matrix
    """Of what each did not, same shape."""
    text: sp.csr_matrix
    """Of each item, shape (items, words of texts)."""

    @classmethod
    def of(cls, known: sp.csr_matrix, titles: sp.csr_matrix, texts: sp.csr_matrix) -> Self:
        """Those of some behaviour.

        Args:
            known: Signals, shape (users, items); what is not positive is disliked.
            titles: Counts of the words of titles, shape (items, words of titles).
            texts: Counts of the words of texts, shape (items, words of texts).
        """
        liked, disliked = known.copy(), known.copy()
        liked.data = (known.data > 0).astype(np.float32)
        disliked.data = (known.data <= 0).astype(np.float32)
        liked.eliminate_zeros()
        disliked.eliminate_zeros()
        return cls(sp.csr_matrix(liked @ titles), sp.csr_matrix(disliked @ titles), texts)


@dataclass(frozen=True, slots=True)
class Words:
    """The regression in use."""

    titles: Vocabulary
    texts: Vocabulary
    rarity: tuple[Floats, Floats, Floats]
    """1 + ln((1 + N) / (1 + df)) of the words of what was liked, of what was not, and of items."""
    weights: Floats
    """Shape (tasks, words of titles twice and of texts)."""
    offsets: Floats
    """Shape (tasks, scenarios)."""
    shares: Floats
    """How much it counts beside the networks, by task; 0 to 1."""

    def z(self, parts: Parts, users: IntArray, items: IntArray, scenario: IntArray) -> Floats:
        """Z of every task, shape (tasks, n)."""
        people, things = _blocks(parts, self.rarity)
        size = people.shape[1]
        own = np.asarray(people @ self.weights[:, :size].T)
        other = np.asarray(things @ self.weights[:, size:].T)
        found: Floats = (own[users] + other[items]).T + self.offsets[:, scenario]
        return found

    def save(self, path: Path) -> None:
        """Write it into the existing directory `path`."""
        names = {"titles": self.titles.words, "texts": self.texts.words}
        (path / "words.json").write_text(json.dumps(names, ensure_ascii=False), "utf-8")
        liked, disliked, text = self.rarity
        for name, own in (
            ("liked", liked), ("disliked", disliked), ("text", text), ("weights", self.weights),
            ("offsets", self.offsets), ("shares", self.shares),
        ):  # fmt: skip
            np.save(path / f"words-{name}.npy", own)

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read what `save` wrote; None where nothing was."""
        if not (path / "words.json").is_file():
            return None
        names = json.loads((path / "words.json").read_text("utf-8"))
        liked, disliked, text, weights, offsets, shares = (
            np.load(path / f"words-{name}.npy")
            for name in ("liked", "disliked", "text", "weights", "offsets", "shares")
        )
        rarity = (liked, disliked, text)
        titles, texts = Vocabulary(names["titles"]), Vocabulary(names["texts"])
        return cls(titles, texts, rarity, weights, offsets, shares)


@dataclass(frozen=True, slots=True)
class Pairs:
    """n pairs to learn from."""

    parts: Sequence[Parts]
    """What is known of users, a table for each fold and scenario."""
    table: IntArray
    """The table of each pair, shape (n,)."""
    users: IntArray
    items: IntArray
    scenario: IntArray
    labels: npt.NDArray[np.float32]
    """NaN where unknown, shape (tasks, n)."""


def fit_words(
    pairs: Pairs,
    vocabularies: tuple[Vocabulary, Vocabulary],
    of_value: Mask,
    validation: Mask,
    scenarios: int,
) -> tuple[Words, Words]:
    """The regression; the ridge of each task is that with the smallest loss on validation pairs.

    Args:
        pairs: The pairs.
        vocabularies: Those of titles and of texts.
        of_value: Which tasks are values, shape (tasks,).
        validation: Which pairs the ridge is chosen by, shape (n,).
        scenarios: How many scenarios.

    Returns:
        One that learned from all pairs, and one that learned from all but the validation pairs.
        Their shares are 0. O(rounds · words in all texts) each.
    """
    distinct, row = np.unique(np.stack([pairs.table, pairs.users]), axis=1, return_inverse=True)
    parts = Parts(
        _rows([own.liked for own in pairs.parts], distinct),
        _rows([own.disliked for own in pairs.parts], distinct),
        pairs.parts[0].text,
    )
    rarity = (_rarity(parts.liked), _rarity(parts.disliked), _rarity(parts.text))
    people, things = _blocks(parts, rarity)
    design = _Design(people, things, scenarios, row, pairs.items, pairs.scenario)
    whole, part = [], []
    for labels, value in zip(pairs.labels.astype(np.float64), of_value.tolist(), strict=True):
        told = np.isfinite(labels)
        rest, apart = np.flatnonzero(told & ~validation), np.flatnonzero(told & validation)
        tried = {penalty: design.fit(labels, rest, value, penalty) for penalty in PENALTIES}
        worth = [
            _loss(design.z(own, apart), labels[apart], value)[0].sum() for own in tried.values()
        ]
        best = PENALTIES[int(np.argmin(worth))]
        whole.append(design.fit(labels, np.flatnonzero(told), value, best))
        part.append(tried[best])
    size = people.shape[1] + things.shape[1]
    nothing = np.zeros(len(pairs.labels))
    made = [
        Words(*vocabularies, rarity, np.stack(own)[:, :size], np.stack(own)[:, size:], nothing)
        for own in (whole, part)
    ]
    return made[0], made[1]


def best_shares(
    first: Floats, second: Floats, labels: npt.NDArray[np.float32], of_value: Mask
) -> Floats:
    """By task, the share s with the smallest loss of (1 - s)·first + s·second.

    Args:
        first: Z of every task, shape (tasks, n).
        second: The same of another model.
        labels: NaN where unknown, shape (tasks, n).
        of_value: Which tasks are values.

    Returns:
        Shape (tasks,), each of 0, 0.25, 0.5, 0.75 and 1; 0 where nothing is known.
    """
    found = np.zeros(len(labels))
    for task, own in enumerate(labels.astype(np.float64)):
        told = np.isfinite(own)
        losses = [
            _loss((1 - s) * first[task, told] + s * second[task, told], own[told], of_value[task])
            for s in SHARES
        ]
        found[task] = SHARES[int(np.argmin([each.sum() for each, _ in losses]))]
    return found


class _Design:
    """The inputs of n pairs, kept as a row of a user and a row of an item each.

    Args:
        people: Texts of users, shape (distinct users, 2·words of titles).
        things: Texts of items, shape (items, words of texts).
        scenarios: How many scenarios.
        row: The row of `people` of each pair, shape (n,).
        items: The row of `things` of each pair.
        scenario: The scenario of each pair.
    """

    def __init__(
        self,
        people: sp.csr_matrix,
        things: sp.csr_matrix,
        scenarios: int,
        row: IntArray,
        items: IntArray,
        scenario: IntArray,
    ) -> None:
        self._people, self._things, self._scenarios = people, things, scenarios
        self._turned = people.T.tocsr(), things.T.tocsr()
        self._row, self._items, self._scenario = row, items, scenario
        self._first, self._last = people.shape[1], people.shape[1] + things.shape[1]

    def z(self, weights: Floats, rows: IntArray) -> Floats:
        """Z of some of the pairs, shape (rows,)."""
        people = self._people @ weights[: self._first]
        things = self._things @ weights[self._first : self._last]
        offsets = weights[self._last :]
        found: Floats = people[self._row[rows]] + things[self._items[rows]]
        return found + offsets[self._scenario[rows]]

    def fit(self, labels: Floats, rows: IntArray, of_value: bool, penalty: float) -> Floats:
        """The weights with the smallest loss on some of the pairs, by L-BFGS."""
        from scipy.optimize import minimize

        right = labels[rows]

        def loss(weights: Floats) -> tuple[float, Floats]:
            each, slope = _loss(self.z(weights, rows), right, of_value)
            inner = weights.copy()
            inner[self._last :] = 0
            gradient = penalty * inner
            users = np.bincount(self._row[rows], slope, self._people.shape[0])
            items = np.bincount(self._items[rows], slope, self._things.shape[0])
            gradient[: self._first] += self._turned[0] @ users
            gradient[self._first : self._last] += self._turned[1] @ items
            gradient[self._last :] += np.bincount(self._scenario[rows], slope, self._scenarios)
            return float(each.sum() + penalty * (inner @ inner) / 2), gradient

        start = np.zeros(self._last + self._scenarios)
        options = {"maxiter": _ROUNDS}
        return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x)


def _loss(z: Floats, right: Floats, of_value: bool) -> tuple[Floats, Floats]:
    """The loss of each pair, and its derivative by z."""
    if of_value:
        return (z - right) ** 2 / 2, z - right
    each: Floats = np.logaddexp(0, z) - right * z
    return each, chances(z) - right


def _rows(tables: Sequence[sp.csr_matrix], distinct: IntArray) -> sp.csr_matrix:
    """The rows of some users by table; `distinct` has table and user, ordered by table."""
    parts = [own[distinct[1, distinct[0] == place]] for place, own in enumerate(tables)]
    return sp.csr_matrix(sp.vstack(parts))


def _blocks(
    parts: Parts, rarity: tuple[Floats, Floats, Floats]
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """TF-IDF of what users liked and did not, side by side, and of items."""
    liked, disliked, text = (
        _weighted(own, rare)
        for own, rare in zip((parts.liked, parts.disliked, parts.text), rarity, strict=True)
    )
    return sp.csr_matrix(sp.hstack([liked, disliked])), text


def _rarity(counts: sp.csr_matrix) -> Floats:
    found: Floats = 1 + np.log((1 + counts.shape[0]) / (1 + counts.getnnz(axis=0)))
    return found


def _weighted(counts: sp.csr_matrix, rare: Floats) -> sp.csr_matrix:
    found = sp.csr_matrix(counts, dtype=np.float64, copy=True)
    found.eliminate_zeros()
    found.data = (1 + np.log(found.data)) * rare[found.indices]
    length = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags_array(1 / np.maximum(length, 1e-12)) @ found)


def _terms(text: str) -> list[str]:
    """The words of a text in lower case, and the pairs that follow one another."""
    own = [word.strip().lower() for word in words(text)]
    return [*own, *(f"{one} {other}" for one, other in pairwise(own))]
