"""Renewing: the best targets of a user who has acted since they were found.

An event moves the scores of all targets, most of them by little. So the next list is not looked for
among all: what was among the best of a source before, and what is near the targets of the new
events, is scored anew by every source. Scores are exact; a target that was far down everywhere and
is near none of the new events is missed until the sources are asked again, which they are after a
minute, and at once where much has happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from polyscene.component import Candidates, History, Query, Space
from polyscene.data.dataset import IntArray
from polyscene.sources import Source
from polyscene.sources.base import leading

__all__ = ["LARGE", "Renewer"]

LARGE = 30_000
"""Targets from which on lists are renewed: with fewer, to ask about all takes no longer."""
_MOST = 5
"""New items in a history up to which it is renewed."""
_NEAR = 200
"""Targets that are near an item: so many by each source that can tell, else by its text."""
_KEPT = 20_000
"""Items for which it is kept what is near, 0.8 KB for each source that can tell."""


class Renewer:
    """Finds the best targets among those that can be.

    Args:
        sources: The sources of the model.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._near: dict[int, IntArray] = {}

    def __call__(
        self,
        query: Query,
        before: History,
        found: Mapping[str, Candidates],
    ) -> dict[str, Candidates] | None:
        """About the `query.n` best allowed targets of each source; None to ask about all.

        Args:
            query: The question.
            before: The history at the time when the sources were asked about all.
            found: What they found then, best first.
        """
        rows = self._rows(query, before, found.values())
        if rows is None:
            return None
        renewed = {}
        for name in found:
            scores = self._sources[name].some([query], rows)
            kept = leading(scores, query.n)
            own = scores[0][kept]
            renewed[name] = Candidates(rows[kept], own, {name: own})
        return renewed

    def _rows(self, query: Query, before: History, found: Iterable[Candidates]) -> IntArray | None:
        """The targets that may be among the best, ascending; None where that cannot be told."""
        if not query.spec.of_items or len(query.allowed) < LARGE:
            return None
        new = np.setdiff1d(query.history.rows, before.rows)
        if len(new) > _MOST or not len(before):
            return None
        # Where none is new, something was done again: with the latest.
        moved: Sequence[int] = (new if len(new) else query.history.rows[:1]).tolist()
        parts = [own.rows[: query.n] for own in found] + [
            self._around(row, query.space) for row in moved
        ]
        rows = np.unique(np.concatenate(parts)).astype(np.int64)
        return rows[query.allowed[rows]]

    def _around(self, row: int, space: Space) -> IntArray:
        """What is near an item."""
        known = self._near.get(row)
        if known is None:
            told = [source.close_to(row, _NEAR) for source in self._sources.values()]
            known = np.unique(np.concatenate([np.zeros(0, np.int64), *told]))
            if not len(known):
                (found,), _ = space.search(space.vectors[row][None], _NEAR, None)
                known = found[found >= 0]
            if len(self._near) >= _KEPT:
                self._near.clear()
            self._near[row] = known = known.astype(np.int32)
        return known
