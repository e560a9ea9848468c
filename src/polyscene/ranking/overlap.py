"""Tags and attributes that targets share with a history, or with what a user states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import History
from polyscene.data.dataset import IntArray
from polyscene.represent.targets import Targets

__all__ = ["Overlap"]

Column = npt.NDArray[np.float32]


class Overlap:
    """The tags and the attributes of the targets of a space as unit rows over one vocabulary.

    Args:
        targets: The targets of the space.
        items: The targets that histories consist of.
    """

    def __init__(self, targets: Targets, items: Targets) -> None:
        vocabulary: dict[str, int] = {}
        own = [_rows(_tags(items), vocabulary), _rows(_attributes(items), vocabulary)]
        other = own
        if targets is not items:
            other = [_rows(_tags(targets), vocabulary), _rows(_attributes(targets), vocabulary)]
        self._words = vocabulary
        self._items = [_wide(matrix, len(vocabulary)) for matrix in own]
        self._targets = [_wide(matrix, len(vocabulary)) for matrix in other]
        self.changes = targets.changes, items.changes

    def __call__(self, history: History, tags: Sequence[str], rows: IntArray) -> list[Column]:
        """Three cosines of each target in [-1, 1]; 0 where one side has nothing.

        Of its tags with those of the history, weighted by strength; of its attributes likewise; and
        of its tags with those that the user states. Each of shape (m,).

        Args:
            history: What the user did.
            tags: The tags that the user states.
            rows: Rows of the targets, shape (m,).
        """
        found = [
            _cosine(theirs[rows], mine[history.rows].T @ history.strengths)
            for mine, theirs in zip(self._items, self._targets, strict=True)
        ]
        known = sorted({self._words[t] for tag in tags if (t := _tag(tag)) in self._words})
        stated = np.zeros(len(self._words), np.float32)
        stated[known] = 1
        return [*found, _cosine(self._targets[0][rows], stated)]


def _cosine(rows: sp.csr_matrix, profile: Column) -> Column:
    length = np.linalg.norm(profile)
    return np.asarray(rows @ profile / (length or 1.0), np.float32)


def _tag(tag: str) -> str:
    return f"#{tag.casefold()}"


def _tags(targets: Targets) -> Iterable[list[str]]:
    return ([_tag(tag) for tag in tags] for tags in targets.tags)


def _attributes(targets: Targets) -> Iterable[list[str]]:
    for held, provider in zip(targets.texts, targets.providers, strict=True):
        words = [f"{name}={value.casefold()}" for name, values in held.items() for value in values]
        yield [*words, f"provider={provider.casefold()}"] if provider else words


def _rows(words: Iterable[list[str]], vocabulary: dict[str, int]) -> sp.csr_matrix:
    """Unit rows over a vocabulary that grows with them."""
    columns: list[int] = []
    sizes: list[int] = []
    for own in words:
        distinct = {vocabulary.setdefault(word, len(vocabulary)) for word in own}
        columns += sorted(distinct)
        sizes.append(len(distinct))
    ends = np.cumsum([0, *sizes])
    lengths = np.repeat(np.sqrt(np.maximum(sizes, 1)), sizes)
    data = (1.0 / lengths).astype(np.float32)
    shape = (len(sizes), len(vocabulary))
    return sp.csr_matrix((data, np.array(columns, np.int64), ends), shape=shape)


def _wide(matrix: sp.csr_matrix, width: int) -> sp.csr_matrix:
    matrix.resize((matrix.shape[0], width))
    return matrix
