"""How much noted interests count beside what a user did and states.

    i' = i + w(h)·n,  scaled down to length 1 where it is longer
    w(h) = weight / h^fade       h targets in the history; 0 where no gain was measured

i is what the user states and n the mean vector of the noted words, both of length 1 or 0; i' stands
in place of i wherever stated interests count. The more is known of what a user does, the less its
summary in words adds. `polyscene enrich --users --measure` chooses weight and fade and measures,
for each length of history, whether lists become better; see `polyscene.evaluation.interests`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from polyscene.component import Vectors
from polyscene.data.schema import User
from polyscene.encoders import Encoder
from polyscene.llm.gates import GateFile
from polyscene.metrics.bands import Band
from polyscene.represent.users import interest_vectors
from polyscene.represent.whiten import Transform
from polyscene.settings import UserVectors
from polyscene.workspace import Workspace

__all__ = ["LENGTHS", "NotedGate", "NotedGates", "gates_in", "with_noted", "write_gates"]

LENGTHS = ((1, 1), (2, 2), (3, 3), (4, 5))
"""Lengths of histories that are measured apart; with longer ones noted interests never count."""


class NotedGate(BaseModel):
    """What was measured of noted interests in one scenario."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """The language model that chose the words; "" for none."""
    weight: float
    """Of the noted interests of a user with one target, where stated ones weigh 1."""
    fade: float
    """How fast they fade with the length of the history; 0 for not."""
    bands: tuple[Band, ...]

    def weight_of(self, size: int) -> float:
        """The weight for a user with so many targets in their history."""
        opened = size > 0 and any(band.gains for band in self.bands if band.holds(size))
        return self.weight / size**self.fade if opened else 0.0


NotedGates = Mapping[str, NotedGate]
"""By scenario."""
_GATES = GateFile("interests.json", NotedGate)


def gates_in(workspace: Workspace, version: str) -> NotedGates:
    """The scenarios where noted interests count, with what was measured there.

    Words of another language model than that which was measured do not count.

    Args:
        workspace: The workspace.
        version: The version of the model in use.
    """
    found = _GATES.of(workspace.models, version)
    if not found:
        return {}
    chat = workspace.language_model.chat.id if workspace.has_language_model else ""
    return {
        name: gate
        for name, gate in found.items()
        if gate.model == chat and any(band.gains for band in gate.bands)
    }


def write_gates(workspace: Workspace, version: str, gates: NotedGates) -> None:
    """Store what was measured on a model beside what was measured before."""
    models = workspace.models
    _GATES.write(models, version, _GATES.of(models, version) | dict(gates))


def with_noted(
    stated: Vectors,
    words: Sequence[Sequence[str]],
    weights: Sequence[float],
    encoder: Encoder,
    transform: Transform,
) -> Vectors:
    """Stated interests and noted ones as one vector for each user, shape (users, dim).

    Args:
        stated: Of length 1, or 0 for nothing, shape (users, dim).
        words: The noted words of each user.
        weights: How much they count.
        encoder: What encodes words.
        transform: What the vectors of the model went through.
    """
    noting = [place for place, own in enumerate(words) if own and weights[place] > 0]
    if not noting:
        return stated
    users = [User(user_id="anybody", tags=list(words[place])) for place in noting]
    found = stated.copy()
    scale = np.array([weights[place] for place in noting], np.float32)[:, None]
    found[noting] += scale * interest_vectors(users, encoder, transform, UserVectors())
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(length, 1), np.float32)
