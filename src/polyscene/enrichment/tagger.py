"""Which words of a vocabulary fit a text, learned from the items that have some.

For an item and a word w of the vocabulary, five signals:

    r = x · (XᵀX + λI)⁻¹ Xᵀ y_w        ridge regression on centred encoder vectors
    k = Σ_n cos(x, x_n) y_nw / Σ_n cos(x, x_n)     over the 20 nearest labelled items, by encoder
    t = the same by TF-IDF
    z = cos(x, e(w))                    what the word itself says
    p = log share of the labelled items that have it

The chance that w fits is a logistic function of them. Its weights are shared by all words and
fitted on labelled items whose signals were computed without them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.enrichment.words import WordSpace

__all__ = ["SIGNALS", "Tagger", "logistic"]

Floats = npt.NDArray[np.float64]

SIGNALS = ("ridge", "encoder", "words", "name", "prior")
"""The signals in their order."""

NEIGHBOURS = 20
RIDGE = 1.0
FOLDS = 4
LEARNED = 20_000
"""Labelled items that are learned from, at most."""
PAIRS = 400_000
"""Pairs of item and word that the weights are fitted on, at most."""
UNTAUGHT = np.array([0.0, 0.0, 0.0, 8.0, 0.0, -2.0])
"""Weights and intercept where nothing is labelled: the name decides."""


class Tagger:
    """Scores the words of a vocabulary; fitted when made.

    Args:
        texts: The text of each labelled item.
        vectors: Their encoder vectors, unit rows, shape (n, dim).
        labels: Which words each has, shape (n, words).
        names: Encoder vectors of the words, unit rows, shape (words, dim).
        centre: Mean vector of the catalogue, shape (dim,).
        seed: Of what is drawn.
    """

    def __init__(
        self,
        texts: Sequence[str],
        vectors: Vectors,
        labels: sp.csr_matrix,
        names: Vectors,
        centre: Vectors,
        seed: int = 0,
    ) -> None:
        draw = np.random.default_rng(seed).permutation(len(texts))[:LEARNED]
        self._names = _unit(names - names.mean(axis=0)) if len(names) > 1 else _unit(names)
        self._centre = centre
        texts = [texts[row] for row in draw.tolist()]
        known = _unit(vectors[draw] - centre)
        labels = labels[draw].astype(np.float64)
        self.weights = UNTAUGHT
        """One weight a signal, and the intercept."""
        if len(texts) >= 2 * NEIGHBOURS:
            self.weights = self._weights(texts, known, labels)
        self._part = _Part(texts, known, labels) if texts else None

    def signals(self, texts: Sequence[str], vectors: Vectors) -> Floats:
        """The signals of items for every word, shape (items, words, signals)."""
        return self._signals(self._part, texts, _unit(vectors - self._centre))

    def scores(self, texts: Sequence[str], vectors: Vectors) -> Floats:
        """The chance that each word fits each item, shape (items, words)."""
        return chance(self.signals(texts, vectors), self.weights)

    def _signals(self, part: _Part | None, texts: Sequence[str], x: Vectors) -> Floats:
        found = np.zeros((len(texts), len(self._names), len(SIGNALS)))
        found[:, :, 3] = x @ self._names.T
        if part is not None:
            found[:, :, 0] = x @ part.ridge
            found[:, :, 1] = part.vote(x @ part.x.T)
            found[:, :, 2] = part.vote((part.space(texts) @ part.space.rows.T).toarray())
            found[:, :, 4] = part.prior
        return found

    def _weights(self, texts: Sequence[str], x: Vectors, labels: sp.csr_matrix) -> Floats:
        """Weights from folds of the labelled items, each scored by the others."""
        n, many = len(texts), labels.shape[1]
        asked = np.arange(min(n, max(NEIGHBOURS, PAIRS // many)))
        fold = np.arange(n) % FOLDS
        signals, truth = [], []
        for number in range(FOLDS):
            held, rest = asked[fold[asked] == number], np.flatnonzero(fold != number)
            part = _Part([texts[row] for row in rest.tolist()], x[rest], labels[rest])
            found = self._signals(part, [texts[row] for row in held.tolist()], x[held])
            signals.append(found.reshape(-1, len(SIGNALS)))
            truth.append(labels[held].toarray().ravel())
        return logistic(np.concatenate(signals), np.concatenate(truth))


class _Part:
    """Labelled items to learn from."""

    def __init__(self, texts: Sequence[str], x: Vectors, labels: sp.csr_matrix) -> None:
        self.x = x
        self.space = WordSpace(texts)
        self._labels = labels
        gram = x.T.astype(np.float64) @ x + RIDGE * np.eye(x.shape[1])
        self.ridge = np.linalg.solve(gram, np.asarray((labels.T @ x).T, np.float64))
        counts = np.asarray(labels.sum(axis=0)).ravel()
        self.prior = np.log((counts + 0.5) / (len(texts) + 1.0))

    def vote(self, similar: npt.NDArray[np.floating]) -> Floats:
        """What the nearest labelled items say; `similar` has shape (items, labelled)."""
        k = min(NEIGHBOURS, similar.shape[1])
        near = np.argpartition(-similar, k - 1, axis=1)[:, :k]
        weight = np.clip(np.take_along_axis(similar, near, axis=1), 0, None)
        total = weight.sum(axis=1, keepdims=True)
        weight = weight / np.where(total > 0, total, 1)
        ends = np.arange(0, near.size + 1, k)
        pick = sp.csr_matrix((weight.ravel(), near.ravel(), ends), shape=similar.shape)
        return np.asarray((pick @ self._labels).todense())


def logistic(signals: Floats, truth: Floats, steps: int = 25, reg: float = 1e-3) -> Floats:
    """Weights and intercept of a logistic regression, by Newton's method.

    Args:
        signals: Shape (n, f).
        truth: 0 or 1, shape (n,).
        steps: Steps at most.
        reg: Ridge on the weights, in units of n.

    Returns:
        Shape (f + 1,), the intercept last.
    """
    spread = signals.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    x = np.column_stack([signals / spread, np.ones(len(signals))])
    penalty = reg * len(x) * np.append(np.ones(signals.shape[1]), 0.0)
    weights = np.zeros(x.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (p - truth) + penalty * weights
        curve = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curve, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-6:
            break
    return np.append(weights[:-1] / spread, weights[-1])


def chance(signals: Floats, weights: Floats) -> Floats:
    """The logistic function of weighted signals, over the last axis."""
    return np.asarray(1 / (1 + np.exp(-np.clip(signals @ weights[:-1] + weights[-1], -30, 30))))


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1), np.float32)
