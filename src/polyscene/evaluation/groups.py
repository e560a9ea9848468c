"""User-group fairness: how well each group of users is served, and how far apart they are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import IntArray
from polyscene.data.schema import User
from polyscene.metrics.compare import Interval, interval
from polyscene.represent.attributes import sorted_out

__all__ = ["COMPUTED", "Gap", "Group", "Groups", "group_names", "groups_of"]

COMPUTED = ("activity", "mainstream")
"""Groups that need no field: by how much users did in training, and by how popular that is."""
_UNKNOWN, _OTHERS = "unknown", "others"
_MOST = 12
"""Groups that are told apart; the users of the smallest ones are counted together."""
_PARTS = 4
"""Parts of equally many users that numbers are cut into."""
_DRAWS = 2000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the users under test."""

    name: str
    users: int
    systems: dict[str, Interval]
    """The main metric of each system, with its 95 % interval."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How far the best and the worst served of the groups are apart, for one system."""

    best: str
    worst: str
    difference: float
    """Mean of the best less mean of the worst."""
    low: float
    """Lower end of the 95 % interval of that difference, the two groups being given."""
    high: float
    """Upper end of it."""
    p_value: float
    """Chance of a gap at least as large between some of the groups if users were in them at
    random."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The users under test by the value of a field."""

    field: str
    groups: list[Group]
    gaps: dict[str, Gap]
    """By system; none with fewer than two groups of at least two users."""


def group_names(
    users: Mapping[str, User],
    ids: Sequence[str],
    field: str,
    activity: IntArray,
    popularity: Floats,
) -> list[str]:
    """The group of each user.

    The values of a field or attribute; numbers of more than twelve values are cut into quarters of
    equally many users, and so are the computed `activity`, the targets that a user acted on in
    training, and `mainstream`, the mean number of users of these targets. Of a list the first value
    counts. An attribute that is called like one of the computed ones stands before it.

    Args:
        users: The records of the users that have one.
        ids: The users.
        field: Name of the field.
        activity: Targets that each user acted on in training, shape (users,).
        popularity: The mean number of users of these targets, NaN where there are none, same shape.
    """
    found = [_value(users.get(name), field) for name in ids]
    if field in COMPUTED and all(value is None for value in found):
        numbers = activity.astype(np.float64) if field == "activity" else popularity
        return _cut(numbers)
    numbers = np.array([v if isinstance(v, float) else math.nan for v in found])
    if len(np.unique(numbers[~np.isnan(numbers)])) > _MOST:
        return _cut(numbers)
    return _largest([_UNKNOWN if v is None else f"{v:g}" if isinstance(v, float) else v
                     for v in found])  # fmt: skip


def groups_of(
    field: str, names: Sequence[str], users: IntArray, values: Mapping[str, Floats], seed: int = 0
) -> Groups:
    """How well each group is served.

    Args:
        field: By what users are told apart.
        names: The group of the user of each question, of length q.
        users: The user of each question, shape (q,).
        values: The main metric by system, NaN where not defined, each of shape (q,).
        seed: Of what is drawn.
    """
    labels = np.array(names)
    order = sorted(set(names), key=lambda name: _rank(name, names))
    groups = [
        Group(
            name=name,
            users=len(np.unique(users[labels == name])),
            systems={
                system: interval(own[labels == name], users=users[labels == name])
                for system, own in values.items()
            },
        )
        for name in order
    ]
    gaps = {system: _gap(own, labels, users, seed) for system, own in values.items()}
    return Groups(field, groups, {name: gap for name, gap in gaps.items() if gap is not None})


def _gap(values: Floats, labels: npt.NDArray[np.str_], users: IntArray, seed: int) -> Gap | None:
    known = ~np.isnan(values)
    _, first, owner = np.unique(users[known], return_index=True, return_inverse=True)
    own = np.bincount(owner, values[known]) / np.maximum(np.bincount(owner), 1)
    names, group = np.unique(labels[known][first], return_inverse=True)
    sizes = np.bincount(group, minlength=len(names))
    large = np.flatnonzero((sizes >= 2) & (names != _UNKNOWN))
    if len(large) < 2:
        return None
    counted = np.isin(group, large)
    own, group = own[counted], np.searchsorted(large, group[counted])
    sizes = sizes[large]
    means = np.bincount(group, own) / sizes
    best, worst = int(np.argmax(means)), int(np.argmin(means))
    observed = means[best] - means[worst]
    rng, wider = np.random.default_rng(seed), 0
    for _ in range(_DRAWS):
        drawn = np.bincount(rng.permutation(group), own) / sizes
        wider += bool(np.ptp(drawn) >= observed - 1e-12)
    draws = [_resampled(own[group == side], rng) for side in (best, worst)]
    low, high = np.quantile(draws[0] - draws[1], (0.025, 0.975))
    return Gap(
        best=str(names[large[best]]),
        worst=str(names[large[worst]]),
        difference=float(observed),
        low=float(low),
        high=float(high),
        p_value=(1 + wider) / (1 + _DRAWS),
    )


def _resampled(values: Floats, rng: np.random.Generator) -> Floats:
    """Means of users drawn with replacement, shape (draws,)."""
    counts = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), _DRAWS)
    return np.asarray(counts @ values / len(values))


def _value(user: User | None, field: str) -> str | float | None:
    """The value of a field of a user, in lower case; None where it has none."""
    if user is None:
        return None
    if field == "language":
        return user.language
    if field == "tags":
        return user.tags[0].casefold() if user.tags else None
    value = user.attributes.get(field)
    if value is None:
        return None
    numbers, texts = sorted_out({field: value})
    if field in numbers:
        return float(numbers[field])
    return texts[field][0].casefold() if texts.get(field) else None


def _cut(numbers: Floats) -> list[str]:
    """The quarter of each number, named by its bounds; equal numbers are never parted."""
    known = np.sort(numbers[~np.isnan(numbers)])
    if not len(known):
        return [_UNKNOWN] * len(numbers)
    bounds = np.unique(known[(len(known) * np.arange(_PARTS)) // _PARTS])
    place = np.searchsorted(bounds, numbers, side="right") - 1
    ends = [known[np.searchsorted(known, end) - 1] for end in bounds[1:]] + [known[-1]]
    names = [f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
             for low, high in zip(bounds, ends, strict=True)]  # fmt: skip
    return [_UNKNOWN if math.isnan(number) else names[at]
            for number, at in zip(numbers.tolist(), place.tolist(), strict=True)]  # fmt: skip


def _largest(names: list[str]) -> list[str]:
    """The names with those of the smallest groups replaced, so that there are not too many."""
    counts = Counter(name for name in names if name != _UNKNOWN)
    if len(counts) <= _MOST:
        return names
    kept = {name for name, _ in counts.most_common(_MOST - 1)} | {_UNKNOWN}
    return [name if name in kept else _OTHERS for name in names]


def _rank(name: str, names: Sequence[str]) -> tuple[bool, float, int, str]:
    """The place of a group: numbers by size, others by users, the unknown last."""
    try:
        number = float(name.split(" to ")[0])
    except ValueError:
        number = math.inf
    return name in (_UNKNOWN, _OTHERS), number, -names.count(name), name
