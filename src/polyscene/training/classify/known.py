"""What pairs are told apart by: what was known without them, as vectors, texts or words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray, Mask
from polyscene.training.classify.classifier import Ground
from polyscene.training.classify.config import ClassifierTraining
from polyscene.training.classify.examples import FOLDS, Examples
from polyscene.training.classify.heads import Heads, with_scenario
from polyscene.training.classify.past import LEVELS, Past, without
from polyscene.training.classify.words import (
    Pairs,
    Parts,
    Vocabulary,
    Words,
    best_shares,
    fit_words,
)

__all__ = ["Inputs", "known_of", "texts_of", "unlabelled", "words_of"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """n pairs as a network sees them."""

    users: Vectors
    """Shape (n, dim)."""
    items: Vectors
    """Shape (n, dim)."""
    levels: Vectors
    """With the scenario, shape (n, levels)."""
    labels: npt.NDArray[np.float32]
    """0 or 1, or values with mean 0 and spread 1; NaN where unknown. Shape (tasks, n)."""


def _folds(
    ground: Ground, learned: Examples, events: Mask
) -> Iterator[tuple[IntArray, sp.csr_matrix]]:
    """By scenario and fold, the pairs, and the behaviour that is known without those of the fold.

    Args:
        ground: What is known of users and items.
        learned: The pairs.
        events: The events that may be known.
    """
    width = len(ground.data.items)
    for code, name in enumerate(learned.scenarios):
        every = ground.signals(name, events)
        for fold in range(FOLDS):
            hidden = learned.fold == fold
            pairs = learned.user[hidden] * width + learned.item[hidden]
            yield np.flatnonzero((learned.scenario == code) & hidden), without(every, pairs)


def known_of(
    ground: Ground, learned: Examples, events: Mask, labels: npt.NDArray[np.float32]
) -> Inputs:
    """Vectors and levels of every pair, of what is known without its fold.

    Args:
        ground: What is known of users and items.
        learned: The pairs.
        events: The events that may be known.
        labels: As in `Inputs`.
    """
    users = np.zeros((len(learned), ground.vectors.shape[1]), np.float32)
    levels = np.zeros((len(learned), LEVELS), np.float32)
    for own, known in _folds(ground, learned, events):
        past = Past(known, ground.vectors)
        users[own] = past.vectors[learned.user[own]]
        levels[own] = past.levels(learned.user[own], learned.item[own])
    levels = with_scenario(levels, learned.scenario, len(learned.scenarios))
    return Inputs(users, ground.vectors[learned.item], levels, labels)


def texts_of(ground: Ground, learned: Examples, events: Mask) -> list[tuple[str, str]]:
    """Both texts of every pair, of what is known without its fold."""
    found: list[tuple[str, str]] = [("", "")] * len(learned)
    for own, known in _folds(ground, learned, events):
        some = ground.texts.pairs(learned.user[own], learned.item[own], known)
        for place, texts in zip(own.tolist(), some, strict=True):
            found[place] = texts
    return found


def unlabelled(
    ground: Ground, learned: Examples, tested: Examples, events: Mask, config: ClassifierTraining
) -> Inputs:
    """As many pairs as are learned from, of users who are known and items they have not come to."""
    rng, width = np.random.default_rng(config.seed), len(ground.data.items)
    rows = rng.integers(0, len(learned), len(learned))
    users, scenario = learned.user[rows], learned.scenario[rows]
    items = learned.item[rng.integers(0, len(learned), len(learned))]
    seen = [own.user * width + own.item for own in (learned, tested)]
    cells = np.stack([users * width + items, scenario])
    cells = np.unique(cells[:, ~np.isin(cells[0], np.concatenate(seen))], axis=1)
    (users, items), scenario = np.divmod(cells[0], width), cells[1]
    vectors = np.zeros((len(users), ground.vectors.shape[1]), np.float32)
    levels = np.zeros((len(users), LEVELS), np.float32)
    for code, name in enumerate(learned.scenarios):
        own = scenario == code
        past = Past(ground.signals(name, events), ground.vectors)
        vectors[own], levels[own] = past.vectors[users[own]], past.levels(users[own], items[own])
    levels = with_scenario(levels, scenario, len(learned.scenarios))
    nothing = np.full((len(learned.labels), len(users)), np.nan, np.float32)
    return Inputs(vectors, ground.vectors[items], levels, nothing)


def words_of(
    ground: Ground,
    learned: Examples,
    events: Mask,
    of_value: Mask,
    heads: Heads,
    inputs: Inputs,
) -> Words:
    """The regression on words, with the share of each task that is best beside the networks.

    Ridge and share are chosen on the pairs that the first network was validated by: neither it nor
    the regression has learned from them.
    """
    labels = inputs.labels
    titles, texts = Vocabulary.of(ground.titles), Vocabulary.of(ground.item_texts)
    parts: list[Parts] = []
    table = np.zeros(len(learned), np.int64)
    for own, known in _folds(ground, learned, events):
        table[own] = len(parts)
        parts.append(ground.parts(known, titles, texts))
    validation = learned.fold == learned.fold.min()
    pairs = Pairs(parts, table, learned.user, learned.item, learned.scenario, labels)
    whole, part = fit_words(pairs, (titles, texts), of_value, validation, len(learned.scenarios))
    z = np.zeros((len(labels), len(learned)))
    for place, known in enumerate(parts):
        own = np.flatnonzero((table == place) & validation)
        z[:, own] = part.z(known, learned.user[own], learned.item[own], learned.scenario[own])
    first = replace(heads, weights=heads.weights[:1])
    beside = first(inputs.users, inputs.items, inputs.levels)
    shares = best_shares(beside[:, validation], z[:, validation], labels[:, validation], of_value)
    return replace(whole, shares=shares)
