from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from enrichment.films import FILMS
from polyscene.enrichment.tagger import SIGNALS, Tagger, logistic
from polyscene.enrichment.words import WordSpace, words
from polyscene.testing.word_encoder import WordEncoder


def test_words_of_scripts_without_spaces_are_pairs() -> None:
    assert words("A shy clerk's MAP, 12!") == ["shy", "clerk's", "map"]
    assert words("两种画笔 a 海") == ["两种", "种画", "画笔", "海"]


def test_tfidf_by_hand() -> None:
    """log(3/2) for a word of two texts of three; words of one text do not count."""
    space = WordSpace(["sea ship", "sea ship", "love"], common=0.9)
    assert space.words == ["sea", "ship"]
    np.testing.assert_allclose(space.rows.toarray(), [[0.5**0.5] * 2, [0.5**0.5] * 2, [0, 0]])
    np.testing.assert_allclose(space(["sea sea bird"]).toarray(), [[1, 0]])


def test_logistic_finds_the_odds() -> None:
    """Of 100 without the signal 20 are true, of 100 with it 60: odds 1/4, and 6 times as much."""
    signals = np.repeat([[0.0], [1.0]], 100, axis=0)
    truth = np.concatenate([np.arange(100) < 20, np.arange(100) < 60]).astype(float)
    weights = logistic(signals, truth, reg=0.0)
    np.testing.assert_allclose(weights, [np.log(6), np.log(1 / 4)], atol=1e-6)


def test_labelled_neighbours_teach_words() -> None:
    """Films of a theme get the tag of their theme, whatever its name says."""
    encoder = WordEncoder()
    known = FILMS[:60]
    texts = [film.description for film in known]
    labels = np.array([[film.tags == ["romance"], film.tags == ["adventure"]] for film in known])
    vectors = encoder.encode(texts)
    tagger = Tagger(
        texts, vectors, sp.csr_matrix(labels.astype(float)),
        encoder.encode(["xyzzy", "plugh"]), vectors.mean(axis=0),
    )  # fmt: skip
    new = [film.description for film in FILMS[60:]]
    scores = tagger.scores(new, encoder.encode(new))
    assert scores.argmax(axis=1).tolist() == [1, 0] * 3
    assert (scores.max(axis=1) > 0.9).all()
    assert (scores.min(axis=1) < 0.1).all()
    assert tagger.signals(new, encoder.encode(new)).shape == (6, 2, len(SIGNALS))


@pytest.mark.parametrize("known", [0, 5])
def test_without_labels_the_names_decide(known: int) -> None:
    encoder = WordEncoder()
    texts = ["a storm at sea"] * known
    vectors = encoder.encode([*texts, "a ship in a storm", "a wedding dance"])
    tagger = Tagger(
        texts, vectors[:known], sp.csr_matrix((known, 2)), encoder.encode(["storm", "wedding"]),
        vectors.mean(axis=0),
    )  # fmt: skip
    scores = tagger.scores(["a ship in a storm", "a wedding dance"], vectors[known:])
    assert scores.argmax(axis=1).tolist() == [0, 1]
