"""Where memory does not suffice. Needs torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from polyscene.errors import EncoderError

__all__ = ["enough_memory"]

_SHORT = ("out of memory", "can't allocate memory", "not enough memory")


@contextmanager
def enough_memory(**options: int) -> Iterator[None]:
    """Name what to change where memory does not suffice.

    Args:
        options: The options that say how much is needed, the one to halve first in front.

    Raises:
        EncoderError: Instead of what torch and numpy raise then.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not known and not any(words in str(error).lower() for words in _SHORT):
            raise
        needed = " and ".join(f"{name} {size}" for name, size in options.items())
        raise EncoderError(
            f"out of memory with {needed}; halve {', or else '.join(options)}. Checkpoints stay: "
            "the same command goes on from them"
        ) from error
