"""The map of a model: its targets on a plane, made once for each model and kept."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from polyscene.component import Vectors
from polyscene.data.dataset import FloatArray, IntArray
from polyscene.fitting.model import Model
from polyscene.represent.layout import Plane, layout, stand
from polyscene.server.service import Service

__all__ = ["MOST_DRAWN", "PARTS", "Atlas", "Chart", "Region"]

MOST_DRAWN = 3000
"""Targets on a map, about so many at most."""
PARTS = 3
"""Rows and columns of regions."""
_LEAST = 60
"""Targets of a scenario that are drawn although its share would be fewer."""
_NEAREST = 15
"""Targets by which a user's place is found."""
_REST = 20
"""How many times as long as a chart took to make it is shown whatever changed."""
_TAGS = 4
"""Tags by which a region is told."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a map."""

    row: int
    """From the top, 0 first."""
    column: int
    """From the left, 0 first."""
    targets: int
    scenario: str
    """The one with most targets there."""
    tags: Sequence[str]
    """Those that are frequent there and rarer elsewhere."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Some targets with their places, one entry of each sequence a target."""

    ids: Sequence[str]
    titles: Sequence[str]
    tags: Sequence[Sequence[str]]
    scenarios: Sequence[str]
    """Of each target the first scenario that may show it."""
    vectors: Vectors
    places: Plane
    counts: Mapping[str, int]
    """How many targets with a text each scenario has, drawn or not, each counted where it is
    first."""

    def near(self, vector: Vectors, user: str) -> tuple[IntArray, FloatArray]:
        """The drawn targets that are most like a vector, nearest first, and how much.

        Args:
            vector: A unit vector, or zero, which nothing is like. Shape (dim,).
            user: Whose it is; they themselves are left out.
        """
        cosines = self.vectors @ vector
        cosines[[row for row, name in enumerate(self.ids) if name == user]] = 0
        rows = np.argsort(-cosines, kind="stable")[:_NEAREST]
        rows = rows[cosines[rows] > 0]
        return rows, cosines[rows].astype(np.float64)

    def place(self, vector: Vectors, user: str) -> tuple[float, float] | None:
        """Where a user stands among the targets that are most like them; None for nowhere."""
        rows, cosines = self.near(vector, user)
        if not len(rows):
            return None
        x, y = stand(self.places[rows], cosines)
        return float(x), float(y)

    def regions(self) -> list[Region]:
        """What stands where, row by row; parts without targets are left out."""
        cells = np.minimum((self.places * PARTS).astype(np.int64), PARTS - 1).tolist()
        everywhere = Counter(tag for tags in self.tags for tag in set(tags))
        found = []
        for row in range(PARTS):
            for column in range(PARTS):
                here = [one for one, cell in enumerate(cells) if cell == [column, row]]
                if not here:
                    continue
                own = Counter(tag for one in here for tag in set(self.tags[one]))
                telling = sorted(own, key=lambda tag: (-(own[tag] ** 2) / everywhere[tag], tag))
                most = Counter(self.scenarios[one] for one in here).most_common(1)[0][0]
                found.append(Region(row, column, len(here), most, telling[:_TAGS]))
        return found


class Atlas:
    """Makes the chart of the model that serves, and keeps it.

    After a deletion it is made anew at once: nothing that was erased is on it. After other changes
    of records it is made anew when it is asked for, but only after 20 times as long as it took.
    """

    def __init__(self) -> None:
        self._fitted = ("", -1)
        self._revision = -1
        self._making: asyncio.Task[Chart] | None = None
        self._again_at = 0.0

    async def chart(self, service: Service, patience_s: float = 2.0) -> Chart | None:
        """The chart; None while it is made, or without a model.

        Args:
            service: The service.
            patience_s: How long to wait for one that is being made.
        """
        model = service.answering.model
        if model is None:
            return None
        config = model.config
        fitted = (config.version, config.epoch)
        changed = config.revision != self._revision and time.monotonic() > self._again_at
        if self._making is None or fitted != self._fitted or changed:
            self._fitted, self._revision = fitted, config.revision
            self._making = asyncio.create_task(self._make(service, model))
        done, _ = await asyncio.wait({self._making}, timeout=patience_s)
        if not done:
            return None
        try:
            return self._making.result()
        except Exception:
            self._making = None
            raise

    async def _make(self, service: Service, model: Model) -> Chart:
        start = time.monotonic()
        self._again_at = math.inf
        chart = await _made(service, model)
        self._again_at = time.monotonic() + _REST * (time.monotonic() - start)
        return chart


async def _made(service: Service, model: Model) -> Chart:
    """Look at the model in the answering thread, a scenario at a time; lay it out in another."""
    found: dict[str, IntArray] = {}
    taken = np.zeros(0, np.int64)
    for name in service.workspace.settings.scenarios:
        rows = await service.ask(partial(_shown, service, model, name))
        if name not in model.people:
            rows = np.setdiff1d(rows, taken)
            taken = np.union1d(taken, rows)
        found[name] = rows
    counts = {name: len(rows) for name, rows in found.items()}
    drawn = _drawn(found)
    return await asyncio.to_thread(
        _placed, counts, await service.ask(lambda: [_copied(model, *one) for one in drawn.items()])
    )


def _shown(service: Service, model: Model, scenario: str) -> IntArray:
    """The targets that a scenario may show and that have a text to be placed by."""
    mask = service.answering.shown(scenario)
    return np.flatnonzero(mask & model.space(scenario).vectors[: len(mask)].any(axis=1))


def _drawn(found: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """A share of each scenario's targets, the same of all but the small ones."""
    random = np.random.default_rng(0)
    share = min(1.0, MOST_DRAWN / max(1, sum(map(len, found.values()))))
    return {
        name: np.sort(
            random.choice(rows, min(len(rows), max(_LEAST, round(share * len(rows)))), False)
        )
        for name, rows in found.items()
    }


_Copied = tuple[str, Sequence[str], Sequence[str], Sequence[Sequence[str]], Vectors]


def _copied(model: Model, scenario: str, rows: IntArray) -> _Copied:
    """What is drawn of a scenario: ids, titles, tags and vectors."""
    space = model.space(scenario)
    targets = space.targets
    ids = [targets.ids.ids[row] for row in rows]
    titles = [targets.titles[row] or name for row, name in zip(rows, ids, strict=True)]
    return scenario, ids, titles, [targets.tags[row] for row in rows], space.vectors[rows]


def _placed(counts: Mapping[str, int], parts: Sequence[_Copied]) -> Chart:
    vectors = np.concatenate([part[4] for part in parts])
    return Chart(
        ids=[name for part in parts for name in part[1]],
        titles=[title for part in parts for title in part[2]],
        tags=[tags for part in parts for tags in part[3]],
        scenarios=[part[0] for part in parts for _ in part[1]],
        vectors=vectors,
        places=layout(vectors),
        counts=counts,
    )
