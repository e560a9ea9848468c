"""Polyscene: recommendation across scenarios and tasks with language models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyscene.data.schema import Event, Item, Relation, User
    from polyscene.engine import Answer, Engine, Page, Recommendation
    from polyscene.errors import PolysceneError
    from polyscene.training import EncoderTraining, train_encoder
    from polyscene.training.classify.config import ClassifierTraining
    from polyscene.training.classify.train import train_classifier

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "ClassifierTraining",
    "EncoderTraining",
    "Engine",
    "Event",
    "Item",
    "Page",
    "PolysceneError",
    "Recommendation",
    "Relation",
    "User",
    "__version__",
    "train_classifier",
    "train_encoder",
]

_HOMES = {
    "Answer": "polyscene.engine",
    "ClassifierTraining": "polyscene.training.classify.config",
    "EncoderTraining": "polyscene.training",
    "Engine": "polyscene.engine",
    "Event": "polyscene.data.schema",
    "Item": "polyscene.data.schema",
    "Page": "polyscene.engine",
    "PolysceneError": "polyscene.errors",
    "Recommendation": "polyscene.engine",
    "Relation": "polyscene.data.schema",
    "User": "polyscene.data.schema",
    "train_classifier": "polyscene.training.classify.train",
    "train_encoder": "polyscene.training",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import polyscene` stays light."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'polyscene' has no attribute {name!r}")
