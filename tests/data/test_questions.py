"""Questions are distinct pairs of user and context, and are found again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from planes import dataset
from polyscene.data.questions import Questions

pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 5)), max_size=30)


def arrays(found: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(found, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@given(pairs)
def test_each_pair_once_in_order(found: list[tuple[int, int]]) -> None:
    asked = Questions.of(*arrays(found))
    assert list(zip(asked.users.tolist(), asked.contexts.tolist(), strict=True)) == sorted(
        set(found)
    )


@given(pairs, pairs)
def test_a_pair_is_found_where_it_is(
    found: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    """And nowhere where it is not, whatever else is asked for."""
    asked, wanted = Questions.of(*arrays(found)), [*found, *others]
    rows = asked.rows(*arrays(wanted)).tolist()
    for pair, row in zip(wanted, rows, strict=True):
        if row < 0:
            assert pair not in found
        else:
            assert (asked.users[row], asked.contexts[row]) == pair


def test_some_of_them() -> None:
    asked = Questions.of(np.array([3, 1, 3]), np.array([-1, 2, 0]))
    assert asked.take(np.array([True, False, True])).contexts.tolist() == [2, 0]
    assert asked.take(np.array([1])).users.tolist() == [3]


def test_what_is_held_out_is_asked_for_once_and_friends_about_nothing() -> None:
    """b did two things about i0 and one about nothing, and is a friend of a."""
    held = dataset([("b", name, "like", None, 1.0) for name in ("i1", "i2", "i3")],
                   ["i0", "i1", "i2", "i3"], ["a", "b"], about=["i0", "i0", None])  # fmt: skip
    asked = Questions.asked(held, [np.array([[0, 1], [1, 0]])])
    assert (asked.users.tolist(), asked.contexts.tolist()) == ([0, 1, 1], [-1, -1, 0])
