"""What candidates rest on, as the sources tell it: each time the one that contributed most.

A source is only asked about targets to whose score it contributed. What somebody disliked may have
its part in a score too, but is no reason to give. Friends are told as a number, and only where the
number does not say who they are: at least two, and not all that the user has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from polyscene.component import Candidates, Path, Precedent, Query
from polyscene.data.dataset import IntArray
from polyscene.sources import Source

__all__ = ["UNCOUNTED", "Grounds", "Told", "grounds_of"]

UNCOUNTED = -1
"""In place of a number of friends: they have a part in the score, but cannot be counted."""
_LEAST = 2
"""The least number of friends that is told."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """One kind of ground for each candidate."""

    found: Sequence[T | None]
    """What was told; None where nothing was."""
    givers: Sequence[str]
    """The name of the source that told it; "" where none did."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """All that sources told of some candidates."""

    supports: Told[list[int]]
    """Rows of liked history items, at least one."""
    paths: Told[Path]
    """A path from a liked history item."""
    about: Told[Sequence[Precedent]]
    """What was done about contexts, at least one."""
    friends: Told[int]
    """How many friends acted on it, or `UNCOUNTED`."""


def grounds_of(sources: Mapping[str, Source], query: Query, candidates: Candidates) -> Grounds:
    """Ask the sources what the candidates rest on.

    Args:
        sources: The sources by name.
        query: The question.
        candidates: What was found, with the parts of the sources.
    """
    liked = set(query.history.rows[query.history.strengths > 0].tolist())

    def supports(source: Source, rows: IntArray) -> Sequence[list[int] | None] | None:
        found = source.support(query, rows)
        if found is None:
            return None
        return [[row for row in own if row in liked] or None for own in found.tolist()]

    def paths(source: Source, rows: IntArray) -> Sequence[Path | None] | None:
        found = source.paths(query, rows)
        if found is None:
            return None
        return [path if path is not None and path.start in liked else None for path in found]

    def about(source: Source, rows: IntArray) -> Sequence[Sequence[Precedent] | None] | None:
        found = source.precedents(query, rows)
        return None if found is None else [given or None for given in found]

    def friends(source: Source, rows: IntArray) -> Sequence[int | None] | None:
        found = source.friends(query, rows)
        if found is None:
            return None
        most = len(query.friends)
        return [n if n == UNCOUNTED or _LEAST <= n < most else None for n in found.tolist()]

    turns = list(_turns(candidates))
    return Grounds(
        _strongest(sources, turns, candidates.rows, supports),
        _strongest(sources, turns, candidates.rows, paths),
        _strongest(sources, turns, candidates.rows, about),
        _strongest(sources, turns, candidates.rows, friends),
    )


def _turns(candidates: Candidates) -> Iterator[tuple[str, IntArray]]:
    """Who is to be asked about which candidates: for each the source that gave most comes first."""
    names = list(candidates.parts)
    if not names:
        return
    parts = np.stack(list(candidates.parts.values()))
    order = np.argsort(-parts, axis=0, kind="stable")
    gave = np.take_along_axis(parts, order, axis=0) > 0
    for turn, own in zip(order, gave, strict=True):
        for number, name in enumerate(names):
            places = np.flatnonzero((turn == number) & own)
            if len(places):
                yield name, places


def _strongest(
    sources: Mapping[str, Source],
    turns: Sequence[tuple[str, IntArray]],
    rows: IntArray,
    ask: Callable[[Source, IntArray], Sequence[T | None] | None],
) -> Told[T]:
    """For each candidate what the source that gave most has to say, of those that say something."""
    found: list[T | None] = [None] * len(rows)
    givers, open_ = [""] * len(rows), np.ones(len(rows), np.bool_)
    for name, places in turns:
        asked = places[open_[places]]
        said = ask(sources[name], rows[asked]) if len(asked) else None
        for place, one in zip(asked.tolist(), said or (), strict=said is not None):
            if one is not None:
                found[place], givers[place], open_[place] = one, name, False
    return Told(found, givers)
