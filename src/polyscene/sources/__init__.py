"""Sources of candidates with scores."""

from polyscene.sources.base import Source
from polyscene.sources.kernel import Kernel
from polyscene.sources.semantic import SemanticMean, SemanticMulti, SemanticSoft
from polyscene.sources.trending import Fresh, Trending

__all__ = [
    "FALLBACKS",
    "Fresh",
    "Kernel",
    "SemanticMean",
    "SemanticMulti",
    "SemanticSoft",
    "Source",
    "Trending",
]

FALLBACKS = (Trending.name, Fresh.name)
"""The sources that fill a list up when the declared ones find too little, in this order."""
