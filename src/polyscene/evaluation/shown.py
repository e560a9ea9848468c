"""What was really shown: lists of impressions, and how a system would have ordered them.

An impression is what one user did with one target of a list, whatever they did; the events of one
request form a list or, in a scenario whose held-out events name no request, the held-out events of
one user. It is positive where one of its events is a success.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyscene.component import Candidates, Vectors
from polyscene.data.dataset import IdMap, IntArray, Mask
from polyscene.data.schema import User
from polyscene.data.split import requests_of
from polyscene.engine.recommender import Recommender
from polyscene.evaluation.protocols import Split
from polyscene.fitting.asking import Asker
from polyscene.fitting.holdout import in_scenario, succeeded
from polyscene.fitting.weights import DEPTH
from polyscene.logs import Task
from polyscene.settings import Settings
from polyscene.sources import Source
from polyscene.sources.base import SILENT, best

__all__ = ["Said", "Shown", "ask", "ordered", "shown_in"]

_TOGETHER = 128
"""Users asked about at once."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The impressions of a scenario: n of them, by user, list and row of the target."""

    users: IntArray
    """Rows of the users, ascending, shape (users,)."""
    owner: IntArray
    """Place of the user of each impression in `users`, shape (n,)."""
    lists: IntArray
    """Number of the list of each impression, from 0, shape (n,)."""
    rows: IntArray
    """Row of the target of each impression in the space of the scenario, shape (n,)."""
    positive: Mask
    """Whether it was a success, shape (n,)."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, kept: Mask) -> Shown:
        """Some of the impressions, with the users and lists that have any."""
        places, owner = np.unique(self.owner[kept], return_inverse=True)
        lists = np.unique(self.lists[kept], return_inverse=True)[1]
        return Shown(self.users[places], owner, lists, self.rows[kept], self.positive[kept])


@dataclass(frozen=True, slots=True)
class Said:
    """What every source says of what was shown."""

    shown: Shown
    """What the scenario may show to the user of each list."""
    users: Mapping[int, User]
    """What is known of each user, by row."""
    parts: Mapping[str, npt.NDArray[np.float32]]
    """The score of each impression by source, `SILENT` where it has nothing to say; shape (n,)."""
    left_out: int
    """Impressions of what may not be shown: seen in training, withheld, not available."""


def shown_in(part: Split, settings: Settings, scenario: str, targets: IdMap) -> Shown:
    """The held-out impressions of the users under test.

    Args:
        part: The split.
        settings: The workspace's settings.
        scenario: Name of the scenario.
        targets: Rows of its space; impressions of others are left out.
    """
    held, kind = part.held, settings.scenario(scenario).target
    ids, requests = (held.users if kind == "person" else held.items).ids, requests_of(held)
    here = in_scenario(held, scenario) & held.aimed(kind) & (held.target >= 0)
    if (requests[here] >= 0).any():
        here &= requests >= 0
    rows = targets.rows(ids)[np.maximum(held.target, 0)]
    here &= (rows >= 0) & np.isin(held.user, part.users)
    success = succeeded(held, settings, scenario)[here]
    keys = np.stack([held.user[here], requests[here], rows[here]], axis=1)
    found, place = np.unique(keys, axis=0, return_inverse=True)
    users, owner = np.unique(found[:, 0], return_inverse=True)
    lists = np.unique(found[:, :2], axis=0, return_inverse=True)[1]
    positive = np.bincount(place.ravel(), weights=success, minlength=len(found)) > 0
    return Shown(users, owner, lists.ravel(), found[:, 2], positive)


def ask(
    shown: Shown,
    sources: Mapping[str, Source],
    asker: Asker,
    names: Sequence[str],
    scenario: str,
    now: float,
    task: Task,
) -> Said:
    """Ask every source once about each user. O(users · cost of a question of each source).

    Args:
        shown: What was shown.
        sources: The sources.
        asker: What builds the questions, from what is known besides what was held out.
        names: Ids of the users by row.
        scenario: Name of the scenario.
        now: Time of the questions, seconds since 1970-01-01 UTC.
        task: Where each user is reported.
    """
    parts = {name: np.full(len(shown), SILENT, np.float32) for name in sources}
    allowed = np.zeros(len(shown), np.bool_)
    users: dict[int, User] = {}
    for start in range(0, len(shown.users), _TOGETHER):
        some = shown.users[start : start + _TOGETHER].tolist()
        askings = asker.users([names[row] for row in some], scenario, DEPTH, now)
        queries = [asking.query for asking in askings]
        users.update(zip(some, (asking.user for asking in askings), strict=True))
        own = slice(*np.searchsorted(shown.owner, [start, start + len(some)]).tolist())
        cells = shown.owner[own] - start, shown.rows[own]
        allowed[own] = np.stack([query.allowed for query in queries])[cells]
        for name, source in sources.items():
            scores: Vectors = source.scores(queries)
            parts[name][own] = scores[cells]
        task.advance(len(some))
    kept = {name: part[allowed] for name, part in parts.items()}
    return Said(shown.take(allowed), users, kept, int((~allowed).sum()))


def ordered(
    said: Said, recommender: Recommender, scenario: str, now: float
) -> tuple[npt.NDArray[np.float64], IntArray]:
    """The score of each impression, and its rank in its list from 0; each of shape (n,).

    Args:
        said: What the sources say.
        recommender: What joins it, with the weights of a system.
        scenario: Name of the scenario.
        now: Time of the questions, seconds since 1970-01-01 UTC.
    """
    shown = said.shown
    scores, ranks = np.zeros(len(shown)), np.zeros(len(shown), np.int64)
    starts = np.unique(shown.lists, return_index=True)[1].tolist()
    for start, end in zip(starts, [*starts[1:], len(shown)], strict=True):
        rows = shown.rows[start:end]
        found = {
            name: _candidates(name, rows, part[start:end]) for name, part in said.parts.items()
        }
        user = said.users[int(shown.users[shown.owner[start]])]
        candidates = recommender.order(user, scenario, now, found)
        places = start + np.searchsorted(rows, candidates.rows)
        scores[places], ranks[places] = candidates.scores, np.arange(end - start)
    return scores, ranks


def _candidates(name: str, rows: IntArray, scores: npt.NDArray[np.float32]) -> Candidates:
    """What a source says of the targets of one list, best first; see `Source.candidates`."""
    told = scores > SILENT
    rows, scores = best(scores[told], rows[told], len(rows))
    return Candidates(rows, scores, {name: scores})
