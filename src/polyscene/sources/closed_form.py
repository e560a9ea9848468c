"""The text-augmented linear autoencoder in closed form: pure functions on matrices.

With the interactions X (users × items) and the text vectors V (items × dim), each text dimension
taken as one more user, weighted by √a:

    G = XᵀX + a·VVᵀ + λI        P = G⁻¹        B_ij = -P_ij / P_jj  (i ≠ j),  B_jj = 0

and the scores of a history row x are x·B (EASE, Steck 2019; with side information as collective
EASE, Jeunen et al. 2020, and L3AE, CIKM 2025).

`exact` inverts G in O(n³). `low_rank` keeps the text exactly and the behaviour by its r leading
eigenpairs: XᵀX ≈ QΛQᵀ + Δ with a diagonal Δ that restores the true diagonal. With
Z = [Q√Λ, √a·V] and D = Δ + λI, the Woodbury identity gives

    P = D⁻¹ - HHᵀ,   H = D⁻¹Z·chol( (I + ZᵀD⁻¹Z)⁻¹ )

in O(n·(r + dim)²), so that B_ij = (HHᵀ)_ij / P_jj is never written out: x·B costs O(n·(r + dim)).
It keeps the text apart from the behaviour because the text's many equal eigenvalues would
otherwise crowd the behaviour out of the leading ones (measured in docs/benchmarks.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.sources.saved import mapped

__all__ = ["Factors", "LowRank", "behaviour_factors", "exact", "low_rank", "pruned"]

_POWER_ITERATIONS = 3
_OVERSAMPLING = 20
_INDEPENDENT = 1e-3
"""The sine of the angle to the columns before it from which on a column counts as a new one."""
_LEADING = 256
"""Columns of H that tell what is near: those of the largest eigenvalues come first."""
_EXACT_SIDE = 1000
"""Users up to which the eigenvectors come from X·Xᵀ."""


@dataclass(frozen=True, slots=True)
class Factors:
    """XᵀX ≈ Q·diag(values)·Qᵀ."""

    vectors: Vectors
    """Q, orthonormal columns, shape (n, r)."""
    values: Vectors
    """The r largest eigenvalues, descending."""
    diagonal: Vectors
    """The true diagonal of XᵀX, shape (n,)."""

    def leading(self, rank: int) -> Factors:
        """The same with no more than so many directions."""
        return Factors(self.vectors[:, :rank], self.values[:rank], self.diagonal)


@dataclass(frozen=True)
class LowRank:
    """B as factors: B_ij = (rows_i · rows_j) · scale_j for i ≠ j, and 0 on the diagonal."""

    rows: Vectors
    """H, shape (n, r)."""
    scale: Vectors
    """1 / P_jj, shape (n,)."""

    @cached_property
    def diagonal(self) -> Vectors:
        """(rows_i · rows_i) · scale_i, what B leaves out. Shape (n,)."""
        return np.asarray(np.einsum("ij,ij->i", self.rows, self.rows) * self.scale)

    def columns(self, places: npt.NDArray[np.int64]) -> Vectors:
        """C with B_ij = rows_i · C_j, of some items j. Shape (items, r)."""
        return np.asarray(self.rows[places] * self.scale[places, None])

    def scores(self, x: sp.csr_matrix) -> Vectors:
        """x·B for history rows x, shape (users, n)."""
        full = np.asarray(x @ self.rows) @ self.rows.T
        full *= self.scale
        own = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
        full[own, x.indices] -= x.data * self.diagonal[x.indices]
        return np.asarray(full, np.float32)

    def some(self, x: sp.csr_matrix, places: npt.NDArray[np.int64]) -> Vectors:
        """`scores` of some items j, ascending and each once, shape (users, items)."""
        full = np.asarray(x @ self.rows) @ self.rows[places].T
        full *= self.scale[places]
        at = np.minimum(np.searchsorted(places, x.indices), max(len(places) - 1, 0))
        met = np.flatnonzero(places[at] == x.indices) if len(places) else np.zeros(0, np.int64)
        own = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
        full[own[met], at[met]] -= x.data[met] * self.diagonal[x.indices[met]]
        return np.asarray(full, np.float32)

    def close_to(self, item: int, n: int) -> npt.NDArray[np.int64]:
        """About the n items j of the largest B_ij of an item i, by the leading directions."""
        rows = self.rows[:, :_LEADING]
        scores = (rows @ rows[item]) * self.scale
        scores[item] = -np.inf
        n = min(n, len(scores) - 1)
        return np.argpartition(-scores, n)[:n]

    def save(self, path: Path) -> None:
        """Write it into the existing directory `path`."""
        np.save(path / "rows.npy", self.rows)
        np.save(path / "scale.npy", self.scale)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        return cls(mapped(path / "rows.npy"), np.load(path / "scale.npy"))

    def text_map(self, vectors: Vectors, reg: float, trust: Vectors | None = None) -> Vectors:
        """T = B·C·V (VᵀCV + ρI)⁻¹, shape (n, dim): T·v is the column of an item that has only text.

        Args:
            vectors: Text vectors V, shape (n, dim).
            reg: ρ as a multiple of the mean eigenvalue of VᵀCV.
            trust: The diagonal of C, how much each item's own column is believed, shape (n,);
                all the same when omitted.
        """
        told = vectors if trust is None else vectors * trust[:, None]
        inner = (vectors.T @ told).astype(np.float64)
        inner += (reg * max(np.trace(inner), 1e-6) / len(inner)) * np.eye(len(inner))
        seen = self.rows @ (self.rows.T @ (told * self.scale[:, None]))
        seen -= self.diagonal[:, None] * told
        return np.asarray(seen @ scipy.linalg.inv(inner).astype(np.float32))


def behaviour_factors(x: sp.csr_matrix, rank: int, seed: int = 0) -> Factors:
    """The leading eigenpairs of XᵀX.

    Exact where one side of x is small; otherwise by a randomised method (Halko, Martinsson, Tropp
    2011), O((entries of x + n·rank)·rank).

    Args:
        x: Interactions, shape (users, n).
        rank: How many eigenpairs; no more than the smaller side of x are returned.
        seed: Of the random start.
    """
    n = x.shape[1]
    rank = min(rank, *x.shape)
    basis = _basis(x, rank, seed)
    # Ritz pairs S·w = μ·M·w, since the basis is only nearly orthonormal.
    whiten = _whitening(_gram(basis), _INDEPENDENT)
    values, turn = np.linalg.eigh(whiten.T @ _gram(np.asarray(x @ basis)) @ whiten)
    turn = whiten @ turn
    leading = np.argsort(-values)[:rank]
    diagonal = np.asarray(x.multiply(x).sum(axis=0)).reshape(n)
    return Factors(
        vectors=basis @ turn[:, leading].astype(np.float32),
        values=np.maximum(values[leading], 0).astype(np.float32),
        diagonal=diagonal.astype(np.float32),
    )


def _basis(x: sp.csr_matrix, rank: int, seed: int) -> Vectors:
    """Orthonormal columns that span the leading eigenvectors of XᵀX, shape (n, rank or more)."""
    users, n = x.shape
    if users <= _EXACT_SIDE:
        values, vectors = np.linalg.eigh(np.asarray((x @ x.T).todense(), np.float64))
        kept = np.flatnonzero(values > 1e-9 * max(values.max(initial=0.0), 1e-30))[::-1][:rank]
        return _orthonormal(np.asarray(x.T @ vectors[:, kept].astype(np.float32)))
    rng = np.random.default_rng(seed)
    basis = rng.standard_normal((n, min(rank + _OVERSAMPLING, n))).astype(np.float32)
    for _ in range(_POWER_ITERATIONS):
        basis = _orthonormal(np.asarray(x.T @ (x @ basis)))
    return basis


def _orthonormal(columns: Vectors) -> Vectors:
    """Nearly orthonormal columns that span the same space, from the Cholesky factor of the Gram.

    Many times as fast as a QR decomposition of a tall matrix (Yamamoto et al. 2015). Where columns
    depend on each other, by the eigenvectors, without those of no size.
    """
    found = np.asarray(columns, np.float32)
    size = np.sqrt(np.einsum("ij,ij->j", found, found))
    size[size == 0] = 1
    gram = _gram(found) / np.outer(size, size)
    try:
        half = scipy.linalg.cholesky(gram)
        able = bool(np.diag(half).min(initial=1.0) > _INDEPENDENT)
    except np.linalg.LinAlgError:
        able = False
    if able:
        turn = scipy.linalg.solve_triangular(half, np.eye(len(half)))
    else:
        turn = _whitening(gram, _INDEPENDENT**2)
    return np.asarray(found @ (turn / size[:, None]).astype(np.float32))


def _whitening(gram: npt.NDArray[np.float64], least: float) -> npt.NDArray[np.float64]:
    """W with WᵀGW = I, from the eigenvectors whose value is above a share of the largest."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > least * max(float(values.max(initial=0.0)), 1e-30)
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))


def _gram(columns: Vectors) -> npt.NDArray[np.float64]:
    """The inner products of columns, multiplied in 32 bits, which takes half the time of 64."""
    return np.asarray(columns.T @ columns, np.float64)


def low_rank(factors: Factors, vectors: Vectors, reg: float, text: float) -> LowRank:
    """B in its low-rank form.

    Args:
        factors: The behaviour.
        vectors: Text vectors V, shape (n, dim); zero rows where there is no text.
        reg: λ.
        text: a.
    """
    z = factors.vectors * np.sqrt(factors.values)
    kept = np.einsum("ij,ij->i", z, z)
    if text > 0:
        z = np.hstack([z, np.float32(np.sqrt(text)) * vectors])
    inverse = 1.0 / (np.maximum(factors.diagonal - kept, 0) + np.float32(reg))
    z *= np.sqrt(inverse)[:, None]
    half = scipy.linalg.cholesky(np.eye(z.shape[1]) + _gram(z))  # halfᵀ·half
    z *= np.sqrt(inverse)[:, None]
    # One product with the inverse of a small matrix is faster than solving for each of n rows.
    rows = z @ scipy.linalg.solve_triangular(half, np.eye(len(half))).astype(np.float32)
    diagonal = inverse - np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    return LowRank(rows, (1.0 / np.maximum(diagonal, 1e-12)).astype(np.float32))


def exact(x: sp.csr_matrix, vectors: Vectors, reg: float, text: float) -> Vectors:
    """B by inversion, shape (n, n). O(n³) time, 3 · 4n² bytes.

    Args:
        x: Interactions, shape (users, n).
        vectors: Text vectors V, shape (n, dim).
        reg: λ.
        text: a.
    """
    gram = np.asarray((x.T @ x).todense(), np.float32)
    if text > 0:
        gram += text * (vectors @ vectors.T)
    gram[np.diag_indices_from(gram)] += reg
    factor = scipy.linalg.cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
    inverse, _ = scipy.linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    kernel = inverse / -np.diag(inverse)
    np.fill_diagonal(kernel, 0)
    return np.asarray(kernel, np.float32)


def pruned(kernel: npt.NDArray[np.float32], kept: int) -> sp.csr_matrix:
    """The `kept` entries of the largest size in each row, as a sparse matrix."""
    n = len(kernel)
    if kept >= n:
        return sp.csr_matrix(kernel)
    columns = np.argpartition(-np.abs(kernel), kept, axis=1)[:, :kept]
    columns.sort(axis=1)
    values = np.take_along_axis(kernel, columns, axis=1)
    starts = np.arange(0, n * kept + 1, kept)
    return sp.csr_matrix((values.ravel(), columns.ravel(), starts), shape=kernel.shape)
