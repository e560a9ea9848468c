"""Trying options on what was held out: the part that tunable sources share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import Config, Validation, Vectors
from polyscene.logs import get_logger
from polyscene.metrics.ranking import ndcg
from polyscene.represent.interactions import interactions, origins, places

__all__ = [
    "EVERYBODY",
    "Scores",
    "Steps",
    "Trial",
    "choose",
    "climb",
    "filled",
    "top_hits",
    "top_places",
]

EVERYBODY = slice(None)
"""The places of all users on trial."""
_AT = 10
_BLOCK = 4_000_000
"""Scores that are put in order at once."""
ConfigT = TypeVar("ConfigT", bound=Config)
ConfigC = TypeVar("ConfigC", bound=Config, contravariant=True)
Scores = Callable[[str, npt.NDArray[np.int64]], Vectors]
"""From a scenario and places among the users on trial to their scores."""
Steps = Sequence[tuple[str, Sequence[Any]]]
"""Options with the values to try, in order; an option may come again."""
_log = get_logger(__name__)


class Trial:
    """One split over items: interactions to learn from, and what is right for the users on trial.

    Args:
        validation: The split.
    """

    def __init__(self, validation: Validation) -> None:
        training = validation.training
        self.training = training
        self.users = validation.users
        specs = training.settings.scenarios
        self._right = {
            name: matrix.tocsr()
            for name, matrix in validation.relevant.items()
            if specs[name].of_items and matrix.nnz
        }
        self._rows: dict[bool, sp.csr_matrix] = {}

    @property
    def possible(self) -> bool:
        """Whether anything was held out."""
        return bool(self._right)

    def rows(self, decay: bool) -> sp.csr_matrix:
        """The interactions, with or without time decay; see `represent.interactions`."""
        if decay not in self._rows:
            training = self.training
            self._rows[decay] = interactions(
                training.data, training.settings, training.now, decay=decay
            )
        return self._rows[decay]

    @cached_property
    def all_places(self) -> sp.csr_matrix:
        """How long ago each user acted on each item; see `represent.interactions.places`."""
        return places(self.training.data)

    @property
    def places(self) -> sp.csr_matrix:
        """The same of the users on trial."""
        return self.all_places[self.users]

    @cached_property
    def _origins(self) -> sp.csr_matrix:
        """Where the users on trial acted on each item; see `represent.interactions`."""
        return origins(self.training.data)[self.users]

    def elsewhere(
        self,
        scenario: str,
        columns: npt.NDArray[np.int64],
        places: npt.NDArray[np.int64] | slice = EVERYBODY,
    ) -> npt.NDArray[np.bool_]:
        """Which entries of the histories are of other scenarios, as `rows` has them, sorted."""
        names = self.training.data.scenarios
        own = names.index(scenario) if scenario in names else -2
        codes = self._origins[places][:, columns].sorted_indices().data
        return np.asarray((codes >= 0) & (codes != own))

    def ndcg(
        self,
        scores: Vectors | Scores,
        columns: npt.NDArray[np.int64] | None = None,
    ) -> float:
        """The mean of `ndcgs`; 0 where there is nothing to find."""
        found = self.ndcgs(scores, columns)
        return float(np.mean(found)) if len(found) else 0.0

    def ndcgs(
        self,
        scores: Vectors | Scores,
        columns: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.float64]:
        """NDCG@10 of what users on trial are to find, one after the other in each scenario.

        What they have done already, and what a scenario does not show, is not ranked there.

        Args:
            scores: Shape (users on trial, items), or (users on trial, columns). Or what gives
                those of a scenario for the users at some places among those on trial, which are
                changed in place.
            columns: The items that were scored, ascending; all when omitted. Relevant items that
                are not among them are out of reach.
        """
        scored = slice(None) if columns is None else columns
        seen = self.rows(decay=False)[self.users][:, scored]
        values = [np.zeros(0)]
        for name, right in self._right.items():
            asked = np.flatnonzero(right.getnnz(axis=1))
            counts, done = right[asked].getnnz(axis=1), seen[asked]
            own = scores(name, asked) if callable(scores) else scores[asked]
            own[np.repeat(np.arange(len(asked)), np.diff(done.indptr)), done.indices] = -np.inf
            own[:, ~self._shown(name)[scored]] = -np.inf
            hits = top_hits(own, sp.csr_matrix(right[asked][:, scored]), _AT)
            values.append(ndcg(hits, counts, _AT))
        return np.concatenate(values)

    def _shown(self, scenario: str) -> npt.NDArray[np.bool_]:
        """Which items a scenario recommends; all but tags where nothing else is said."""
        training = self.training
        return training.shown.get(scenario, ~training.data.is_tag)


def top_places(scores: Vectors, k: int) -> npt.NDArray[np.int64]:
    """Places of the k highest scores of each row, highest first. Shape (rows, k or fewer)."""
    depth, width = min(k, scores.shape[1]), scores.shape[1]
    found = np.zeros((len(scores), depth), np.int64)
    size = max(_BLOCK // max(width, 1), 1)  # a partition takes three times the scores' memory
    for start in range(0, len(scores), size):
        some = -scores[start : start + size]
        top = np.argpartition(some, depth - 1, axis=1)[:, :depth]
        order = np.argsort(np.take_along_axis(some, top, axis=1), axis=1, kind="stable")
        found[start : start + size] = np.take_along_axis(top, order, axis=1)
    return found


def top_hits(scores: Vectors, relevant: sp.csr_matrix, k: int) -> npt.NDArray[np.bool_]:
    """Whether each of the k best targets is relevant, best first. Shape (users, k).

    Args:
        scores: Shape (users, targets).
        relevant: Non-zero where a target is relevant, same shape.
        k: How many; columns beyond the targets are False.
    """
    top = top_places(scores, k)
    depth = top.shape[1]
    hits = np.zeros((len(scores), k), np.bool_)
    users = np.arange(len(top))[:, None]
    hits[:, :depth] = np.asarray(relevant[users, top].todense()) > 0
    hits[:, :depth] &= np.isfinite(np.take_along_axis(scores, top, axis=1))
    return hits


def filled(config: ConfigT, usual: Mapping[str, Any]) -> ConfigT:
    """The options with the usual value where they are None."""
    unset = {name: value for name, value in usual.items() if getattr(config, name) is None}
    return config.model_copy(update=unset) if unset else config


class Scoring(Protocol[ConfigC]):
    """A split on which options can be scored."""

    @property
    def possible(self) -> bool:
        """Whether anything was held out."""

    def score(self, config: ConfigC) -> float:
        """What is to be large."""


def choose(
    name: str,
    start: ConfigT,
    given: ConfigT,
    steps: Steps,
    trials: Sequence[Scoring[ConfigT]],
) -> ConfigT:
    """The best options by the mean score over the splits, one option varied at a time.

    Args:
        name: Name of the source, for the log.
        start: All options set.
        given: The same; only those that are None there are varied.
        steps: What to try.
        trials: The splits. With nothing held out, `start` is returned.
    """
    able = [trial for trial in trials if trial.possible]
    free = [(option, values) for option, values in steps if getattr(given, option) is None]
    if not able or not free:
        return start
    best, value = climb(
        start, free, lambda config: float(np.mean([trial.score(config) for trial in able]))
    )
    _log.info("%s: %s, NDCG@10 %.4f on held-out events", name, best, value)
    return best


def climb(
    start: ConfigT,
    steps: Sequence[tuple[str, Iterable[Any]]],
    score: Callable[[ConfigT], float],
) -> tuple[ConfigT, float]:
    """The best options by trying the values of one option after the other.

    Args:
        start: What to start from.
        steps: Options with the values to try, in order; an option may come again.
        score: What is to be large.
    """
    best, value = start, score(start)
    known: Mapping[str, Any] = start.model_dump()
    for option, values in steps:
        for choice in values:
            if choice == known[option]:
                continue
            tried = best.model_copy(update={option: choice})
            reached = score(tried)
            if reached > value:
                best, value = tried, reached
        known = best.model_dump()
    return best, value
