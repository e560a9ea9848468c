"""An encoder that remembers: each text is encoded once, ever."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from polyscene.component import Vectors
from polyscene.encoders.base import Encoder
from polyscene.encoders.cache_file import VectorFile
from polyscene.errors import EncoderError
from polyscene.logs import NO_PROGRESS, Progress, get_logger

__all__ = ["CachedEncoder"]

log = get_logger(__name__)


class CachedEncoder(Encoder):
    """Wraps an encoder with a cache on disk, keyed by encoder id and SHA-256 of the text.

    What is missing is encoded chunk by chunk, each committed at once: an interrupted run resumes
    where it stopped. The model itself is not touched when nothing is missing. Several processes
    may share the folder. Vectors of small batches are also kept in memory, for query texts.

    Args:
        encoder: What encodes the texts that are not there yet.
        folder: Where the cache files are, one an encoder id.
        chunk: Texts that are encoded between two commits.
        remembered: How many vectors are kept in memory.
    """

    def __init__(
        self, encoder: Encoder, folder: Path, chunk: int = 512, remembered: int = 4096
    ) -> None:
        super().__init__(encoder.config)
        self.encoder = encoder
        self._file = VectorFile(folder, encoder.id)
        self._chunk = chunk
        self._recent = _Recent(remembered)

    @property
    def id(self) -> str:
        """The id of the wrapped encoder: the cache changes no vector."""
        return self.encoder.id

    @cached_property
    def dim(self) -> int:
        """As in the cache, so that it costs no model; otherwise asked from the encoder."""
        return self._file.dim() or self.encoder.dim

    @property
    def weight(self) -> float:
        """The weight of the wrapped encoder."""
        return self.encoder.weight

    def close(self) -> None:
        """Close the cache file and the encoder; the next use opens them again."""
        self._file.close()
        self.encoder.close()

    def forget(self, texts: Sequence[str]) -> int:
        """Remove the vectors of texts from memory and disk, and what the encoder itself keeps.

        Returns how many vectors the disk had.
        """
        keys = [_key(text) for text in dict.fromkeys(texts) if text.strip()]
        self._recent.remove(keys)
        return self._file.remove(keys) + self.encoder.forget(texts)

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of non-blank texts."""
        return self.encode(texts)

    def encode(self, texts: Sequence[str], progress: Progress = NO_PROGRESS) -> Vectors:
        """One unit vector a text, shape (n, dim). `progress` counts what is really encoded."""
        places: dict[bytes, int] = {}
        distinct: list[str] = []
        inverse = np.full(len(texts), -1, dtype=np.int64)
        for row, text in enumerate(texts):
            if text.strip():
                place = places.setdefault(_key(text), len(distinct))
                if place == len(distinct):
                    distinct.append(text)
                inverse[row] = place
        vectors = self._encode_distinct(list(places), distinct, progress)
        if len(distinct) == len(texts):
            return vectors
        spread = np.zeros((len(texts), vectors.shape[1]), dtype=np.float32)
        spread[inverse >= 0] = vectors[inverse[inverse >= 0]]
        return spread

    def _encode_distinct(self, keys: list[bytes], texts: list[str], progress: Progress) -> Vectors:
        small = len(keys) <= self._recent.size // 8
        found = self._recent.get(keys) if small else {}
        absent = [key for key in keys if key not in found]
        if absent:
            found.update(self._file.read(absent, self.dim))
        vectors = np.zeros((len(keys), self.dim), dtype=np.float32)
        missing: list[int] = []
        for row, key in enumerate(keys):
            vector = found.get(key)
            if vector is None:
                missing.append(row)
            else:
                vectors[row] = vector
        if missing and not self._fill(vectors, keys, texts, missing, progress):
            return self._encode_distinct(keys, texts, progress)
        if small and absent:
            self._recent.put(keys, vectors)
        return vectors

    def _fill(
        self,
        vectors: Vectors,
        keys: list[bytes],
        texts: list[str],
        missing: list[int],
        progress: Progress,
    ) -> bool:
        """Encode the missing rows into `vectors`, committing every chunk.

        False when the encoder's dim turns out to be another than that of the cache: all that is
        cached is void then.
        """
        with progress.task("encode", len(missing), "texts") as task:
            for start in range(0, len(missing), self._chunk):
                rows = missing[start : start + self._chunk]
                fresh = self.encoder.encode([texts[row] for row in rows])
                self._file.write([keys[row] for row in rows], fresh)
                if fresh.shape[1] != self.dim:
                    self._change_dim(fresh.shape[1])
                    return False
                vectors[rows] = fresh
                task.advance(len(rows))
        return True

    def _change_dim(self, dim: int) -> None:
        if dim != self.encoder.dim:
            raise EncoderError(
                f"encoder {self.id}: got vectors of {dim} components; expected {self.encoder.dim}"
            )
        log.warning(
            "the encoder %s gives %d components where the cache has %d; its texts are encoded anew",
            self.id,
            dim,
            self.dim,
        )
        self._recent.clear()
        self.__dict__["dim"] = dim  # what cached_property keeps


class _Recent:
    """The vectors used last, by key."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    def clear(self) -> None:
        with self._lock:
            self._vectors.clear()

    def remove(self, keys: Sequence[bytes]) -> None:
        with self._lock:
            for key in keys:
                self._vectors.pop(key, None)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        found = {}
        with self._lock:
            for key in keys:
                vector = self._vectors.get(key)
                if vector is not None:
                    self._vectors.move_to_end(key)
                    found[key] = vector
        return found

    def put(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        with self._lock:
            for key, vector in zip(keys, vectors, strict=True):
                self._vectors[key] = vector.copy()
                self._vectors.move_to_end(key)
            while len(self._vectors) > self.size:
                self._vectors.popitem(last=False)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
