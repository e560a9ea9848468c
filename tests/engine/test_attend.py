"""Activities are shown while one can still come, to those who are near."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import tiny_world
from polyscene.data.schema import Item, User
from polyscene.engine import Engine
from tiny_world import DAY, NOW, ids, reopen


def trip(name: str, **fields: Any) -> Item:
    return Item(item_id=name, kind="activity", title=f"harbour walk {name}", **fields)


TRIPS = [
    trip("over", starts_at=NOW - 2 * DAY, ends_at=NOW - DAY),
    trip("running", starts_at=NOW - DAY, ends_at=NOW + DAY, latitude=38.7, longitude=-9.1),
    trip("ahead", starts_at=NOW + DAY, latitude=41.2, longitude=-8.6),
    trip("any"),
]
PEOPLE = [User(user_id="lis", latitude=38.7, longitude=-9.2), User(user_id="nowhere")]


@pytest.fixture(scope="module")
def trips(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("trips")
    with tiny_world.make(path, {"travel": {"preset": "travel"}}, items=TRIPS, users=PEOPLE,
                         events=[]) as engine:  # fmt: skip
        yield engine


def shown(engine: Engine, user: str, days: float = 0, **attend: Any) -> set[str]:
    spec = {"travel": {"preset": "travel", **({"attend": attend} if attend else {})}}
    with reopen(engine.workspace.path, spec) as own:
        return set(ids(own.recommend(user, "travel", 10, now=NOW + days * DAY)))


def test_the_preset_shows_what_has_not_started(trips: Engine) -> None:
    """The question's own time counts: two days later what is ahead has started too."""
    assert shown(trips, "nowhere") == {"ahead", "any"}
    assert shown(trips, "nowhere", days=2) == {"any"}
    assert shown(trips, "nowhere", days=-3) == {"over", "running", "ahead", "any"}


def test_what_runs_is_shown_until_its_end(trips: Engine) -> None:
    assert shown(trips, "nowhere", until="end") == {"running", "ahead", "any"}


def test_what_is_far_is_not_shown_to_those_whose_place_is_known(trips: Engine) -> None:
    """ahead is in Porto, 280 km from Lisbon."""
    assert shown(trips, "lis", until="end", radius_km=50) == {"running", "any"}
    assert shown(trips, "lis", until="end", radius_km=300) == {"running", "ahead", "any"}
    assert shown(trips, "nowhere", until="end", radius_km=50) == {"running", "ahead", "any"}
