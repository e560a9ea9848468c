"""What is over, and what is too far."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planes import NOW
from polyscene.data.schema import Item, User
from polyscene.represent.targets import Targets
from polyscene.rerank.attend import EARTH_KM, Attendance, distances_km
from polyscene.settings import Attend

HOUR = 3600.0


def missed(attend: Attend, *items: dict[str, Any], **user: Any) -> list[bool]:
    targets = Targets()
    targets.put([Item(item_id=f"i{place}", **fields) for place, fields in enumerate(items)])
    rows, asking = np.arange(len(items)), User(user_id="u", **user)
    return list(map(bool, Attendance(attend).out_of_reach(targets, rows, asking, NOW)))


def test_what_has_started_is_over_at_that_second() -> None:
    """Started now, in an hour, never said, not a time: only the first is over."""
    times = [{"starts_at": NOW}, {"starts_at": NOW + HOUR}, {}, {"starts_at": "soon"}]
    assert missed(Attend(until="start"), *times) == [True, False, False, False]
    assert missed(Attend(), *times) == [False] * 4


def test_until_the_end_what_runs_is_shown() -> None:
    """Running, ended, and started without an end."""
    times = [
        {"starts_at": NOW - HOUR, "ends_at": NOW + HOUR},
        {"starts_at": NOW - 2 * HOUR, "ends_at": NOW - HOUR},
        {"starts_at": NOW - HOUR},
        {"ends_at": NOW - HOUR},
    ]
    assert missed(Attend(until="end"), *times) == [False, True, True, True]
    assert missed(Attend(until="start"), *times) == [True] * 4


def test_times_may_be_written_out() -> None:
    """NOW is 2027-01-15 08:00 UTC, 09:00 in Berlin."""
    times = [{"starts_at": "2027-01-15T09:00:00+01:00"}, {"starts_at": "2027-01-15T09:00:00"}]
    assert missed(Attend(until="start"), *times) == [True, False]


def test_an_activity_that_was_moved_counts_at_once() -> None:
    """It was to start an hour ago, and now starts in an hour."""
    targets, reach = Targets(), Attendance(Attend(until="start"))
    rows, user = np.arange(1), User(user_id="u")
    targets.put([Item(item_id="walk", starts_at=NOW - HOUR)])
    assert reach.out_of_reach(targets, rows, user, NOW).tolist() == [True]
    targets.put([Item(item_id="walk", starts_at=NOW + HOUR)])
    assert reach.out_of_reach(targets, rows, user, NOW).tolist() == [False]


def test_a_degree_of_the_equator_and_a_quarter_of_the_earth() -> None:
    """R·π/180 = 111.195 km; pole to equator R·π/2; over the date line 2 degrees, not 358."""
    places = np.array([[0, 1], [90, 50], [0, -180], [np.nan, 0]], np.float64)
    found = distances_km((0.0, 0.0), places)
    assert found[:3] == pytest.approx([111.195, EARTH_KM * np.pi / 2, EARTH_KM * np.pi], abs=1e-3)
    assert np.isnan(found[3])
    across = distances_km((0.0, 179.0), np.array([[0.0, -179.0]]))
    assert across == pytest.approx([2 * 111.195], abs=1e-3)


def test_only_what_is_near_is_shown() -> None:
    """Berlin to Potsdam is 27 km, to Hamburg 255; unknown places and impossible ones pass."""
    places = [
        {"latitude": 52.39, "longitude": 13.06},
        {"latitude": 53.55, "longitude": 9.99},
        {},
        {"latitude": 530.0, "longitude": 9.99},
    ]
    berlin = {"latitude": 52.52, "longitude": 13.40}
    assert missed(Attend(radius_km=30), *places, **berlin) == [False, True, False, False]
    assert missed(Attend(radius_km=20), *places, **berlin) == [True, True, False, False]
    assert missed(Attend(radius_km=30), *places) == [False] * 4
