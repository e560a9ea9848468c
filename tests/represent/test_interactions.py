"""Matrices of what all users did."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from polyscene.represent.interactions import PIECE, pieces


def sequence(ranks: list[list[int]], width: int) -> sp.csr_matrix:
    """One row a user with these ranks on the first items, as float32."""
    matrix = np.zeros((len(ranks), width), np.float32)
    for user, own in enumerate(ranks):
        matrix[user, : len(own)] = own
    return sp.csr_matrix(matrix)


def together(ranks: sp.csr_matrix, weights: sp.csr_matrix | None = None) -> np.ndarray:
    rows = (ranks > 0).astype(np.float32) if weights is None else weights
    cut = pieces(rows, ranks)
    return np.asarray((cut.T @ cut).todense())


class TestPieces:
    def test_the_nearer_the_more_pieces_two_items_share(self) -> None:
        """Of 30 items the pieces are 1-20, 21-30 and, in the middle of these, 1-10, 11-30; each
        counts half."""
        shared = together(sequence([list(range(1, 31))], 30))
        assert PIECE == 20
        for one, other, expected in ((1, 10, 1.0), (1, 20, 0.5), (1, 21, 0.0), (15, 25, 0.5)):
            assert shared[one - 1, other - 1] == pytest.approx(expected)
        np.testing.assert_allclose(np.diag(shared), 1.0)

    def test_a_short_history_is_one_piece(self) -> None:
        """Then nothing is said beyond the interactions themselves."""
        ranks = sequence([[3, 1, 2], [2, 1]], 4)
        rows = (ranks > 0).astype(np.float32)
        np.testing.assert_allclose(together(ranks), (rows.T @ rows).todense())

    def test_weights_stay_and_users_stay_apart(self) -> None:
        """0.5 · 1 for the two items of the first; the second shares no piece with the first."""
        ranks = sp.csr_matrix([[1.0, 2, 0], [0, 0, 1]])
        weights = sp.csr_matrix(np.array([[0.5, 1, 0], [0, 0, 1]], np.float32))
        expected = [[0.25, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]
        np.testing.assert_allclose(together(ranks, weights), expected)

    def test_nobody_did_anything(self) -> None:
        empty = sp.csr_matrix((3, 4), dtype=np.float32)
        assert pieces(empty, empty).shape == (0, 4)
