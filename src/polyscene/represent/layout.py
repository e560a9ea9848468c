"""A map of vectors: places on a plane, where what is alike stands together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import Vectors

__all__ = ["Plane", "layout", "stand"]

Plane = npt.NDArray[np.float64]
"""Places, shape (n, 2), each coordinate from 0 to 1."""

_NEAR = 15
"""Neighbours that a vector should stand beside."""
_ROUNDS = 150
_PULL = 0.125
"""How far a round moves a place by the forces on it."""
_FURTHEST = 4.0
"""The most that a force moves a place."""
_ROWS = 512
"""Vectors whose neighbours are looked for at once."""
_FAR_OUT = 0.5
"""Per cent of the places at each edge that are drawn in."""


def layout(vectors: Vectors, seed: int = 0) -> Plane:
    """Places of vectors on a plane, so that neighbours by cosine stay neighbours.

    The places begin at the first two principal components. Then, round by round, every vector is
    pulled to its 15 nearest and pushed away from others drawn at random, with the forces of UMAP
    (McInnes et al. 2018, a = b = 1) and equal weights. Distances between far groups mean nothing.
    O(n² · dim + rounds · n · neighbours): seconds for 3,000 vectors, so draw from more.

    Args:
        vectors: Unit vectors, shape (n, dim).
        seed: Of what is drawn.
    """
    count = len(vectors)
    if count <= 2:
        return np.linspace(0.25, 0.75, 2 * count).reshape(count, 2)
    random = np.random.default_rng(seed)
    places = _principal(vectors) + random.normal(0, 1e-3, (count, 2))
    one, other = _graph(vectors)
    for turn in range(_ROUNDS):
        apart = places[one] - places[other]
        square = (apart**2).sum(axis=1, keepdims=True)
        force = _sums(one, _held(-2 * apart / (1 + square)), count)
        apart = places[one] - places[random.integers(0, count, len(one))]
        square = (apart**2).sum(axis=1, keepdims=True)
        force += _sums(one, _held(2 * apart / ((0.01 + square) * (1 + square))), count)
        places += _held((1 - turn / _ROUNDS) * _PULL * force)
    low, high = np.percentile(places, [_FAR_OUT, 100 - _FAR_OUT], axis=0)
    found: Plane = np.clip((places - low) / np.maximum(high - low, 1e-9), 0, 1)
    return found


def stand(places: Plane, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where something stands that is near to some places: their geometric median, shape (2,).

    Unlike the mean it stands among most of them, not between two groups.

    Args:
        places: Some places, at least one.
        weights: How much each counts, above 0. Shape (number of places,).
    """
    found = np.average(places, axis=0, weights=weights)
    for _ in range(50):
        share = weights / np.maximum(np.linalg.norm(places - found, axis=1), 1e-6)
        found = share @ places / share.sum()
    median: npt.NDArray[np.float64] = found
    return median


def _principal(vectors: Vectors) -> Plane:
    """The first two principal components, 10 at most."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    found = np.zeros((len(vectors), 2))
    found[:, : min(2, axes.shape[1])] = centred @ axes[:, :-3:-1]
    scaled: Plane = found * (10 / max(float(np.abs(found).max()), 1e-9))
    return scaled


def _graph(vectors: Vectors) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Both ends of the links between each vector and its nearest, in both directions."""
    count, near = len(vectors), min(_NEAR, len(vectors) - 1)
    found = []
    for start in range(0, count, _ROWS):
        cosines = vectors[start : start + _ROWS] @ vectors.T
        own = np.arange(start, start + len(cosines))
        cosines[own - start, own] = -np.inf
        found.append(np.argpartition(-cosines, near - 1, axis=1)[:, :near])
    ends = np.concatenate(found).ravel()
    starts = np.repeat(np.arange(count), near)
    links = sp.coo_array((np.ones(len(ends)), (starts, ends)), (count, count)).tocsr()
    both = links.maximum(links.T).tocoo()
    return both.coords[0], both.coords[1]


def _sums(rows: npt.NDArray[np.intp], forces: Plane, count: int) -> Plane:
    return np.stack([np.bincount(rows, forces[:, axis], count) for axis in (0, 1)], axis=1)


def _held(moves: Plane) -> Plane:
    return np.clip(moves, -_FURTHEST, _FURTHEST)
