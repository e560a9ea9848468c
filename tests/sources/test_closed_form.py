"""The linear autoencoder: by hand, and its forms against each other."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.component import Vectors
from polyscene.represent.whiten import normalise
from polyscene.sources.closed_form import LowRank, behaviour_factors, exact, low_rank, pruned


def random_data(seed: int, users: int = 60, items: int = 25) -> tuple[sp.csr_matrix, Vectors]:
    rng = np.random.default_rng(seed)
    x = sp.random(users, items, 0.2, "csr", np.float32, rng, data_rvs=rng.random)
    return sp.csr_matrix(x), normalise(rng.standard_normal((items, 6)).astype(np.float32))


def dense(kernel: LowRank) -> Vectors:
    """B written out: the scores of the users who did one thing each."""
    return kernel.scores(sp.identity(len(kernel.rows), np.float32, "csr"))


def test_two_items_by_hand() -> None:
    """G = [[2+1, 1], [1, 1+1]], P = [[2, -1], [-1, 3]] / 5, B = [[0, 1/3], [1/2, 0]]."""
    x = sp.csr_matrix(np.array([[1, 1], [1, 0]], np.float32))
    kernel = exact(x, np.zeros((2, 1), np.float32), reg=1.0, text=0.0)
    np.testing.assert_allclose(kernel, [[0, 1 / 3], [1 / 2, 0]], atol=1e-6)


def test_text_alone_by_hand() -> None:
    """a·VVᵀ = [[1, 1], [1, 1]]: G = [[2, 1], [1, 2]], B = [[0, 1/2], [1/2, 0]]."""
    x = sp.csr_matrix((1, 2), dtype=np.float32)
    vectors = np.ones((2, 1), np.float32)
    np.testing.assert_allclose(exact(x, vectors, 1.0, 1.0), [[0, 0.5], [0.5, 0]], atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 1.0, 50.0]), st.sampled_from([0.0, 1.0, 30.0]))
def test_at_full_rank_the_low_rank_form_is_exact(seed: int, reg: float, text: float) -> None:
    x, vectors = random_data(seed)
    kernel = low_rank(behaviour_factors(x, 25), vectors, reg, text)
    np.testing.assert_allclose(dense(kernel), exact(x, vectors, reg, text), atol=2e-3)


def test_a_lower_rank_is_near_and_keeps_the_text() -> None:
    """Rank 8 of 25 on behaviour of four tastes: B correlates with the exact one above 0.9."""
    rng = np.random.default_rng(3)
    tastes = rng.random((60, 4)) ** 4 @ rng.random((4, 25)) ** 4
    x = sp.csr_matrix((tastes > np.quantile(tastes, 0.7)).astype(np.float32))
    _, vectors = random_data(3)
    near = dense(low_rank(behaviour_factors(x, 8), vectors, 1.0, 5.0))
    true = exact(x, vectors, 1.0, 5.0)
    assert np.corrcoef(near.ravel(), true.ravel())[0, 1] > 0.9
    assert np.abs(np.diag(near)).max() < 1e-4


def test_factors_are_the_leading_eigenpairs_with_the_true_diagonal() -> None:
    x, _ = random_data(5)
    gram = (x.T @ x).toarray()
    factors = behaviour_factors(x, 7)
    true = np.sort(np.linalg.eigvalsh(gram))[::-1][:7]
    np.testing.assert_allclose(factors.values, true, rtol=1e-3)
    np.testing.assert_allclose(factors.vectors.T @ factors.vectors, np.eye(7), atol=1e-4)
    np.testing.assert_allclose(factors.diagonal, np.diag(gram), rtol=1e-5)


def test_scores_of_a_history_leave_out_what_an_item_says_of_itself() -> None:
    x, vectors = random_data(7)
    kernel = low_rank(behaviour_factors(x, 25), vectors, 1.0, 1.0)
    np.testing.assert_allclose(kernel.scores(x), x @ dense(kernel), atol=1e-3)


def test_pruning_keeps_the_largest_entries_of_each_row() -> None:
    kernel = np.array([[0, 3, -5, 1], [2, 0, 1, -4], [1, 2, 0, 3], [9, 8, 7, 0]], np.float32)
    kept = pruned(kernel, 2).toarray()
    np.testing.assert_array_equal(kept, [[0, 3, -5, 0], [2, 0, 0, -4], [0, 2, 0, 3], [9, 8, 0, 0]])
    np.testing.assert_array_equal(pruned(kernel, 9).toarray(), kernel)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (3, 3), (1200, 4)])
@pytest.mark.parametrize("value", [0, 1])
def test_tiny_matrices_have_a_kernel(shape: tuple[int, int], value: float) -> None:
    """Also where rows are all alike, or nothing is in them."""
    x = sp.csr_matrix(np.full(shape, value, np.float32))
    kernel = low_rank(behaviour_factors(x, 256), np.zeros((shape[1], 2), np.float32), 1.0, 1.0)
    assert np.isfinite(dense(kernel)).all()


@pytest.mark.parametrize("trusting", [True, False])
def test_the_map_from_text_is_a_weighted_ridge_regression(trusting: bool) -> None:
    """T = B·C·V (VᵀCV + ρI)⁻¹ with ρ a multiple of the mean eigenvalue; C = I when left out."""
    x, vectors = random_data(3)
    kernel = low_rank(behaviour_factors(x, 25), vectors, 2.0, 0.0)
    trust = np.linspace(0.1, 1.0, 25).astype(np.float32) if trusting else None
    c = np.eye(25) if trust is None else np.diag(trust)
    inner = vectors.T @ c @ vectors
    ridge = inner + 0.5 * np.trace(inner) / len(inner) * np.eye(len(inner))
    expected = dense(kernel) @ c @ vectors @ np.linalg.inv(ridge)
    np.testing.assert_allclose(kernel.text_map(vectors, 0.5, trust), expected, atol=1e-4)
