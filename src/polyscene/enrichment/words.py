"""Texts as weighted words: TF-IDF, for neighbours and for the words of a group of texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

__all__ = ["WordSpace", "words"]

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]+|[^\W\d_{_CJK}][^\W_{_CJK}]+(?:['’-][^\W_{_CJK}]+)*")
_SCRIPT = re.compile(rf"[{_CJK}]")


def words(text: str) -> list[str]:
    """The words of a text in lower case; of scripts without spaces, pairs of characters."""
    found = []
    for match in _WORD.finditer(text.lower()):
        word = match.group()
        if _SCRIPT.match(word):
            found += [word[place : place + 2] for place in range(max(1, len(word) - 1))]
        else:
            found.append(word)
    return found


class WordSpace:
    """TF-IDF vectors: (1 + log tf) · log(n / df), unit rows.

    Words of one text alone, and of more than `common` of all texts, are left out.

    Args:
        texts: The texts that the words are counted in, n of them.
        common: The largest share of texts with a word.
    """

    def __init__(self, texts: Sequence[str], common: float = 0.3) -> None:
        counts = [Counter(words(text)) for text in texts]
        df = Counter(word for count in counts for word in count)
        n = max(1, len(texts))
        kept = sorted(word for word, many in df.items() if many >= 2 and many <= max(2, common * n))
        self.words = kept
        """The words, sorted; the columns of the vectors."""
        self._column = {word: place for place, word in enumerate(kept)}
        self._idf = np.log(n / np.array([df[word] for word in kept], np.float64))
        self.rows = self._vectors(counts)
        """The vectors of the texts, shape (n, words)."""

    def __call__(self, texts: Sequence[str]) -> sp.csr_matrix:
        """The vectors of other texts, shape (m, words)."""
        return self._vectors([Counter(words(text)) for text in texts])

    def _vectors(self, counts: Sequence[Counter[str]]) -> sp.csr_matrix:
        data: list[float] = []
        columns: list[int] = []
        ends = [0]
        for count in counts:
            for word, many in count.items():
                column = self._column.get(word)
                if column is not None:
                    columns.append(column)
                    data.append((1 + np.log(many)) * self._idf[column])
            ends.append(len(data))
        found = sp.csr_matrix((data, columns, ends), shape=(len(counts), len(self.words)))
        norms = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
        return sp.diags_array(1 / np.where(norms > 0, norms, 1)).tocsr() @ found
