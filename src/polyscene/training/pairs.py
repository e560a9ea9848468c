"""Pairs of texts that belong together, from what users did: what a contrastive run learns from.

    together   two items that the same users came to, by the kernel of the behaviour
    stated     a user's own words, and an item they succeeded with
    asked      a context or a query, and the target chosen for it
    people     two people of whom one follows, or is a friend of, the other
    itself     two texts of one item
    denoised   a text of an item with words deleted, and the same text whole

The texts of a person, where people are recommended, are those of the items in their history too:
that is how their vector is made. A query comes as a relation `QUERY clicked ITEM`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.data.dataset import Dataset, IntArray, Links, Mask
from polyscene.data.schema import Item, User
from polyscene.fitting.holdout import succeeded
from polyscene.represent.connections import Connections
from polyscene.represent.interactions import FLOOR, interactions, weighted
from polyscene.settings import Settings
from polyscene.sources.closed_form import LowRank, behaviour_factors, low_rank
from polyscene.text.verbalise import Verbaliser

__all__ = [
    "CLICKED",
    "KINDS",
    "Behaviour",
    "Material",
    "Pairs",
    "behaviour",
    "denoising",
    "material",
    "pairs",
]

CLICKED = "clicked"
"""The predicate of relations from a query to the target that was clicked."""
KINDS = ("together", "stated", "asked", "people", "itself", "denoised")
_NEAR = 20
"""Items that belong together with each item, at most."""
_RANK = 512
_REG = 100.0
_WARM = 2
"""Users that an item needs for its neighbours to be believed."""
_HISTORY = 50
"""Items whose texts tell of a person, at most."""


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that has texts, by node: first the items, then the users, then the queries."""

    data: Dataset
    """The events that are learned from, over all items and users."""
    links: Links
    """The relations that are learned from."""
    settings: Settings
    texts: Sequence[tuple[str, ...]]
    """The texts of each node."""
    speaking: npt.NDArray[np.bool_]
    """Which users have a text of their own, shape (users,)."""

    @property
    def items(self) -> int:
        """How many items there are; the node of a user is that many past their row."""
        return len(self.data.items)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The kernel of the behaviour over n items that enough users came to."""

    warm: IntArray
    """Their rows, shape (n,)."""
    kernel: LowRank
    counts: IntArray
    """Users of each, shape (n,)."""

    @property
    def vectors(self) -> Vectors:
        """F with F_i·F_j = B_ij·√(s_i/s_j), the symmetric form of the kernel. Shape (n, rank)."""
        return np.asarray(self.kernel.rows * np.sqrt(self.kernel.scale)[:, None])


@dataclass(frozen=True, slots=True)
class Pairs:
    """P pairs of nodes; all arrays of shape (P,)."""

    anchor: IntArray
    positive: IntArray
    strength: npt.NDArray[np.float32]
    """How much a pair counts beside the others of its anchor."""
    scenario: npt.NDArray[np.int32]
    """Code of the scenario it helps."""
    kind: npt.NDArray[np.int32]
    """Code of where it comes from, an index into `KINDS`."""
    scenarios: tuple[str, ...]
    """Names of the scenario codes."""

    def __len__(self) -> int:
        return len(self.anchor)

    def take(self, kept: IntArray | Mask) -> Pairs:
        """Some of the pairs."""
        return Pairs(
            self.anchor[kept], self.positive[kept], self.strength[kept], self.scenario[kept],
            self.kind[kept], self.scenarios,
        )  # fmt: skip

    def known(self, nodes: int) -> sp.csr_matrix:
        """Strengths by anchor (rows) and positive (columns), shape (nodes, nodes)."""
        shape = (nodes, nodes)
        return sp.csr_matrix((self.strength, (self.anchor, self.positive)), shape=shape)

    def counts(self) -> dict[str, dict[str, int]]:
        """By scenario, how many pairs there are of each kind."""
        return {
            name: {
                kind: int(count)
                for place, kind in enumerate(KINDS)
                if (count := ((self.scenario == code) & (self.kind == place)).sum())
            }
            for code, name in enumerate(self.scenarios)
        }


def material(
    items: Sequence[Item],
    users: Mapping[str, User],
    data: Dataset,
    links: Links,
    settings: Settings,
) -> Material:
    """The texts of all nodes.

    Args:
        items: The items by the row of `data`.
        users: Those users that are stored, by id.
        data: The events that are learned from.
        links: The relations that are learned from.
        settings: The workspace's settings.
    """
    verbaliser = Verbaliser(settings)
    texts = [tuple(verbaliser.item(item)) for item in items]
    liked = sp.csr_matrix(interactions(data, settings, 0.0, decay=False))
    own = [tuple(verbaliser.user(users[name])) if name in users else () for name in data.users.ids]
    for row, stated in enumerate(own):
        history = slice(liked.indptr[row], liked.indptr[row + 1])
        best = liked.indices[history][np.argsort(-liked.data[history], kind="stable")[:_HISTORY]]
        texts.append((*stated, *(text for item in best for text in texts[item])))
    queries = dict.fromkeys(links.names.ids[row] for row in links.subject[_clicks(links)])
    speaking = np.array([bool(stated) for stated in own], np.bool_)
    return Material(data, links, settings, [*texts, *((query,) for query in queries)], speaking)


def behaviour(found: Material) -> Behaviour:
    """The kernel of what users did with items, without any text. O(n·rank²)."""
    rows = weighted(interactions(found.data, found.settings, 0.0, decay=False), FLOOR)
    counts = rows.getnnz(axis=0)
    warm = np.flatnonzero(counts >= _WARM)
    nothing = np.zeros((len(warm), 1), np.float32)
    if not len(warm):
        return Behaviour(warm, LowRank(nothing, np.zeros(0, np.float32)), counts[warm])
    factors = behaviour_factors(sp.csr_matrix(rows[:, warm]), _RANK)
    return Behaviour(warm, low_rank(factors, nothing, _REG, 0.0), counts[warm])


def pairs(
    found: Material, scenarios: Sequence[str], said: Behaviour, *, itself: bool = False
) -> Pairs:
    """All pairs that there are; each in the scenario it helps.

    Args:
        found: The texts and the events.
        scenarios: The scenarios that are learned from.
        said: The kernel of the behaviour.
        itself: Whether two texts of one item are a pair.
    """
    parts: list[tuple[Any, ...]] = []
    of_items = [name for name in scenarios if found.settings.scenario(name).target != "person"]
    if of_items:
        parts += _together(found, of_items, scenarios, said)
        parts += [_itself(found, scenarios.index(of_items[0]))] if itself else []
        parts.append(_clicked(found, scenarios.index(of_items[0])))
    for code, name in enumerate(scenarios):
        if name in of_items:
            parts += [_stated(found, name, code), _asked(found, name, code)]
        else:
            parts.append(_people(found, name, code))
    has_text = np.array([bool(texts) for texts in found.texts], np.bool_)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else []
    if not columns:
        columns = [np.zeros(0, np.int64)] * 5
    anchor, positive, strength, scenario, kind = columns
    anchor, positive = anchor.astype(np.int64), positive.astype(np.int64)
    good = has_text[anchor] & has_text[positive]
    good &= (anchor != positive) | (kind == KINDS.index("itself"))
    return Pairs(
        anchor[good], positive[good], strength[good].astype(np.float32),
        scenario[good].astype(np.int32), kind[good].astype(np.int32), tuple(scenarios),
    )  # fmt: skip


def denoising(found: Material, scenarios: Sequence[str]) -> Pairs:
    """Each item that has a text with itself, for the first scenario; no behaviour is looked at."""
    rows = np.array([row for row in range(found.items) if found.texts[row]], np.int64)
    kind = np.full(len(rows), KINDS.index("denoised"), np.int32)
    ones, code = np.ones(len(rows), np.float32), np.zeros(len(rows), np.int32)
    return Pairs(rows, rows, ones, code, kind, tuple(scenarios[:1]))


def _part(
    anchor: IntArray, positive: IntArray, strength: Any, scenario: Any, kind: str
) -> tuple[Any, ...]:
    """The five columns of some pairs."""
    fill = np.ones(len(anchor))
    return anchor, positive, strength * fill, scenario * fill, KINDS.index(kind) * fill


def _together(
    found: Material, of_items: Sequence[str], scenarios: Sequence[str], said: Behaviour
) -> list[tuple[Any, ...]]:
    """Each item with the items that its kernel row says most of, in the scenario of the latter."""
    data, warm = found.data, said.warm
    seen = np.stack(
        [
            np.bincount(data.target[succeeded(data, found.settings, name)], minlength=found.items)
            for name in of_items
        ]
    )
    codes = np.array([scenarios.index(name) for name in of_items])
    home, shown = codes[seen.argmax(axis=0)], (seen.sum(axis=0) > 0)[warm]
    columns, parts = said.kernel.columns(np.arange(len(warm))), []
    near = min(_NEAR, len(warm) - 1)
    if near < 1:
        return []
    for start in range(0, len(warm), 1024):
        rows = np.arange(start, min(start + 1024, len(warm)))
        block = np.where(shown, said.kernel.rows[rows] @ columns.T, 0)
        block[np.arange(len(rows)), rows] = 0
        best = np.argpartition(-block, near - 1, axis=1)[:, :near]
        values = np.take_along_axis(block, best, axis=1)
        kept = values > 0
        anchors = np.broadcast_to(warm[rows, None], best.shape)[kept]
        positives = warm[best[kept]]
        parts.append(_part(anchors, positives, values[kept], home[positives], "together"))
    return parts


def _itself(found: Material, code: int) -> tuple[Any, ...]:
    several = [row for row in range(found.items) if len(found.texts[row]) > 1]
    rows = np.array(several, np.int64)
    return _part(rows, rows, 1.0, code, "itself")


def _stated(found: Material, name: str, code: int) -> tuple[Any, ...]:
    """Users who say something of themselves with what they succeeded with."""
    data = found.data
    used = succeeded(data, found.settings, name) & found.speaking[data.user]
    return _part(data.user[used] + found.items, data.target[used], 1.0, code, "stated")


def _asked(found: Material, name: str, code: int) -> tuple[Any, ...]:
    data = found.data
    used = succeeded(data, found.settings, name) & (data.context >= 0)
    return _part(data.context[used], data.target[used], 1.0, code, "asked")


def _clicks(links: Links) -> npt.NDArray[np.bool_]:
    codes = [place for place, name in enumerate(links.predicates) if name == CLICKED]
    return np.isin(links.predicate, codes)


def _clicked(found: Material, code: int) -> tuple[Any, ...]:
    links, used = found.links, _clicks(found.links)
    queries = {row: place for place, row in enumerate(dict.fromkeys(links.subject[used].tolist()))}
    first = found.items + len(found.data.users)
    anchors = np.array([first + queries[row] for row in links.subject[used].tolist()], np.int64)
    targets = found.data.items.rows(links.names.ids[row] for row in links.object[used])
    there = targets >= 0
    return _part(anchors[there], targets[there], 1.0, code, "asked")


def _people(found: Material, name: str, code: int) -> tuple[Any, ...]:
    """Whom users succeeded with, and whom they are connected with."""
    data = found.data
    used = succeeded(data, found.settings, name)
    pairs = [np.stack([data.user[used], data.target[used]], axis=1)]
    friends = [data.users.rows(pair) for pair in Connections.of(found.links).pairs()]
    if friends:
        both = np.stack(friends)
        pairs.append(both[(both >= 0).all(axis=1)])
    rows = np.unique(np.concatenate(pairs), axis=0) + found.items
    return _part(rows[:, 0], rows[:, 1], 1.0, code, "people")
