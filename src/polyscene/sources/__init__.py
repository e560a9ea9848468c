"""Sources of candidates with scores."""

from polyscene.sources.base import Live, Source
from polyscene.sources.context import Context
from polyscene.sources.factor import Factor
from polyscene.sources.graph import Graph
from polyscene.sources.kernel import Kernel
from polyscene.sources.neighbours import ItemKnn, Rp3Beta
from polyscene.sources.semantic import SemanticMean, SemanticMulti, SemanticSoft
from polyscene.sources.social import Social
from polyscene.sources.trending import Fresh, Trending
from polyscene.sources.user_knn import UserKnn

__all__ = [
    "FALLBACKS",
    "Context",
    "Factor",
    "Fresh",
    "Graph",
    "ItemKnn",
    "Kernel",
    "Live",
    "Rp3Beta",
    "SemanticMean",
    "SemanticMulti",
    "SemanticSoft",
    "Social",
    "Source",
    "Trending",
    "UserKnn",
]

FALLBACKS = (Trending.name, Fresh.name)
"""The sources that fill a list up when the declared ones find too little, in this order."""
