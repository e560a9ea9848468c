"""The real client of Gorse, against a real port."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import tiny_world
from served import eventually, listening

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the client's own imports
    gorse = pytest.importorskip("gorse")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with listening(tmp_path_factory.mktemp("gorse")) as found:
        yield found


@pytest.fixture
def client(address: str) -> gorse.Gorse:
    return gorse.Gorse(address, "", timeout=10)


def names(scores: list[gorse.Score]) -> list[str]:
    return [score.id for score in scores]


def test_recommendations_with_scores_and_pages(client: gorse.Gorse) -> None:
    """Bo collects maps; the second page goes on where the first ends."""
    found = client.get_recommend("bo", n=4)
    assert set(names(found)[:2]) == {"map-2", "map-3"}
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert names(client.get_recommend("bo", n=2, offset=2)) == names(found)[2:]


def test_feedback_changes_the_next_list_and_counts_once(client: gorse.Gorse) -> None:
    assert "map-3" not in names(client.get_recommend("g1", n=2))
    for item in ("map-1", "map-2", "map-2"):
        client.insert_feedback("purchase", "g1", item, "2026-11-20T10:00:00Z")
    rows = client.list_feedbacks("purchase", "g1")
    assert [row["ItemId"] for row in rows] == ["map-2", "map-1"]
    assert rows[0]["Timestamp"] == "2026-11-20T10:00:00Z"
    assert names(client.get_recommend("g1", n=1)) == ["map-3"]
    assert client.delete_feedback("g1", "map-2") == {"RowAffected": 1}
    assert len(client.list_feedbacks("purchase", "g1")) == 1
    everything, cursor = client.get_feedbacks(3)
    more, _ = client.get_feedbacks(1000, cursor)
    assert len(everything) == 3
    assert everything[-1] not in more


def test_items_are_written_read_changed_found_and_removed(client: gorse.Gorse) -> None:
    item = {
        "ItemId": "lamp",
        "IsHidden": False,
        "Categories": ["home"],
        "Timestamp": "2026-11-01T00:00:00Z",
        "Labels": ["brass"],
        "Comment": "Brass lamp",
    }
    assert client.insert_item(item) == {"RowAffected": 1}
    assert client.get_item("lamp") == item
    client.insert_feedback("purchase", "g2", "tea-1", "2026-11-20T10:00:00Z")
    eventually(lambda: names(client.get_recommend("g2", "home")) == ["lamp"])
    assert [one["ItemId"] for one in client.search_items("brass lamp", 1)] == ["lamp"]
    client.update_item("lamp", is_hidden=True)
    eventually(lambda: names(client.get_recommend("g2", "home")) == [])
    assert client.get_item("lamp")["Comment"] == "Brass lamp"
    page, cursor = client.get_items(5)
    following, _ = client.get_items(5, cursor)
    assert len(page) == len(following) == 5
    assert page[-1] not in following
    assert client.delete_item("lamp") == {"RowAffected": 1}
    with pytest.raises(gorse.GorseException) as refused:
        client.get_item("lamp")
    assert refused.value.status_code == 404


def test_a_change_leaves_what_gorse_has_no_field_for(client: gorse.Gorse, address: str) -> None:
    """The place and the kind of an activity stay, and so does that it has no time."""
    before = httpx.get(f"{address}/v1/items/trip-1").json()
    client.update_item("trip-1", labels=["hills"])
    after = httpx.get(f"{address}/v1/items/trip-1").json()
    assert after == before | {"tags": ["hills"]}
    client.update_item("trip-1", categories=["out"])
    assert httpx.get(f"{address}/v1/items/trip-1").json()["categories"] == ["out"]
    client.update_item("trip-1", categories=[], labels=before["tags"])
    assert httpx.get(f"{address}/v1/items/trip-1").json() == before


def test_what_is_written_is_recommended_where_content_is(tmp_path: Path) -> None:
    """Gorse knows no kinds: new items are of the kind that is recommended."""
    with listening(tmp_path, {"news": tiny_world.SCENARIOS["news"]}) as address:
        client = gorse.Gorse(address, "", timeout=10)
        fair = {"ItemId": "n-9", "Labels": ["tea"], "Categories": ["trade"], "Comment": "Tea fair"}
        client.insert_item(fair | {"IsHidden": False, "Timestamp": ""})
        eventually(lambda: names(client.get_recommend("ann", "trade")) == ["n-9"])
        client.insert_feedback("click", "bo", "n-10", "")
        assert httpx.get(f"{address}/v1/items/n-10").json()["kind"] == "content"


def test_users_are_written_read_and_erased(client: gorse.Gorse) -> None:
    user = {"UserId": "g3", "Labels": ["maps"], "Comment": ""}
    assert client.insert_user(user) == {"RowAffected": 1}
    assert client.insert_users([user, {"UserId": "g4", "Labels": []}]) == {"RowAffected": 2}
    assert client.get_user("g3") == user
    assert names(client.get_recommend("g3", n=1))[0].startswith("map-")
    assert {"ann", "bo"} <= {one["UserId"] for one in client.get_users(5)[0]}
    assert client.delete_user("g3") == {"RowAffected": 1}
    with pytest.raises(gorse.GorseException):
        client.get_user("g3")


def test_sessions_neighbours_and_notes_of_what_was_shown(client: gorse.Gorse) -> None:
    row = {"FeedbackType": "purchase", "ItemId": "map-1", "Timestamp": ""}
    for session in ([row], [row | {"UserId": ""}]):
        found = client.session_recommend(session, n=2)
        assert {one["Id"] for one in found} == {"map-2", "map-3"}
    near = client.get_neighbors("map-1", n=2)
    assert {one["Id"] for one in near} == {"map-2", "map-3"}
    shown = names(client.get_recommend("g5", n=2, write_back_type="read"))
    assert {row["ItemId"] for row in client.list_feedbacks("read", "g5")} == set(shown)
    client.insert_feedback("like", "g5", "never-seen", "2026-11-20T10:00:00Z")
    assert client.get_item("never-seen")["Comment"] == ""


def test_the_client_without_blocking(address: str) -> None:
    async def ask() -> list[str]:
        return names(await gorse.AsyncGorse(address, "").get_recommend("bo", n=1))

    assert asyncio.run(ask()) == ["map-2"]
