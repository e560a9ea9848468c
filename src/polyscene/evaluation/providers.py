"""Provider fairness: who gets the attention that lists give, beside who is in the catalogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.data.dataset import IntArray

__all__ = [
    "Provider",
    "Providers",
    "Sharing",
    "evenness",
    "exposure_of",
    "providers_of",
    "shares",
]

NOBODY = "none"
"""Targets without a value."""
_LISTED = 20
"""Providers that a report names; the largest."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Provider:
    """What one provider has, and what it gets."""

    name: str
    targets: int
    """Its targets among those that are ranked."""
    catalogue: float
    """Its share of the ranked targets."""
    relevant: float
    """Its share of what is to be found; NaN where nothing is."""
    exposure: dict[str, float]
    """Its share of the attention in the lists of each system."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """How a system shares the attention between all providers."""

    from_catalogue: float
    """Σ |exposure − catalogue| / 2: the share of the attention that is not given in proportion to
    the catalogue, 0 to 1."""
    within: float
    """The mean of the same over the lists one by one."""
    from_relevant: float
    """The same beside what is to be found."""
    unseen: float
    """The share of the providers that get none."""


@dataclass(frozen=True, slots=True)
class Providers:
    """The attention of lists by the value of a field of targets."""

    field: str
    count: int
    """How many providers have ranked targets."""
    providers: list[Provider]
    """Those with the most targets."""
    systems: dict[str, Sharing]


def providers_of(
    field: str,
    values: Sequence[tuple[str, ...]],
    ranked: npt.NDArray[np.bool_],
    relevant: Floats,
    lists: Mapping[str, IntArray],
) -> Providers:
    """Shares of exposure by provider.

    Args:
        field: By what providers are told apart.
        values: The providers of each target; a target of several belongs to each in part.
        ranked: Which targets are ranked, shape (targets,).
        relevant: How often each target is to be found, shape (targets,).
        lists: The rows of the listed targets by system, -1 past the last, shape (q, n).
    """
    names, membership = _membership(values)
    has = np.bincount(membership[1], ranked[membership[0]], len(names)) > 0
    catalogue = shares(membership, ranked.astype(np.float64), len(names))
    wanted = shares(membership, relevant, len(names))
    exposed = {
        system: shares(membership, exposure_of(own, len(values)), len(names))
        for system, own in lists.items()
    }
    largest = np.lexsort((np.array(names), -catalogue))[: min(_LISTED, int(has.sum()))]
    counts = np.bincount(membership[1], ranked[membership[0]], len(names))
    return Providers(
        field=field,
        count=int(has.sum()),
        providers=[
            Provider(
                name=names[place],
                targets=int(counts[place]),
                catalogue=float(catalogue[place]),
                relevant=float(wanted[place]),
                exposure={system: float(own[place]) for system, own in exposed.items()},
            )
            for place in largest.tolist()
        ],
        systems={
            system: Sharing(
                from_catalogue=_distance(own, catalogue),
                within=_within(lists[system], membership, catalogue),
                from_relevant=_distance(own, wanted),
                unseen=float(np.mean(own[has] == 0)) if has.any() else float("nan"),
            )
            for system, own in exposed.items()
        },
    )


def evenness(
    values: Sequence[tuple[str, ...]],
    ranked: npt.NDArray[np.bool_],
    lists: IntArray,
    equal: bool = False,
) -> tuple[float, float]:
    """1 − Σ |exposure − goal| / 2 of all lists together, and its mean over the lists one by one.

    Args:
        values: The providers of each target; a target of several belongs to each in part.
        ranked: Which targets are ranked, shape (targets,).
        lists: The rows of the listed targets, -1 past the last, shape (q, n).
        equal: Whether the goal is the same for every provider that has ranked targets, in place of
            its share of them.
    """
    names, membership = _membership(values)
    goal = shares(membership, ranked.astype(np.float64), len(names))
    if equal:
        provides = (goal > 0) & (np.array(names) != NOBODY)
        goal = provides / max(1, np.count_nonzero(provides))
    exposed = shares(membership, exposure_of(lists, len(values)), len(names))
    return 1 - _distance(exposed, goal), 1 - _within(lists, membership, goal)


def exposure_of(lists: IntArray, size: int) -> Floats:
    """The attention that each target gets, Σ 1 / log₂(rank + 1) over lists; shape (size,).

    Args:
        lists: Rows of targets, -1 past the last, shape (q, n).
        size: How many targets there are.
    """
    weights = np.broadcast_to(1 / np.log2(np.arange(lists.shape[1]) + 2), lists.shape)
    there = lists >= 0
    return np.bincount(lists[there], weights[there], size).astype(np.float64)


def shares(membership: tuple[IntArray, IntArray, Floats], amounts: Floats, size: int) -> Floats:
    """The share of each provider of amounts that targets have; NaN where they are all 0.

    Args:
        membership: Target, provider and part of each pair of them.
        amounts: Shape (targets,).
        size: How many providers there are.
    """
    targets, providers, parts = membership
    found = np.bincount(providers, parts * amounts[targets], size)
    total = found.sum()
    return found / total if total else np.full(size, np.nan)


def _membership(
    values: Sequence[tuple[str, ...]],
) -> tuple[list[str], tuple[IntArray, IntArray, Floats]]:
    """The names of the providers, and which target belongs to which, in what part."""
    numbers: dict[str, int] = defaultdict(lambda: len(numbers))
    targets, providers, parts = [], [], []
    for target, words in enumerate(values):
        for word in words or (NOBODY,):
            targets.append(target)
            providers.append(numbers[word])
            parts.append(1 / max(len(words), 1))
    pairs = np.array(targets, np.int64), np.array(providers, np.int64), np.array(parts)
    return list(numbers), pairs


def _within(
    lists: IntArray, membership: tuple[IntArray, IntArray, Floats], catalogue: Floats
) -> float:
    """The mean distance of the shares in one list from those of the catalogue."""
    targets, providers, parts = membership
    shape = (int(targets.max(initial=-1)) + 1, len(catalogue))
    belongs = sp.csr_matrix((parts, (targets, providers)), shape=shape)
    rows, places = np.nonzero(lists >= 0)
    cells = rows, lists[rows, places]
    weights = sp.csr_matrix((1 / np.log2(places + 2), cells), shape=(len(lists), shape[0]))
    shown = sp.csr_matrix(weights @ belongs)
    sums = np.asarray(shown.sum(axis=1)).ravel()
    of_list = np.repeat(np.arange(len(lists)), np.diff(shown.indptr))
    own = catalogue[shown.indices]
    apart = np.abs(shown.data / sums[of_list] - own) - own  # what is not in the list adds up to 1
    found = (1 + np.bincount(of_list, apart, len(lists)))[sums > 0] / 2
    return float(found.mean()) if len(found) else float("nan")


def _distance(one: Floats, other: Floats) -> float:
    """Half the sum of the differences of two sets of shares: total variation."""
    return float(np.abs(one - other).sum() / 2)
