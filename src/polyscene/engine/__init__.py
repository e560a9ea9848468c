"""The read path: query → candidates → rank → rerank → reasons → answer."""

from polyscene.engine.answer import Answer, Recommendation, Understood
from polyscene.engine.engine import Engine
from polyscene.engine.page import Page

__all__ = ["Answer", "Engine", "Page", "Recommendation", "Understood"]
