"""A regression on words, and labels that a network gives itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from polyscene.training.classify.words import (
    Pairs,
    Parts,
    Vocabulary,
    Words,
    best_shares,
    fit_words,
)

TITLES = ["red tea", "red map", "blue tea", "blue map"]


def test_a_vocabulary_has_words_and_pairs_of_two_texts_at_least() -> None:
    """A character is a word in Chinese; what is in one text only is no help to others."""
    found = Vocabulary.of(["Red tea", "red tea pot", "茶具", "茶叶"])
    assert set(found.words) == {"red", "tea", "red tea", "茶"}
    counts = found.counts(["tea red tea", "茶 茶", "nothing"]).toarray()
    column = {word: place for place, word in enumerate(found.words)}
    assert counts[0, column["tea"]] == 2
    assert counts[0, column["red tea"]] == 1
    assert counts[1, column["茶"]] == 2
    assert not counts[2].any()


def test_what_was_liked_and_what_was_not_are_told_apart() -> None:
    known = sp.csr_matrix(([1.0, -0.5], ([0, 0], [0, 2])), shape=(1, 4))
    titles = Vocabulary(["red", "blue", "tea"])
    counts = titles.counts(TITLES)
    parts = Parts.of(known, counts, counts)
    assert parts.liked.toarray().tolist() == [[1, 0, 1]]
    assert parts.disliked.toarray().tolist() == [[0, 1, 1]]
    assert parts.liked.nnz == parts.disliked.nnz == 2


def taught() -> tuple[Pairs, Vocabulary, np.ndarray]:
    """Texts with "tea" are successes, and worth 3, others 1; in the second scenario all are."""
    rng = np.random.default_rng(0)
    count, vocabulary = 400, Vocabulary.of([*TITLES, *TITLES])
    items, scenario = rng.integers(0, 4, count), rng.integers(0, 2, count)
    tea = np.isin(items, [0, 2])
    labels = np.stack([tea | (scenario == 1), np.where(tea, 3.0, 1.0)]).astype(np.float32)
    labels[1, scenario == 1] = np.nan
    known = sp.csr_matrix((rng.random((30, 4)) < 0.5).astype(np.float32))
    counts = vocabulary.counts(TITLES)
    parts = Parts.of(known, counts, counts)
    nothing = np.zeros(count, np.int64)
    users = rng.integers(0, 30, count)
    return Pairs([parts], nothing, users, items, scenario, labels), vocabulary, tea


@pytest.fixture
def fitted() -> tuple[Words, Pairs, np.ndarray]:
    pairs, vocabulary, tea = taught()
    validation = np.arange(400) < 40
    whole, part = fit_words(pairs, (vocabulary, vocabulary), np.array([False, True]), validation, 2)
    assert not np.array_equal(whole.weights, part.weights)
    return whole, pairs, tea


def test_words_tell_chances_and_values(
    fitted: tuple[Words, Pairs, np.ndarray], tmp_path: Path
) -> None:
    words, pairs, tea = fitted
    z = words.z(pairs.parts[0], pairs.users, pairs.items, pairs.scenario)
    first = pairs.scenario == 0
    assert z[0, first & tea].min() > 0 > z[0, first & ~tea].max()
    assert z[0, ~first].min() > 0
    np.testing.assert_allclose(z[1, tea & first], 3, atol=0.2)
    np.testing.assert_allclose(z[1, ~tea & first], 1, atol=0.2)
    assert Words.load(tmp_path) is None
    words = replace(words, shares=np.array([0.25, 1.0]))
    words.save(tmp_path)
    again = Words.load(tmp_path)
    assert again is not None
    np.testing.assert_array_equal(
        again.z(pairs.parts[0], pairs.users, pairs.items, pairs.scenario), z
    )
    assert again.shares.tolist() == [0.25, 1.0]


def test_the_share_is_that_of_the_smallest_loss() -> None:
    """The first model is right of the first task, the second of the second; of a third nothing."""
    right = np.array([[1, 0, 1, 0], [1, 2, 3, 4], [np.nan] * 4], np.float32)
    first, second = np.zeros((3, 4)), np.zeros((3, 4))
    first[0], second[0] = [9, -9, 9, -9], [-9, 9, -9, 9]
    first[1], second[1] = 0, [1, 2, 3, 4]
    shares = best_shares(first, second, right, np.array([False, True, False]))
    assert shares.tolist() == [0, 1, 0]


def test_only_what_is_sure_is_a_pseudo_label() -> None:
    pytest.importorskip("torch")
    from polyscene.training.classify.train_heads import confident

    chance = np.array([[0.96, 0.94, 0.5, 0.03], [0.99, 0.5, 0.5, 0.5]])
    z = np.log(chance / (1 - chance))
    found = confident(z, np.array([False, True]), 0.95)
    np.testing.assert_array_equal(found[0], [1, np.nan, np.nan, 0])
    assert np.isnan(found[1]).all()
