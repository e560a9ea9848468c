"""The kernel over people and what it is joined with: by hand, and against the closed form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from polyscene.component import Vectors
from polyscene.data.dataset import IdMap
from polyscene.represent.whiten import normalise
from polyscene.sources.base import SILENT
from polyscene.sources.circle import Circle, Stacked, joined
from polyscene.sources.closed_form import LowRank, exact
from polyscene.sources.crowd import Crowd

S = float(SILENT)


def matrix(rows: list[list[float]]) -> sp.csr_matrix:
    return sp.csr_matrix(np.array(rows, np.float32))


def dense(kernel: LowRank) -> Vectors:
    return kernel.scores(sp.identity(len(kernel.rows), np.float32, "csr"))


def circle(around: sp.csr_matrix, kernel: LowRank | None = None) -> Circle:
    people = around.shape[0]
    did = sp.csr_matrix((people, 1), dtype=np.float32)
    return Circle(Crowd.who_did(IdMap(map(str, range(people))), did), around, kernel)


CHAIN = matrix([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
"""a knows b, and b knows c."""
NOTHING_DONE = sp.csr_matrix((3, 4), dtype=np.float32)
NO_VECTORS = np.zeros((3, 2), np.float32)


class TestKernel:
    def test_by_hand(self) -> None:
        """d = (1, 2, 1). R = d^-½ · 4 / (2 + √2), so r_b = 0.8284. A·R·A has r_b in the cells aa,
        ac and cc, nothing between b and the others: B_ac = r_b / (r_b + λ)."""
        kernel = Stacked.of(CHAIN, NOTHING_DONE, NO_VECTORS, 8).kernel(reg=1.0, weight=5.0)
        met = 0.8284 / 1.8284
        np.testing.assert_allclose(dense(kernel), [[0, 0, met], [0, 0, 0], [met, 0, 0]], atol=1e-4)

    @hypothesis(max_examples=20, deadline=None)
    @given(st.integers(0, 10_000), st.sampled_from([0.0, 1.0, 20.0]))
    def test_it_is_the_closed_form_of_the_stacked_rows(self, seed: int, weight: float) -> None:
        """At full rank, with √R·A as interactions and √w·[L, √0.4·V] as what is known of people."""
        rng = np.random.default_rng(seed)
        half = np.triu(rng.random((20, 20)) < 0.2, 1)
        half[0, 1] = True
        around = sp.csr_matrix((half | half.T).astype(np.float32))
        rows = sp.csr_matrix(normalise((rng.random((20, 15)) < 0.3).astype(np.float32)))
        vectors = normalise(rng.standard_normal((20, 6)).astype(np.float32))
        found = Stacked.of(around, rows, vectors, 64).kernel(7.0, weight)
        size = np.asarray(around.sum(axis=1)).ravel()
        r = np.where(size > 0, 1 / np.sqrt(np.maximum(size, 1)), 0)
        r *= size.sum() / (r @ size)
        known = np.hstack([rows.toarray(), np.sqrt(0.4) * vectors]).astype(np.float32)
        true = exact(sp.csr_matrix(sp.diags(np.sqrt(r)) @ around), known, 7.0, weight)
        np.testing.assert_allclose(dense(found), true, atol=2e-3)


class TestMet:
    KERNEL = Stacked.of(CHAIN, NOTHING_DONE, NO_VECTORS, 8).kernel(1.0, 0.0)
    B_AC = 0.8284 / 1.8284

    def met(self, friends: list[float], own: int) -> npt.NDArray[np.float32]:
        found = circle(CHAIN, self.KERNEL).met(matrix([friends]), np.array([own]))
        return found[0]

    def test_what_friends_say_and_what_is_said_of_oneself(self) -> None:
        """a knows b, of whom nothing follows; B_ac + B_ca is left."""
        np.testing.assert_allclose(self.met([0, 1, 0], 0)[1:], [0, 2 * self.B_AC], atol=1e-4)

    def test_somebody_unknown_at_the_fit_has_their_friends_alone(self) -> None:
        np.testing.assert_allclose(self.met([0, 0, 1], -1), [self.B_AC, 0, 0], atol=1e-4)

    def test_without_friends_it_says_nothing(self) -> None:
        assert self.met([0, 0, 0], 0).tolist() == [0, 0, 0]

    def test_without_a_kernel_it_says_nothing(self) -> None:
        found = circle(CHAIN).met(matrix([[0, 1, 0]]), np.array([0]))
        assert found.tolist() == [[0, 0, 0]]


def test_kin_are_those_alike_and_their_friends() -> None:
    """a is like u by 0.5: a counts 2 · 0.25, and b, whom a knows, 0.25. c is like u by 0.2: c
    counts 2 · 0.04, and b 0.04 more."""  # fmt: skip
    found = circle(CHAIN).kin(matrix([[0.5, 0, 0.2]]))
    np.testing.assert_allclose(found, [[0.5, 0.29, 0.08]], rtol=1e-5)


class TestJoined:
    def test_lengths_are_over_those_one_does_not_know(self) -> None:
        """u is the first and knows the second. met has the length 5 over the others, kin 13, and
        with one friend γ = √2 counts 1."""
        met, kin = np.array([[9.0, 8, 3, 4]]), np.array([[7.0, 26, 12, 5]])
        found = joined(met, kin, matrix([[0, 1, 0, 0]]), np.array([0]), np.sqrt(2))
        np.testing.assert_allclose(
            found, [[S, 8 / 5 + 26 / 13, 3 / 5 + 12 / 13, 4 / 5 + 5 / 13]], rtol=1e-6
        )

    def test_the_more_friends_the_less_kin_count(self) -> None:
        """With eight friends γ = 3 counts 1, with three 1.5."""
        met, kin = np.zeros((2, 10)), np.eye(10)[[9, 9]]
        friends = np.zeros((2, 10), np.float32)
        friends[0, :8] = friends[1, :3] = 1
        found = joined(met, kin, sp.csr_matrix(friends), np.array([-1, -1]), 3.0)
        assert found[:, 9].tolist() == [1.0, 1.5]

    def test_without_friends_kin_is_all_whatever_it_weighs(self) -> None:
        met, kin = np.zeros((1, 3)), np.array([[0.0, 3, 4]])
        found = joined(met, kin, matrix([[0, 0, 0]]), np.array([-1]), 0.0)
        np.testing.assert_allclose(found, [[S, 0.6, 0.8]], rtol=1e-6)

    def test_who_has_neither_is_told_nothing(self) -> None:
        none = np.zeros((1, 3))
        assert (joined(none, none, matrix([[0, 1, 0]]), np.array([0]), 1.0) == SILENT).all()

    def test_only_friends_left_are_no_error(self) -> None:
        """Nobody else: the scores stay as they are."""
        found = joined(np.array([[0, 2.0]]), np.zeros((1, 2)), matrix([[0, 1]]), np.array([0]), 1.0)
        assert found.tolist() == [[S, 2.0]]
