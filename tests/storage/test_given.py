"""Tags that users gave, and a store without some of them."""

from __future__ import annotations

import pytest

from polyscene.data.schema import Item, User
from polyscene.data.tags import GivenTag
from polyscene.storage import Store, Untold, given_tags

ITEMS = [
    Item(item_id="tea", tags=["Drinks", "green", "hot"]),
    Item(item_id="map", tags=["paper"]),
    Item(item_id="new", tags=["mine"]),
]
GIVEN = [
    GivenTag("ann", "tea", "green", 10.0),
    GivenTag("bo", "tea", "green", 20.0),
    GivenTag("bo", "tea", "hot", 30.0),
    GivenTag("cy", "tea", "cold"),
    GivenTag("bo", "new", "old", 5.0),
]


@pytest.fixture
def filled(store: Store) -> Store:
    with store.write() as writer:
        writer.put_items(ITEMS)
        writer.put_users([User(user_id="bo", tags=["hot"]), User(user_id="ann", tags=["hot"])])
        writer.put_given_tags("a", GIVEN)
    return store


def tags(store: Store, item_id: str) -> list[str]:
    found = store.item(item_id)
    assert found is not None
    (same,) = store.items([item_id])
    assert same == found
    return found.tags


def test_given_tags_are_those_of_every_origin(store: Store) -> None:
    """What an origin has replaces what it had, and nothing else; no row counts twice."""
    one, two, three = (GivenTag(name, "i", "t", None) for name in "uvw")
    with store.write() as writer:
        writer.put_given_tags("a", [two, one, one])
        writer.put_given_tags("b", [three])
    assert list(given_tags(store)) == [one, two, three]
    assert list(given_tags(store, "w")) == [three]
    with store.write() as writer:
        writer.put_given_tags("a", [two])
        writer.put_given_tags("b", [])
    assert list(given_tags(store)) == [two]


def test_a_tag_stays_as_long_as_somebody_else_gave_it(filled: Store) -> None:
    assert tags(Untold(filled, ["ann"]), "tea") == ["Drinks", "cold", "green", "hot"]
    untold = Untold(filled, ["ann", "bo"])
    assert tags(untold, "tea") == ["Drinks", "cold"]
    assert untold.givers == {"ann", "bo"}
    assert [item.item_id for item in untold.changed_items()] == ["tea"]


def test_what_was_given_later_is_left_out_whoever_gave_it(filled: Store) -> None:
    """From the moment on; what has no time stays."""
    untold = Untold(filled, [], since=20.0)
    assert tags(untold, "tea") == ["Drinks", "cold", "green"]
    assert untold.givers == {"bo"}


def test_tags_that_were_replaced_meanwhile_stay(filled: Store) -> None:
    """Of "new" and "map" nobody gave what they have now."""
    untold = Untold(filled, ["ann", "bo", "cy"])
    assert tags(untold, "new") == ["mine"]
    assert tags(untold, "map") == ["paper"]


def test_the_tags_of_those_who_gave_them_go_too(filled: Store) -> None:
    """Only those that they gave: Ann gave nothing that was hot."""
    untold = Untold(filled, ["ann", "bo"])
    assert {user.user_id: user.tags for user in untold.users()} == {"bo": [], "ann": ["hot"]}
    for name, left in ("bo", []), ("ann", ["hot"]):
        user, person = untold.user(name), untold.person(name, ())
        assert user is not None
        assert person is not None
        assert user == person.user
        assert user.tags == left
    assert untold.user("nobody") is untold.item("nothing") is untold.person("nobody", ()) is None


def test_the_store_itself_stays_as_it_was(filled: Store) -> None:
    before = list(filled.items()), list(filled.users()), list(given_tags(filled))
    Untold(filled, ["ann", "bo", "cy"])
    assert (list(filled.items()), list(filled.users()), list(given_tags(filled))) == before


def test_tags_go_with_their_item_and_their_giver(filled: Store) -> None:
    with filled.write() as writer:
        writer.remove_item("new")
        assert writer.erase_user("ann")["tags given"] == 1
    assert list(given_tags(filled)) == [*GIVEN[1:4]]
