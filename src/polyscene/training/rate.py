"""How fast an encoder is."""

from __future__ import annotations

import time
from collections.abc import Sequence

from polyscene.encoders import Encoder

__all__ = ["rate"]

_TIMED = 1000


def rate(encoder: Encoder, texts: Sequence[str]) -> float:
    """Texts that it encodes in a second, by 1,000 at most, past the first ones."""
    some = list(texts[:_TIMED])
    encoder.encode(some[:8])
    started = time.perf_counter()
    encoder.encode(some)
    return round(len(some) / max(time.perf_counter() - started, 1e-9), 1)
