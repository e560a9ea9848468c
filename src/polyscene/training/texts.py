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

__all__ = ["TOGETHER", "Collator", "PairBatches", "without_words"]


TOGETHER = 32
"""Texts of like length that pass through a model together, at most, so that little is padding."""
_SAID = 4
"""Texts of a node that speak for it in a batch, at most."""


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
    the same batches, and a run that was stopped goes on with the next. A node speaks with all of
    its texts, or where these are many with four that are drawn each time; in a pair of two texts of
    one item each side is one.

        batch = dataset[0]
        batch["texts"]     of each column (anchors, positives, hard negatives) B lists of texts
        batch["nodes"]     int64, shape (B, 2 + k): the nodes, anchors first
        batch["seed"]      int: of what else is drawn for this batch

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
        drawn = [[self._said(node, rng) for node in column] for column in nodes.T]
        for place, row in enumerate(rows):
            if self._pairs.kind[row] == KINDS.index("itself"):
                own = self._texts[nodes[place, 0]]
                first, second = rng.permutation(len(own))[:2]
                drawn[0][place], drawn[1][place] = [own[first]], [own[second]]
            elif self._pairs.kind[row] == KINDS.index("denoised"):
                own = self._texts[nodes[place, 0]]
                whole = own[int(rng.integers(len(own)))]
                drawn[0][place] = [without_words(whole, self._deletion, rng)]
                drawn[1][place] = [whole]
        seed = int(rng.integers(2**31))
        return {"texts": drawn, "nodes": torch.from_numpy(nodes), "seed": seed}

    def _said(self, node: int, rng: np.random.Generator) -> list[str]:
        own = self._texts[node]
        if len(own) <= _SAID:
            return list(own)
        return [own[place] for place in rng.permutation(len(own))[:_SAID]]


class Collator:
    """Tokenises one batch of `PairBatches`.

    Each distinct text is there once. Texts of like length stand together, are cut to the model's
    length and padded to the longest of their group, not to the full length:

        features          for each group of at most `size` texts
            {"input_ids": int64 (m, L), "attention_mask": int64 (m, L)}    L: the longest
        slots["nodes"]    int64, shape (B, 2 + k), as they are
        slots["owner"]    int64, shape (t,): of each text of each node, the place of the node,
                          column by column
        slots["text"]     int64, shape (t,): and the place of the text among those of all groups

    Args:
        model: A sentence-transformers model, whose `max_seq_length` cuts.
        size: Texts of a group, at most.
    """

    def __init__(self, model: Any, size: int = TOGETHER) -> None:
        self._tokenise = model.preprocess
        self._size = size

    def __call__(self, batches: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The features of each group, and which node each text belongs to."""
        (batch,) = batches
        said = [own for column in batch["texts"] for own in column]
        texts = sorted({text for own in said for text in own}, key=lambda text: (len(text), text))
        place = {text: number for number, text in enumerate(texts)}
        owner = np.repeat(np.arange(len(said)), [len(own) for own in said])
        told = np.array([place[text] for own in said for text in own], np.int64)
        features = [
            self._tokenise(texts[start : start + self._size])
            for start in range(0, len(texts), self._size)
        ]
        slots = {
            "nodes": batch["nodes"],
            "owner": torch.from_numpy(owner),
            "text": torch.from_numpy(told),
        }
        return {"features": features, "slots": slots}
