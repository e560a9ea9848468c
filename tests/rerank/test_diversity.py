"""What a candidate adds to a list: by hand, and against the definitions."""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.rerank.diversity import (
    Calibrated,
    Dpp,
    Mmr,
    TextLikeness,
    WordLikeness,
    mix,
)
from polyscene.rerank.select import Preference, select

ANGLES = np.radians([0, 60, 90, 0])
VECTORS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
"""A, B at 60° from it, C at 90°, and D in the direction of A."""
VALUES = np.array([1.0, 0.8, 0.5, 0.0])


def text(head: int = 4) -> TextLikeness:
    return TextLikeness(VECTORS, np.arange(4), head)


def order(preference: Preference, size: int = 4, n: int = 4) -> list[int]:
    return [choice.position for choice in select(preference, size, n)]


class TestLikeness:
    def test_of_texts_is_the_cosine(self) -> None:
        np.testing.assert_allclose(text()(0), [1, 0.5, 0, 1], atol=1e-6)
        np.testing.assert_allclose(text(2)(2), [0, np.sin(ANGLES[1])], atol=1e-6)

    def test_targets_without_text_are_alike(self) -> None:
        vectors = np.array([[1, 0], [0, 0], [0, 0]], np.float32)
        blank = TextLikeness(vectors, np.arange(3), 3)
        assert blank(1).tolist() == [0, 1, 1]
        assert blank(0).tolist() == [1, 0, 0]

    def test_of_words_is_what_is_shared(self) -> None:
        """{a, b} and {a}: 1/√2; {a, b} and {b, c}: 1/2; nothing is like nothing."""
        likeness = WordLikeness([("a", "b"), ("a",), ("b", "c"), (), ()], 5)
        np.testing.assert_allclose(likeness(0), [1, 1 / sqrt(2), 0.5, 0, 0])
        np.testing.assert_allclose(likeness(3), [0, 0, 0, 1, 1])
        np.testing.assert_allclose(WordLikeness([("a",), ("b",), ("a",)], 2)(2), [1, 0])


class TestMmr:
    def test_by_hand(self) -> None:
        """s = 0.5: A first; then B 0.4 - 0.25, C 0.25 - 0, D 0 - 0.5: C; then B 0.4 - 0.433."""
        preference = Mmr(VALUES, 0.5, 4, text())
        assert preference.gains() == pytest.approx([0.5, 0.4, 0.25, 0])
        preference.add(0)
        assert preference.gains() == pytest.approx([0, 0.15, 0.25, -0.5], abs=1e-6)
        preference.add(2)
        assert preference.gains() == pytest.approx([0, -0.033, -0.25, -0.5], abs=1e-3)
        assert order(Mmr(VALUES, 0.5, 4, text())) == [0, 2, 1, 3]

    def test_what_points_away_is_not_better_than_what_is_unlike(self) -> None:
        vectors = np.array([[1, 0], [-1, 0], [0, 1]], np.float32)
        preference = Mmr(np.array([2.0, 1, 0]), 0.5, 3, TextLikeness(vectors, np.arange(3), 3))
        preference.add(0)
        assert preference.gains()[1:] == pytest.approx([0.25, 0])


class TestDpp:
    def test_by_hand(self) -> None:
        """L has 1 on its diagonal and cos/1.1 beside it: det of {A, B} is 1 - (0.5/1.1)²."""
        preference = Dpp(VALUES, 0.5, 4, text())
        assert preference.gains() == pytest.approx([0.5, 0.4, 0.25, 0])
        preference.add(0)
        gains = preference.gains()
        assert gains[1] == pytest.approx(0.4 + 0.5 * log(1 - (0.5 / 1.1) ** 2))
        assert gains[2] == pytest.approx(0.25)
        assert gains[3] == pytest.approx(0.5 * log(1 - 1 / 1.21))

    @given(st.integers(0, 1000), st.floats(0.05, 0.95))
    def test_what_it_adds_is_the_growth_of_the_determinant(self, seed: int, s: float) -> None:
        """At every step, of random vectors in five dimensions, more of them than dimensions."""
        rng = np.random.default_rng(seed)
        vectors = rng.standard_normal((12, 5)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        values = np.sort(rng.random(12))[::-1]
        fits = (values - values[-1]) / (values[0] - values[-1])
        preference = Dpp(values, s, 12, TextLikeness(vectors, np.arange(12), 12))
        kernel = (vectors.astype(np.float64) @ vectors.T + 0.1 * np.eye(12)) / 1.1
        taken: list[int] = []
        for _ in range(6):
            gains = preference.gains()
            for other in set(range(12)) - set(taken):
                both = [*taken, other]
                grown = np.linalg.det(kernel[np.ix_(both, both)])
                before = np.linalg.det(kernel[np.ix_(taken, taken)]) if taken else 1.0
                expected = (1 - s) * fits[other] + s * log(grown / before)
                assert gains[other] == pytest.approx(expected, abs=1e-4)
            gains[taken] = -np.inf
            best = int(np.argmax(gains))
            preference.add(best)
            taken.append(best)

    def test_many_of_a_kind_remain_possible(self) -> None:
        """Ten equal words: the list has all of them, by value."""
        likeness = WordLikeness([("a",)] * 10, 10)
        values = np.arange(10, 0, -1).astype(np.float64)
        assert order(Dpp(values, 0.9, 10, likeness), 10, 10) == list(range(10))


class TestCalibrated:
    WORDS = [("tea",), ("tea",), ("maps",), ("maps", "tea"), ()]
    WANTED = {"tea": 0.75, "maps": 0.25}

    def made(self, strength: float, values: list[float]) -> Calibrated:
        return Calibrated(np.array(values), strength, 5, self.WORDS, self.WANTED)

    def test_by_hand(self) -> None:
        """After one tea: of all lists of two, tea and (maps, tea) are 3/4 tea: no divergence."""
        preference = self.made(1.0, [1, 1, 1, 1, 1])
        preference.add(0)
        gains = preference.gains()
        assert gains[3] == pytest.approx(0, abs=1e-9)

        def divergence(tea: float, maps: float) -> float:
            mixed = [0.99 * tea + 0.01 * 0.75, 0.99 * maps + 0.01 * 0.25]
            return 0.75 * log(0.75 / mixed[0]) + 0.25 * log(0.25 / mixed[1])

        assert gains[1] == pytest.approx(-divergence(1, 0))
        assert gains[2] == pytest.approx(-divergence(0.5, 0.5))
        assert gains[4] == pytest.approx(-divergence(0.5, 0))

    def test_a_long_list_comes_to_the_proportions_of_the_user(self) -> None:
        """30 teas before 10 maps by value; of 8 places, 2 are for maps."""
        words = [("tea",)] * 30 + [("maps",)] * 10
        values = np.arange(40, 0, -1).astype(np.float64)
        chosen = order(Calibrated(values, 1.0, 40, words, self.WANTED), 40, 8)
        assert sum(position >= 30 for position in chosen) == 2

    def test_the_mix_of_a_history(self) -> None:
        """tea 1 + 0.5, maps 0.5 of 2 in all; dislikes and what has no value do not count."""
        found = mix([("tea",), ("tea", "maps"), ("golf",), ()], np.array([1, 1, -1, 3]))
        assert found == {"tea": 0.75, "maps": 0.25}
        assert mix([], np.zeros(0)) == {}

    def test_the_mix_is_that_of_the_leading_values(self) -> None:
        words = [(f"w{number}",) for number in range(80)]
        found = mix(words, np.arange(80, 0, -1))
        assert list(found) == [f"w{number}" for number in range(50)]
        assert sum(found.values()) == pytest.approx(1)


Maker = Callable[[np.ndarray, float, int], Preference]  # type: ignore[type-arg]


def makers(seed: int, size: int) -> list[Maker]:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((size, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    words = [tuple({"abc"[k] for k in rng.integers(0, 3, rng.integers(0, 3))}) for _ in range(size)]
    rows = np.arange(size)
    return [
        lambda v, s, head: Mmr(v, s, head, TextLikeness(vectors, rows, head)),
        lambda v, s, head: Mmr(v, s, head, WordLikeness(words, head)),
        lambda v, s, head: Dpp(v, s, head, TextLikeness(vectors, rows, head)),
        lambda v, s, head: Dpp(v, s, head, WordLikeness(words, head)),
        lambda v, s, head: Calibrated(v, s, head, words, {"a": 0.6, "b": 0.4}),
    ]


@given(
    st.integers(0, 1000),
    st.lists(st.floats(-10, 10), min_size=1, max_size=15),
    st.integers(1, 15),
    st.integers(1, 15),
    st.floats(0, 1),
)
def test_nothing_is_invented_and_strength_0_changes_nothing(
    seed: int, values: list[float], head: int, n: int, strength: float
) -> None:
    """With any method; and gains are finite whatever was added."""
    ranked = np.array(sorted(values, reverse=True))
    for make in makers(seed, len(ranked)):
        chosen = order(make(ranked, strength, head), len(ranked), n)
        assert len(chosen) == len(set(chosen)) == min(n, len(ranked))
        preference = make(ranked, strength, head)
        for position in chosen:
            preference.add(position)
        assert np.isfinite(preference.gains()).all()
        unchanged = order(make(ranked, 0.0, head), len(ranked), n)
        assert ranked[unchanged].tolist() == ranked[: len(unchanged)].tolist()


def test_what_lies_behind_the_head_comes_after_it() -> None:
    """Of five, three are weighed: strength 1 reorders those, the rest keep their order."""
    vectors = np.eye(5, dtype=np.float32)[[0, 0, 1, 2, 3]]
    values = np.arange(5, 0, -1).astype(np.float64)
    preference = Mmr(values, 1.0, 3, TextLikeness(vectors, np.arange(5), 3))
    assert order(preference, 5, 5) == [0, 2, 1, 3, 4]
