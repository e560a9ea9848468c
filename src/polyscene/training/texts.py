"""Batches of texts for torch: drawn, tokenised, cut and padded one batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from polyscene.data.dataset import IntArray
from polyscene.text.tokens import words
from polyscene.training.pairs import KINDS, Pairs

__all__ = ["Collator", "PairBatches", "without_words"]


def without_words(text: str, share: float, rng: np.random.Generator) -> str:
    """A text with a share of its words deleted, at random; at least one is left.

    Args:
        text: The text.
        share: The chance of each word to be deleted.
        rng: Draws the words.
    """
    own = words(text)
    if not own:
        return text
    kept = rng.random(len(own)) >= share
    kept[int(rng.integers(len(own)))] |= not kept.any()
    return "".join(word for word, keep in zip(own, kept, strict=True) if keep).strip()


class PairBatches(Dataset[dict[str, Any]]):
    """A batch of B pairs at each index, with k hard negatives a pair.

    The order is planned before (`polyscene.training.sampling.batches`), so that the same seed gives
    the same batches, and a run that was stopped goes on with the next. Of several texts of a node
    one is drawn each time.

        batch = dataset[0]
        batch["anchor"]       B texts
        batch["positive"]     B texts, of which the i-th belongs to the i-th anchor
        batch["negative-0"]   B texts, where there are hard negatives
        batch["labels"]       int64, shape (B, 2 + k): the nodes of the texts, anchors first

    Args:
        pairs: The pairs.
        texts: The texts of each node.
        plan: The numbers of the pairs of each batch.
        negatives: Nodes of hard negatives of each pair, shape (P, k).
        seed: Of the draw of texts.
        deletion: The share of the words that is deleted from the anchor of a denoised pair.
    """

    def __init__(
        self,
        pairs: Pairs,
        texts: Sequence[tuple[str, ...]],
        plan: Sequence[IntArray],
        negatives: IntArray,
        seed: int,
        deletion: float = 0.0,
    ) -> None:
        self._pairs = pairs
        self._texts = texts
        self._plan = plan
        self._negatives = negatives
        self._seed = seed
        self._deletion = deletion

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int) -> dict[str, Any]:
        rows = self._plan[index]
        rng = np.random.default_rng([self._seed, index])
        nodes = np.column_stack(
            [self._pairs.anchor[rows], self._pairs.positive[rows], self._negatives[rows]]
        )
        columns = ["anchor", "positive", *(f"negative-{n}" for n in range(nodes.shape[1] - 2))]
        drawn = [[self._text(node, rng) for node in column] for column in nodes.T]
        for place, row in enumerate(rows):
            if self._pairs.kind[row] == KINDS.index("itself"):
                first, second = rng.permutation(len(self._texts[nodes[place, 0]]))[:2]
                own = self._texts[nodes[place, 0]]
                drawn[0][place], drawn[1][place] = own[first], own[second]
            elif self._pairs.kind[row] == KINDS.index("denoised"):
                drawn[0][place] = without_words(drawn[1][place], self._deletion, rng)
        return {**dict(zip(columns, drawn, strict=True)), "labels": torch.from_numpy(nodes)}

    def _text(self, node: int, rng: np.random.Generator) -> str:
        own = self._texts[node]
        return own[int(rng.integers(len(own)))]


class Collator:
    """Tokenises one batch of `PairBatches`.

    Texts are cut to the model's length and padded to the longest of their column in this batch, not
    to the full length: for each column of B texts

        {"input_ids": int64 (B, L), "attention_mask": int64 (B, L)}    L = the longest, in tokens

    Args:
        model: A sentence-transformers model, whose `max_seq_length` cuts.
    """

    def __init__(self, model: Any) -> None:
        self._tokenise = model.preprocess

    def __call__(self, batches: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The features of each column, and the labels as they are."""
        (batch,) = batches
        features = {
            name: self._tokenise(texts) for name, texts in batch.items() if name != "labels"
        }
        return {"features": features, "labels": batch["labels"]}
