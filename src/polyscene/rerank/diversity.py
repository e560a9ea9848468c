"""Varied lists: each place is filled by what fits and is unlike what stands before it.

All methods are greedy: at each place they say what every candidate would add to the list so far
(`polyscene.rerank.select.Preference`). A library that picks k targets at once would not do, since
pins, maxima and quotas decide with it what may stand at each place.

With r_i the value of a candidate, scaled to [0, 1] over the best of them, and s the strength:

    mmr         (1 - s) · r_i - s · max_{j in list} sim(i, j)
    dpp         (1 - s) · r_i + s · log( det L_{list + i} / det L_list )
    calibrated  (1 - s) · r_i - s · KL( p_user ‖ q_{list + i} )
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray

__all__ = ["Calibrated", "Dpp", "Likeness", "Mmr", "TextLikeness", "WordLikeness", "mix"]

Values = npt.NDArray[np.float64]
Words = Sequence[tuple[str, ...]]

_RIDGE = 0.1
"""ε of `dpp`: what of a target is its own, so that two of a kind remain possible."""
_SMOOTHING = 0.01
"""α of `calibrated`: what of the user's mix a list has in any case, so that logarithms exist."""
_LEADING = 50
"""How many values of the user's mix are looked at, the largest first."""
_BEHIND = 1e6
"""Candidates past the head stand so far behind it."""


class Likeness(Protocol):
    """How alike the candidates are."""

    def __call__(self, position: int) -> Values:
        """Similarity of the candidates of the head with one of all, at most 1. Shape (head,)."""


class TextLikeness:
    """The cosine of two targets' vectors; those without text are alike.

    Args:
        vectors: Unit vectors of all targets, shape (targets, dim); zero for targets without text.
        rows: The row of each candidate, shape (m,).
        head: How many of the candidates are compared with others.
    """

    def __init__(self, vectors: Vectors, rows: IntArray, head: int) -> None:
        self._vectors = vectors
        self._rows = rows
        self._head = vectors[rows[:head]]

    def __call__(self, position: int) -> Values:
        """See `Likeness`; O(head · dim)."""
        vector = self._vectors[self._rows[position]]
        if not vector.any():
            return np.asarray(~self._head.any(axis=1), np.float64)
        return np.asarray(self._head @ vector, np.float64)


class WordLikeness:
    """The cosine of two targets' sets of words, shared / √(own · other); those without are alike.

    Args:
        words: The values of a field of each candidate.
        head: How many of the candidates are compared with others.
    """

    def __init__(self, words: Words, head: int) -> None:
        self._sets = [frozenset(own) for own in words]
        self._head = min(head, len(words))
        self._holders: dict[str, list[int]] = {}
        for position, own in enumerate(self._sets[: self._head]):
            for word in own or {""}:
                self._holders.setdefault(word, []).append(position)
        self._sizes = np.array([len(own) or 1 for own in self._sets[: self._head]])

    def __call__(self, position: int) -> Values:
        """See `Likeness`; O(candidates of the head that share a word)."""
        own = self._sets[position] or {""}
        shared = np.zeros(self._head)
        for word in own:
            for holder in self._holders.get(word, ()):
                shared[holder] += 1
        return np.asarray(shared / np.sqrt(self._sizes * len(own)))


class _Graded:
    """What fits, joined with a wish for the list.

    Only the best candidates are weighed against each other, the head; those behind it keep their
    order and come when the rules leave nothing else.

    Args:
        values: The values of the candidates, best first, shape (m,), m at least 1.
        strength: s.
        head: How many of them are weighed.
    """

    def __init__(self, values: Values, strength: float, head: int) -> None:
        self._strength = strength
        self._size = min(head, len(values))
        best = values[: self._size]
        span = best[0] - best[-1]
        scaled = (best - best[-1]) / span if span > 0 else np.ones(self._size)
        self._fits = (1 - strength) * scaled
        self._rest = -_BEHIND - np.arange(len(values) - self._size, dtype=np.float64)

    def gains(self) -> Values:
        """See `polyscene.rerank.select.Preference`."""
        return np.concatenate([self._fits + self._strength * self._wish(), self._rest])

    @abstractmethod
    def add(self, position: int) -> None:
        """See `polyscene.rerank.select.Preference`."""

    @abstractmethod
    def _wish(self) -> Values:
        """What each of the head would add beside its own value, shape (head,)."""


class Mmr(_Graded):
    """Maximal marginal relevance; O(head · dim) a place.

    Reference: Carbonell and Goldstein (1998), The Use of MMR, SIGIR.

    Args:
        values: The values of the candidates, best first, shape (m,).
        strength: s.
        head: How many of them are weighed.
        likeness: How alike they are; unlike ones count as 0.
    """

    def __init__(self, values: Values, strength: float, head: int, likeness: Likeness) -> None:
        super().__init__(values, strength, head)
        self._likeness = likeness
        self._nearest = np.zeros(self._size)

    def add(self, position: int) -> None:
        """See `polyscene.rerank.select.Preference`."""
        likeness = self._likeness(position)
        self._nearest = np.maximum(self._nearest, likeness)

    def _wish(self) -> Values:
        return -self._nearest


class Dpp(_Graded):
    """The most probable list of a determinantal point process, greedily.

        L = (S + ε·I) / (1 + ε)        S the similarities

    log det L of a list is 0 where all are unlike and falls as they become alike. With the Cholesky
    factor kept up, a place costs O(head · (dim + n)).
    Reference: Chen, Zhang and Zhou (2018), Fast Greedy MAP Inference for Determinantal Point
    Process to Improve Recommendation Diversity, NeurIPS; the kernel's quality is exp(α·r) with
    α = (1 - s) / 2s there.

    Args:
        values: The values of the candidates, best first, shape (m,).
        strength: s.
        head: How many of them are weighed.
        likeness: How alike they are, positive semi-definite with ones on the diagonal.
    """

    def __init__(self, values: Values, strength: float, head: int, likeness: Likeness) -> None:
        super().__init__(values, strength, head)
        self._likeness = likeness
        self._left = np.ones(self._size)
        self._factor = np.zeros((self._size, 0))

    def add(self, position: int) -> None:
        """See `polyscene.rerank.select.Preference`; what lies behind the head is not weighed."""
        if position >= self._size:
            return
        column = self._likeness(position) / (1 + _RIDGE)
        known = self._factor @ self._factor[position]
        step = (column - known) / np.sqrt(self._left[position])
        self._left = np.maximum(self._left - step**2, _RIDGE / (1 + _RIDGE))
        self._factor = np.column_stack([self._factor, step])

    def _wish(self) -> Values:
        return np.log(self._left)


class Calibrated(_Graded):
    """A list in the proportions of the user's own mix.

        q̃ = (1 - α)·q + α·p        KL(p ‖ q̃) = Σ_g p(g) · log( p(g) / q̃(g) )

    with p the user's mix and q the mean over the list of what each target has of each value; a
    target of several values has an equal part of each. O(head · values of the user) a place.
    Reference: Steck (2018), Calibrated Recommendations, RecSys.

    Args:
        values: The values of the candidates, best first, shape (m,).
        strength: s.
        head: How many of them are weighed.
        words: The values of the field of each candidate.
        wanted: The user's mix, adding up to 1.
    """

    def __init__(
        self,
        values: Values,
        strength: float,
        head: int,
        words: Words,
        wanted: Mapping[str, float],
    ) -> None:
        super().__init__(values, strength, head)
        self._wanted = np.array(list(wanted.values()), np.float64)
        places = {word: place for place, word in enumerate(wanted)}
        self._parts = np.zeros((len(words), len(places)))
        for row, own in enumerate(words):
            for word in own:
                if word in places:
                    self._parts[row, places[word]] = 1 / len(own)
        self._sum = np.zeros(len(places))
        self._count = 0

    def add(self, position: int) -> None:
        """See `polyscene.rerank.select.Preference`."""
        self._sum += self._parts[position]
        self._count += 1

    def _wish(self) -> Values:
        mean = (self._sum + self._parts[: self._size]) / (self._count + 1)
        smooth = (1 - _SMOOTHING) * mean + _SMOOTHING * self._wanted
        return np.asarray(np.log(smooth / self._wanted) @ self._wanted, np.float64)


def mix(words: Words, weights: npt.NDArray[np.floating]) -> dict[str, float]:
    """What a history consists of: the share of each value, the largest ones, adding up to 1.

    An entry counts with its weight, in equal parts for its values; entries of no positive weight or
    without a value do not.

    Args:
        words: The values of the field of each entry.
        weights: The weight of each entry, such as its strength.
    """
    total: dict[str, float] = {}
    for own, weight in zip(words, weights.tolist(), strict=True):
        for word in own if weight > 0 else ():
            total[word] = total.get(word, 0.0) + weight / len(own)
    leading = sorted(total, key=lambda word: (-total[word], word))[:_LEADING]
    whole = sum(total[word] for word in leading)
    return {word: total[word] / whole for word in leading}
