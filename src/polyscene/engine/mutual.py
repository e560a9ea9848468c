"""What people would say of the one who asks: their own questions, asked for that one person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyscene.component import Query
from polyscene.data.dataset import IntArray, Mask
from polyscene.engine.finding import Memory
from polyscene.fitting.asking import Asker, Asking, together
from polyscene.fitting.model import Model
from polyscene.sources import FALLBACKS
from polyscene.sources.base import SILENT
from polyscene.tracing import traced

__all__ = ["Returned"]

_BEST = 1000
"""People that are kept of what one person says, the best; whoever is not among them counts 0."""
_PEOPLE = 10_000
"""People of whom it is kept while answers are made, at most; 8 KB each."""
_KEY = "returned"

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Side:
    """What one person says of others, scaled to at most 1."""

    rows: IntArray
    """Ascending; none where nothing is known of the person."""
    scores: npt.NDArray[np.float32]

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return 200 + self.rows.nbytes + self.scores.nbytes

    def of(self, row: int) -> float:
        """What is said of somebody; NaN where nothing is said of anybody."""
        if not len(self.rows):
            return float("nan")
        place = int(np.searchsorted(self.rows, row))
        there = place < len(self.rows) and self.rows[place] == row
        return float(self.scores[place]) if there else 0.0


class Returned:
    """What people would say of those who ask in one scenario.

    That is the fused score that the question of each would give, whether or not they would be shown
    the one who asks: what is excluded and whom they know already does not matter. It is divided by
    the highest score of all whom they would be shown, and is 1 at most. Of somebody to whom the
    sources have nothing to say, but what is popular or new, nothing is known.

    It is found for all people at once whom a user may see, O(people · targets) of each source, and
    kept for the next user.

    Args:
        model: The model.
        asker: What makes questions of users.
        weights: The weight of each source of the scenario.
        scenario: Name of the scenario, which recommends people.
        now: Time of the questions, seconds since 1970-01-01 UTC.
        memory: Where it is kept for later answers; None to keep it for these alone.
    """

    def __init__(
        self,
        model: Model,
        asker: Asker,
        weights: Mapping[str, float],
        scenario: str,
        now: float,
        memory: Memory | None = None,
    ) -> None:
        self._space = model.space(scenario)
        self._used = {model.sources[name]: weight for name, weight in weights.items() if weight > 0}
        self._asker = asker
        self._scenario = scenario
        self._now = now
        self._memory = memory
        self._kept: dict[str, _Side] = {}

    @traced("returned")
    def __call__(self, user: str | None, rows: IntArray) -> Values:
        """What some people would say of a user, in [0, 1]; NaN where nothing is known of them.

        Args:
            user: The user; of somebody unknown nothing is said.
            rows: The people, shape (m,).
        """
        ids = self._space.targets.ids
        row = -1 if user is None else ids.row(user)
        if row < 0:
            return np.full(len(rows), np.nan)
        names = [ids.ids[one] for one in rows.tolist()]
        sides = self._sides(names)
        return np.array([sides[name].of(row) for name in names], np.float64)

    def _sides(self, names: Sequence[str]) -> dict[str, _Side]:
        """What each of some people says."""
        memory, found = self._memory, dict[str, _Side]()
        for name in names:
            own = self._kept.get(name)
            if own is None and memory is not None:
                own = memory.recalled(name, (_KEY, self._scenario))
            if own is not None:
                found[name] = own
        new = [name for name in names if name not in found]
        size = together(len(self._space))
        for start in range(0, len(new), size):
            some = new[start : start + size]
            askings = self._asker.users(some, self._scenario, 1, self._now)
            for asking, side in zip(askings, self._asked(askings), strict=True):
                name = asking.user.user_id
                found[name] = side
                if memory is not None:
                    memory.remember(name, (_KEY, self._scenario), side, side.size, asking.past)
        self._kept |= found
        for name in list(self._kept)[: max(0, len(self._kept) - _PEOPLE)]:
            del self._kept[name]
        return found

    def _asked(self, askings: Sequence[Asking]) -> list[_Side]:
        """What the sources find for some people, joined and scaled."""
        queries = [asking.query for asking in askings]
        scores, known = self._fused(queries)
        own = self._space.targets.ids.rows([asking.user.user_id for asking in askings])
        scores[own >= 0, own[own >= 0]] = 0
        sides = []
        for query, said, told in zip(queries, scores, known.tolist(), strict=True):
            top = float(said[query.allowed].max(initial=0)) or float(said.max(initial=0))
            rows = np.flatnonzero(said > 0) if told and top > 0 else np.zeros(0, np.int64)
            if len(rows) > _BEST:
                best = np.argpartition(-said[rows], _BEST)[:_BEST]
                rows = np.sort(rows[best])
            kept = np.minimum(said[rows] / np.float32(top or 1), 1)
            sides.append(_Side(rows.astype(np.int32), kept))
        return sides

    def _fused(self, queries: Sequence[Query]) -> tuple[npt.NDArray[np.float32], Mask]:
        """The fused score of everybody for each question, and whether anything is known for it.

        As `polyscene.ranking.fuse.fuse` has it, over all of whom a source says something: one
        source keeps its own scores, several are scaled to [0, 1].
        """
        shape = len(queries), len(self._space)
        alone, several = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        count, known = np.zeros(len(queries), np.int64), np.zeros(len(queries), np.bool_)
        for source, weight in self._used.items():
            scores = source.scores(queries)
            there = scores > SILENT
            some = there.any(axis=1)
            count += some
            if source.name not in FALLBACKS:
                known |= some
            alone += np.where(there, np.maximum(scores, 0), 0)
            low = np.min(scores, axis=1, keepdims=True, initial=np.inf, where=there)
            high = np.max(scores, axis=1, keepdims=True, initial=-np.inf, where=there)
            level, spread = high <= low, np.where(high > low, high - low, np.float32(1))
            with np.errstate(invalid="ignore"):  # where it says nothing there is no lowest
                scaled = np.where(level, np.float32(1), (scores - low) / spread)
            several += np.float32(weight) * np.where(there, scaled, np.float32(0))
        return np.where(count[:, None] == 1, alone, several), known
