"""Several encoders as one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from polyscene.component import Vectors
from polyscene.encoders.base import Encoder, unit_rows
from polyscene.logs import NO_PROGRESS, Progress

__all__ = ["JointEncoder"]


class JointEncoder(Encoder):
    """Concatenates the vectors of several encoders, so that the cosine is a weighted mean.

    With weights w_i that sum to 1 and unit vectors v_i, a text becomes
    normalise( √w_1·v_1 ⧺ √w_2·v_2 ⧺ ... ), so that cos(a, b) = Σ w_i · cos(a_i, b_i). A part that
    cannot embed a text adds nothing to it, and normalising gives the others full weight.

    Args:
        parts: The encoders, at least one; their `weight` says how much each counts.
    """

    def __init__(self, parts: Sequence[Encoder]) -> None:
        super().__init__()
        if not parts:
            raise ValueError("a joint encoder needs at least one part")
        self.parts = tuple(parts)
        total = sum(part.weight for part in parts)
        self._shares = [part.weight / total for part in parts]

    @cached_property
    def id(self) -> str:
        """The ids of the parts with their shares."""
        pairs = zip(self._shares, self.parts, strict=True)
        return "joint " + " + ".join(f"{share:.6g}*({part.id})" for share, part in pairs)

    @cached_property
    def dim(self) -> int:
        """Sum of the parts' dims."""
        return sum(part.dim for part in self.parts)

    def forget(self, texts: Sequence[str]) -> int:
        """See `Encoder`; each part counts its own."""
        return sum(part.forget(texts) for part in self.parts)

    def close(self) -> None:
        """Close the parts."""
        for part in self.parts:
            part.close()

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of non-blank texts."""
        return self.encode(texts)

    def encode(self, texts: Sequence[str], progress: Progress = NO_PROGRESS) -> Vectors:
        """One unit vector a text, shape (n, dim); every part reports its own progress."""
        scaled = [
            np.float32(np.sqrt(share)) * part.encode(texts, progress)
            for share, part in zip(self._shares, self.parts, strict=True)
        ]
        return unit_rows(np.concatenate(scaled, axis=1))
