"""The words to choose from: given, those of the catalogue, or names of groups of like items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import faiss
import numpy as np
from pydantic import create_model

from polyscene.component import Vectors
from polyscene.enrichment.words import WordSpace
from polyscene.llm import Form, Job, Request, as_data, load_prompt

__all__ = ["catalogue_words", "name_groups"]

MOST_GROUPS = 40
LONGEST = 60
"""Characters of a tag in a vocabulary, at most."""
TYPICAL = 8
"""Words that a group's name is chosen among."""
TITLES = 8
"""Titles of a group that a model sees."""


def catalogue_words(tags: Sequence[Sequence[str]], at_least: int, most: int) -> list[str]:
    """The tags that several items have, most frequent first; none that is an order or overlong.

    Args:
        tags: The tags of each item.
        at_least: How many items must have one.
        most: How many words, at most.
    """
    count = Counter(tag for own in tags for tag in dict.fromkeys(own))
    found = [
        (many, tag)
        for tag, many in count.items()
        if many >= at_least and len(tag) <= LONGEST and as_data(tag, LONGEST)
    ]
    return [tag for _, tag in sorted(found, key=lambda pair: (-pair[0], pair[1]))][:most]


def name_groups(
    titles: Sequence[str], texts: Sequence[str], vectors: Vectors, groups: int, job: Job | None
) -> list[str]:
    """Names of groups of like items, each a word that is typical of its group.

    Groups are those of k-means. A word is typical that has much of its TF-IDF weight in the group;
    a language model chooses among the most typical ones, without one it is the first.

    Args:
        titles: The title of each item.
        texts: Its text.
        vectors: Unit vectors, shape (items, dim).
        groups: How many groups; 0 for √(items / 2), at most 40.
        job: Asks a language model; None for none.
    """
    k = min(groups or min(MOST_GROUPS, int(np.sqrt(len(texts) / 2))), len(texts))
    if k < 2:
        return []
    means = faiss.Kmeans(
        vectors.shape[1], k, niter=20, seed=1, spherical=True, min_points_per_centroid=1
    )
    means.train(np.ascontiguousarray(vectors))
    near = vectors @ np.asarray(means.centroids).T
    owner = near.argmax(axis=1)
    space = WordSpace(texts)
    total = np.asarray(space.rows.sum(axis=0)).ravel()
    offered, shown = [], []
    for group in range(k):
        rows = np.flatnonzero(owner == group)
        if not len(rows) or not len(space.words):
            continue
        mass = np.asarray(space.rows[rows].sum(axis=0)).ravel()
        order = np.argsort(-mass * mass / np.where(total > 0, total, 1), kind="stable")[:TYPICAL]
        typical = [space.words[column] for column in order if mass[column] > 0]
        central = rows[np.argsort(-near[rows, group], kind="stable")[:TITLES]]
        if typical:
            offered.append(typical)
            shown.append("; ".join(titles[row] for row in central if titles[row]))
    names = [words[0] for words in offered]
    if job is not None:
        requests = [
            Request({"titles": text, "words": ", ".join(words)}, _name_form(words))
            for text, words in zip(shown, offered, strict=True)
        ]
        for place, outcome in enumerate(job.ask(load_prompt("group"), requests)):
            if outcome.answer is not None:
                names[place] = str(outcome.answer.model_dump()["name"])
    return list(dict.fromkeys(names))


def _name_form(words: Sequence[str]) -> type[Form]:
    one: Any = Literal[tuple(words)]
    return create_model("Name", __base__=Form, name=(one, ...))
