"""Which targets one can no longer come to, or only from too far away."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import IntArray, Mask
from polyscene.data.schema import User
from polyscene.expressions import Kind
from polyscene.represent.attributes import read_as, sorted_out
from polyscene.represent.targets import Targets
from polyscene.settings import Attend

__all__ = ["EARTH_KM", "Attendance", "distances_km", "full"]

EARTH_KM = 6371.0088
"""Mean radius of the Earth."""

Values = npt.NDArray[np.float64]


class Attendance:
    """What is out of reach by time or place.

    Args:
        attend: What is declared.
    """

    def __init__(self, attend: Attend) -> None:
        self._until = attend.until
        self._radius = attend.radius_km
        self._read: tuple[Targets, int, Values, Values] | None = None

    def __bool__(self) -> bool:
        return self._until != "always" or self._radius is not None

    def out_of_reach(self, targets: Targets, rows: IntArray, user: User, now: float) -> Mask:
        """Those of some rows that are over or too far for a user at a moment, shape (rows,).

        O(rows), besides O(targets) the first time.

        Args:
            targets: The targets of a space.
            rows: Which of them.
            user: The user.
            now: The moment, seconds since 1970-01-01 UTC.
        """
        closes, places = self._columns(targets)
        missed: Mask = closes[rows] <= now
        if self._radius is not None:
            numbers, _ = sorted_out(user.attributes)
            missed |= distances_km(_place(numbers), places[rows]) > self._radius
        return missed

    def _columns(self, targets: Targets) -> tuple[Values, Values]:
        """When each target closes, NaN for never, and its place; kept, since texts read slowly."""
        kept = self._read
        if kept is None or kept[0] is not targets or kept[1] != targets.changes:
            starts, ends = _times(targets, "starts_at"), _times(targets, "ends_at")
            closes = {
                "always": np.full(len(targets), np.nan),
                "start": np.fmin(starts, ends),
                "end": np.where(np.isnan(ends), starts, ends),
            }[self._until]
            places = np.array([_place(numbers) for numbers in targets.numbers]).reshape(-1, 2)
            kept = self._read = targets, targets.changes, closes, places
        return kept[2], kept[3]


def full(capacity: Values, taken: IntArray) -> Mask:
    """Which targets have no place left, shape (targets,).

    Args:
        capacity: How many places each has, NaN for no limit, shape (targets,).
        taken: How many of them are taken; of those beyond its end none.
    """
    held = np.zeros(len(capacity))
    held[: len(taken)] = taken[: len(capacity)]
    found: Mask = held >= capacity
    return found


def distances_km(here: tuple[float, float], places: Values) -> Values:
    """The great-circle distance to each place, NaN where one is unknown.

        d = 2R · asin √( sin²(Δφ/2) + cos φ · cos φ' · sin²(Δλ/2) )        (haversine)

    Args:
        here: Latitude φ and longitude λ, degrees.
        places: The same of each place, shape (m, 2).
    """
    (latitude, longitude), others = np.radians(here), np.radians(places)
    half = (others - [latitude, longitude]) / 2
    across = np.cos(latitude) * np.cos(others[:, 0]) * np.sin(half[:, 1]) ** 2
    root = np.sqrt(np.clip(np.sin(half[:, 0]) ** 2 + across, 0, 1))
    return np.asarray(2 * EARTH_KM * np.arcsin(root), np.float64)


def _place(numbers: dict[str, float]) -> tuple[float, float]:
    """Latitude and longitude in degrees, NaN both where they are none."""
    latitude, longitude = numbers.get("latitude", math.nan), numbers.get("longitude", math.nan)
    if abs(latitude) <= 90 and abs(longitude) <= 180:
        return latitude, longitude
    return math.nan, math.nan


def _times(targets: Targets, name: str) -> Values:
    found: Iterable[float] = (
        read_as(Kind.TIME, numbers.get(name), texts.get(name))
        for numbers, texts in zip(targets.numbers, targets.texts, strict=True)
    )
    return np.fromiter(found, np.float64, len(targets))
