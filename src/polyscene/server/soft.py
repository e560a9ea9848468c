"""An encoder that answers in time, if only with nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from polyscene.component import Vectors
from polyscene.encoders import Encoder
from polyscene.errors import EncoderError
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.tracing import carried, traced

__all__ = ["PatientEncoder"]

_log = get_logger(__name__)
_REST_S = 5.0
"""After a failure, for how long texts are not waited for that are not cached."""
_CACHED_S = 0.05
"""How long a text is waited for meanwhile: a cached one takes less."""


class PatientEncoder(Encoder):
    """Wraps an encoder for questions: a text that it cannot encode in time has a zero vector.

    An answer then rests on everything but that text. New items are not encoded with it, so that a
    failure there is an error.

    Args:
        encoder: What encodes.
        failed: Told of each failure.
        patience_s: How long a text is waited for.
    """

    def __init__(
        self, encoder: Encoder, failed: Callable[[str], None], patience_s: float = 1.0
    ) -> None:
        super().__init__(encoder.config)
        self._encoder = encoder
        self._failed = failed
        self._patience = patience_s
        self._resting_until = 0.0
        self._pool = ThreadPoolExecutor(2, "encoder")

    @property
    def id(self) -> str:
        """The id of the wrapped encoder."""
        return self._encoder.id

    @property
    def dim(self) -> int:
        """Components of a vector."""
        return self._encoder.dim

    def close(self) -> None:
        """Give up its threads; the wrapped encoder stays open."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of non-blank texts."""
        return self.encode(texts)

    @traced("encode")
    def _encode(self, texts: list[str], progress: Progress) -> Vectors:
        return self._encoder.encode(texts, progress)

    def encode(self, texts: Sequence[str], progress: Progress = NO_PROGRESS) -> Vectors:
        """One unit vector a text, or zero rows where it failed. Shape (n, dim)."""
        resting = time.monotonic() < self._resting_until
        try:
            waiting = self._pool.submit(carried(self._encode), list(texts), progress)
            return waiting.result(_CACHED_S if resting else self._patience)
        except (TimeoutError, EncoderError) as error:
            _log.warning("a text was not encoded: %s", error or "too slow")
            self._resting_until = time.monotonic() + _REST_S
            self._failed("the encoder is slow or down: the answer leaves texts out")
            return np.zeros((len(texts), self._encoder.dim), np.float32)
