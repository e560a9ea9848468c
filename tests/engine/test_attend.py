"""Activities are shown while one can still come, to those who are near."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tiny_world
from polyscene.data.schema import Event, Item, User
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


def test_what_is_full_is_not_shown_until_somebody_gives_a_place_back(tmp_path: Path) -> None:
    """Two places: booked by two, cancelled by one. An event counts at once, in every list."""
    items = [trip("small", capacity=2), trip("closed", capacity=0), trip("any", capacity="no")]
    spec = {"travel": {"preset": "travel", "attend": {"until": "always"}}}

    def act(user: str, action: str, when: float) -> None:
        engine.record(Event(user_id=user, item_id="small", action=action, timestamp=when))

    def seen() -> set[str]:
        return set(ids(engine.recommend("ann", "travel", 10, now=NOW)))

    with tiny_world.make(tmp_path, spec, items=items, users=[], events=[]) as engine:
        assert seen() == {"small", "any"}
        act("ben", "book", NOW - 3)
        act("ben", "book", NOW - 2)
        assert "small" in seen()
        act("cyd", "book", NOW - 2)
        assert seen() == {"any"}
        assert ids(engine.similar("any", "travel")) == []
        assert set(ids(engine.recommend_many(["ann"], "travel", now=NOW).__next__())) == {"any"}
        act("cyd", "cancel", NOW - 1)
        assert "small" in seen()
        engine.ingest(items=_csv(tmp_path, "item_id,title,kind,capacity\nsmall,Walk,activity,1\n"))
        assert "small" not in seen()


def test_without_actions_that_take_places_a_capacity_says_nothing(tmp_path: Path) -> None:
    spec = {"travel": {"preset": "travel", "attend": {"until": "always", "takes": []}}}
    items = [trip("kettle", capacity=0)]
    with tiny_world.make(tmp_path, spec, items=items, users=[], events=[]) as engine:
        assert ids(engine.recommend("ann", "travel", 10, now=NOW)) == ["kettle"]


def _csv(folder: Path, text: str) -> Path:
    path = folder / "items.csv"
    path.write_text(text, "utf-8")
    return path
