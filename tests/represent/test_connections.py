from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.data.dataset import NO_LINKS, Links
from polyscene.represent.connections import BLOCKS, FRIENDS, MUTUAL, Connections


def around(*triples: tuple[str, str, str]) -> Connections:
    return Connections.of(Links.of(triples))


@pytest.mark.parametrize("predicate", sorted(MUTUAL))
def test_friendship_holds_in_both_directions(predicate: str) -> None:
    found = around(("a", predicate, "b"))
    assert found.friends("a") == ["b"]
    assert found.friends("b") == ["a"]
    assert found.apart("a") == []


@pytest.mark.parametrize("predicate", sorted(FRIENDS - MUTUAL))
def test_following_holds_in_one(predicate: str) -> None:
    found = around(("a", predicate, "b"))
    assert found.friends("a") == ["b"]
    assert found.friends("b") == []


@pytest.mark.parametrize("predicate", sorted(BLOCKS))
def test_blocking_keeps_both_apart_and_connects_nobody(predicate: str) -> None:
    found = around(("a", predicate, "b"))
    assert found.apart("a") == ["b"]
    assert found.apart("b") == ["a"]
    assert found.friends("a") == []


def test_other_relations_do_not_connect() -> None:
    found = around(("a", "likes", "b"), ("tea", "author", "a"), ("a", "Friend", "b"))
    assert found.friends("a") == []
    assert found.apart("a") == []
    assert list(found.pairs()) == []


def test_each_is_named_once_in_the_order_told() -> None:
    """Told twice, in other words and from the other side, it is one friendship."""
    found = around(
        ("a", "friend", "c"), ("a", "follows", "b"), ("c", "knows", "a"), ("a", "follow", "c")
    )
    assert found.friends("a") == ["c", "b"]
    assert found.friends("c") == ["a"]
    assert set(found.pairs()) == {("a", "c"), ("a", "b"), ("c", "a")}


def test_friend_and_block_stand_side_by_side() -> None:
    """Which of them counts is for those who ask."""
    found = around(("a", "friend", "b"), ("b", "blocks", "a"))
    assert found.friends("a") == ["b"]
    assert found.apart("a") == ["b"]


def test_nobody_has_connections_without_relations() -> None:
    assert Connections.of(NO_LINKS).friends("a") == []
    assert Connections.of(NO_LINKS).apart("a") == []
    assert list(Connections.of(NO_LINKS).pairs()) == []


def test_the_answers_are_copies() -> None:
    found = around(("a", "friend", "b"))
    found.friends("a").append("c")
    assert found.friends("a") == ["b"]
    assert found.friends("stranger") == []


names = st.sampled_from("abcd")
triples = st.lists(
    st.tuples(names, st.sampled_from(["friend", "follows", "blocks", "likes"]), names)
)


@given(triples)
def test_pairs_are_what_friends_says(told: list[tuple[str, str, str]]) -> None:
    found = around(*told)
    pairs = list(found.pairs())
    assert len(set(pairs)) == len(pairs)
    assert set(pairs) == {(user, other) for user in "abcd" for other in found.friends(user)}
    for user, _, other in (triple for triple in told if triple[1] == "friend"):
        assert {(user, other), (other, user)} <= set(pairs)
    for user in "abcd":
        assert all(user in found.apart(other) for other in found.apart(user))


@given(triples)
def test_only_ones_own_relations_are_needed(told: list[tuple[str, str, str]]) -> None:
    """The relations about or to a user tell the same of that user as all relations do."""
    whole = around(*told)
    for user in "abcd":
        own = around(*(triple for triple in told if user in (triple[0], triple[2])))
        assert own.friends(user) == whole.friends(user)
        assert own.apart(user) == whole.apart(user)
