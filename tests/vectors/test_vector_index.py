"""The index against brute force, exact and approximate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray
from polyscene.encoders.base import unit_rows
from polyscene.errors import ModelError
from polyscene.settings import IndexSettings
from polyscene.vectors import exact, index
from polyscene.vectors.exact import Mask
from polyscene.vectors.index import VectorIndex

EXACT = IndexSettings(exact_below=10**9)
APPROXIMATE = IndexSettings(exact_below=0)


def clustered(n: int, dim: int = 24, seed: int = 0, clusters: int = 40) -> Vectors:
    """Unit rows around random centres."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, dim))
    rows = centres[rng.integers(clusters, size=n)] + 0.5 * rng.standard_normal((n, dim))
    return unit_rows(rows.astype(np.float32))


def brute_force(
    vectors: Vectors, queries: Vectors, n: int, allowed: Mask | None = None
) -> tuple[IntArray, Vectors]:
    """Sort everything: by score, then by row."""
    rows = np.full((len(queries), n), -1, np.int64)
    scores = np.full((len(queries), n), -np.inf, np.float32)
    candidates = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
    for place, query in enumerate(queries):
        products = np.einsum("ij,j->i", vectors[candidates], query)
        order = np.lexsort((candidates, -products))[:n]
        rows[place, : len(order)] = candidates[order]
        scores[place, : len(order)] = products[order]
    return rows, scores


@pytest.fixture(scope="module")
def big() -> VectorIndex:
    """An approximate index of 20,000 rows."""
    built = VectorIndex.build(clustered(20_000), APPROXIMATE)
    assert built.report.kind == "ivf"
    return built


def test_hand_worked() -> None:
    """Cosines of (1, 0) with (0, 1), (1, 0), (0.6, 0.8) are 0, 1, 0.6."""
    vectors = np.array([[0, 1], [1, 0], [0.6, 0.8]], np.float32)
    built = VectorIndex.build(vectors, EXACT)
    rows, scores = built.search(np.array([[1, 0]], np.float32), 4)
    assert rows.tolist() == [[1, 2, 0, -1]]
    assert rows.dtype == np.int64
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [[1, 0.6, 0, -np.inf]])


@settings(deadline=None)
@given(
    data=st.data(),
    n_rows=st.integers(0, 40),
    n=st.integers(1, 50),
    dim=st.integers(1, 5),
    levels=st.integers(1, 3),
)
def test_exact_equals_brute_force(
    data: st.DataObject, n_rows: int, n: int, dim: int, levels: int
) -> None:
    """With many equal vectors and scores, zero rows and any filter: same rows, same order."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    vectors = unit_rows(rng.integers(-levels, levels + 1, (n_rows, dim)).astype(np.float32))
    queries = unit_rows(rng.integers(-levels, levels + 1, (3, dim)).astype(np.float32))
    share = data.draw(st.sampled_from([None, 0.0, 0.05, 0.5, 1.0]))
    allowed = None if share is None else rng.random(n_rows) < share
    built = VectorIndex.build(vectors, EXACT)
    rows, scores = built.search(queries, n, allowed)
    true_rows, true_scores = brute_force(vectors, queries, n, allowed)
    np.testing.assert_array_equal(rows, true_rows)
    np.testing.assert_array_equal(scores, true_scores)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 300), share=st.floats(0, 1))
def test_filters_are_exact(big: VectorIndex, seed: int, n: int, share: float) -> None:
    """The approximate index returns n allowed rows whenever n are allowed, best first."""
    rng = np.random.default_rng(seed)
    allowed = rng.random(len(big)) < share
    rows, scores = big.search(clustered(2, seed=seed % 1000), n, allowed)
    due = min(n, int(allowed.sum()))
    assert ((rows >= 0).sum(axis=1) == due).all()
    for found, values in zip(rows[:, :due], scores[:, :due], strict=True):
        assert allowed[found].all()
        assert len(set(found.tolist())) == due
        assert (np.diff(values) <= 0).all()
    assert (rows[:, due:] == -1).all()
    assert np.isneginf(scores[:, due:]).all()


def test_a_filter_far_from_the_query_is_exact_too(big: VectorIndex) -> None:
    """Only rows that point away from the query are allowed: the near lists hold none of them."""
    query = big.vectors[:1]
    products = big.vectors @ query[0]
    allowed = products < np.quantile(products, 0.4)
    rows, _ = big.search(query, 50, allowed)
    assert allowed[rows].all()


def test_few_allowed_rows_are_searched_exactly(big: VectorIndex) -> None:
    rng = np.random.default_rng(5)
    allowed = np.zeros(len(big), bool)
    allowed[rng.choice(len(big), 500, replace=False)] = True
    queries = clustered(5, seed=9)
    rows, scores = big.search(queries, 20, allowed)
    true_rows, true_scores = brute_force(big.vectors, queries, 20, allowed)
    np.testing.assert_array_equal(rows, true_rows)
    np.testing.assert_array_equal(scores, true_scores)


def test_the_reported_recall_holds_for_new_queries(big: VectorIndex) -> None:
    """Queries that were not measured find what the report says, within sampling error."""
    queries = clustered(200, seed=0)[:100]  # the same centres
    rows, _ = big.search(queries, 100)
    true_rows, _ = brute_force(big.vectors, queries, 100)
    hits = [len(np.intersect1d(a, b)) for a, b in zip(rows, true_rows, strict=True)]
    assert big.report.recall_at_100 >= 0.98
    assert big.report.recall_at_100_filtered >= 0.98
    assert np.mean(hits) / 100 >= 0.97


def test_scores_are_exact_dot_products(big: VectorIndex) -> None:
    queries = clustered(3, seed=2)
    rows, scores = big.search(queries, 10)
    expected = np.einsum("qnd,qd->qn", big.vectors[rows], queries)
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_equal_vectors_come_in_order_of_row() -> None:
    """100 times the same vector: the lowest rows win, exact and approximate."""
    vectors = np.tile(clustered(60, seed=3), (100, 1))
    rows, _ = VectorIndex.build(vectors, EXACT).search(vectors[:1], 5)
    assert rows.tolist() == [[0, 60, 120, 180, 240]]
    built = VectorIndex.build(vectors, APPROXIMATE)
    rows, scores = built.search(vectors[:1], 5)
    assert (np.diff(rows[0]) > 0).all()
    np.testing.assert_allclose(scores, 1, atol=1e-6)


def test_building_is_deterministic() -> None:
    vectors = clustered(6000)
    first, second = (VectorIndex.build(vectors, APPROXIMATE, seed=4) for _ in range(2))
    queries = clustered(20, seed=8)
    for a, b in zip(first.search(queries, 50), second.search(queries, 50), strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_searches_wider_until_the_recall_is_reached() -> None:
    """A higher goal needs more lists, and is reached."""
    vectors = clustered(20_000, dim=48, clusters=2000)
    easy = VectorIndex.build(vectors, IndexSettings(exact_below=0, min_recall=0.5)).report
    hard = VectorIndex.build(vectors, IndexSettings(exact_below=0, min_recall=0.95)).report
    assert easy.recall_at_100 >= 0.5
    assert hard.recall_at_100 >= 0.95
    assert hard.kind == "exact" or hard.probes > easy.probes


def test_a_recall_out_of_reach_makes_it_exact(caplog: pytest.LogCaptureFixture) -> None:
    """Vectors without any structure: half of the lists hold little more than half of the best."""
    rng = np.random.default_rng(0)
    vectors = unit_rows(rng.standard_normal((8000, 96)).astype(np.float32))
    built = VectorIndex.build(vectors, IndexSettings(exact_below=0, min_recall=1.0))
    assert built.report.kind == "exact"
    assert built.report.recall_at_100 == 1.0
    assert "searching exactly" in caplog.text
    rows, _ = built.search(vectors[:2], 3)
    assert rows[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize("count", [0, 1, 2, 50])
@pytest.mark.parametrize("chosen", [EXACT, APPROXIMATE], ids=["exact", "approximate"])
def test_tiny_indexes(count: int, chosen: IndexSettings) -> None:
    """Empty, one row, fewer rows than asked for; zero rows; with and without a filter."""
    vectors = clustered(count, dim=4)
    vectors[1::2] = 0
    built = VectorIndex.build(vectors, chosen)
    queries = np.concatenate([clustered(2, dim=4, seed=1), np.zeros((1, 4), np.float32)])
    for allowed in (None, np.zeros(count, bool), np.arange(count) % 3 == 0):
        rows, scores = built.search(queries, 7, allowed)
        true_rows, true_scores = brute_force(vectors, queries, 7, allowed)
        np.testing.assert_array_equal(rows, true_rows)
        np.testing.assert_array_equal(scores, true_scores)
    assert built.search(queries[:0], 7)[0].shape == (0, 7)
    assert built.search(queries, 0)[0].shape == (3, 0)


def test_all_zero_vectors_can_be_indexed() -> None:
    built = VectorIndex.build(np.zeros((5000, 8), np.float32), APPROXIMATE)
    rows, _ = built.search(clustered(1, dim=8), 4)
    assert ((rows >= 0) & (rows < 5000)).all()


def test_a_filter_of_the_wrong_length_is_refused(big: VectorIndex) -> None:
    with pytest.raises(ValueError, match="filter over 3 rows"):
        big.search(big.vectors[:1], 5, np.ones(3, bool))


@pytest.mark.parametrize("chosen", [EXACT, APPROXIMATE], ids=["exact", "approximate"])
def test_added_rows_are_found(chosen: IndexSettings) -> None:
    old, new = clustered(5000), clustered(300, seed=77)
    read_only = old.copy()
    read_only.flags.writeable = False
    built = VectorIndex.build(read_only, chosen)
    for start in range(0, 300, 100):
        built.add(new[start : start + 100])
    assert len(built) == built.report.rows == 5300
    np.testing.assert_array_equal(built.vectors, np.concatenate([old, new]))
    rows, _ = built.search(new, 1)
    assert rows[:, 0].tolist() == list(range(5000, 5300))


def test_rows_can_be_added_to_nothing() -> None:
    built = VectorIndex.build(np.zeros((0, 24), np.float32), APPROXIMATE)
    built.add(clustered(10))
    assert built.search(clustered(10), 1)[0][:, 0].tolist() == list(range(10))


@pytest.mark.parametrize("chosen", [EXACT, APPROXIMATE], ids=["exact", "approximate"])
def test_replaced_rows_are_found_by_their_new_vector_only(chosen: IndexSettings) -> None:
    old, new = clustered(6000), clustered(50, seed=78)
    built = VectorIndex.build(old.copy(), chosen)
    rows = np.arange(100, 150)
    built.replace(rows, new)
    assert len(built) == 6000
    assert built.search(new, 1)[0][:, 0].tolist() == rows.tolist()
    assert not np.isin(built.search(old[100:150], 1)[0][:, 0], rows).any()


@pytest.mark.parametrize("chosen", [EXACT, APPROXIMATE], ids=["exact", "approximate"])
def test_saving_and_loading(tmp_path: Path, chosen: IndexSettings) -> None:
    vectors = clustered(6000)
    built = VectorIndex.build(vectors, chosen)
    built.save(tmp_path)
    loaded = VectorIndex.load(tmp_path, vectors)
    assert loaded.report == built.report
    queries = clustered(10, seed=4)
    allowed = np.arange(6000) % 5 > 0
    for a, b in zip(
        built.search(queries, 30, allowed), loaded.search(queries, 30, allowed), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert not [entry for entry in tmp_path.iterdir() if "partial" in entry.name]


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped", "report", "format", "other"])
def test_a_damaged_index_is_a_model_error(tmp_path: Path, damage: str) -> None:
    vectors = clustered(6000)
    VectorIndex.build(vectors, APPROXIMATE).save(tmp_path)
    file, report = tmp_path / index.INDEX_FILE, tmp_path / index.REPORT_FILE
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(content[:-100])
    elif damage == "flipped":
        content[5000] ^= 0xFF
        file.write_bytes(content)
    elif damage == "report":
        report.write_text('{"format": 1, "kind"')
    elif damage == "format":
        report.write_text(json.dumps({**json.loads(report.read_text()), "format": 99}))
    else:
        vectors = vectors[:-1]
    with pytest.raises(ModelError, match="fit"):
        VectorIndex.load(tmp_path, vectors)


def test_blocks_of_queries_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = clustered(300), clustered(20, seed=6)
    expected = exact.exact_search(vectors, queries, 10)
    monkeypatch.setattr(exact, "BLOCK_BYTES", 3000)
    for a, b in zip(exact.exact_search(vectors, queries, 10), expected, strict=True):
        np.testing.assert_array_equal(a, b)
