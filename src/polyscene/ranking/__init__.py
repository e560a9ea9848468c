"""Predicted responses and the reward that joins them."""

from polyscene.ranking.auto import Auto
from polyscene.ranking.gates import Gates
from polyscene.ranking.gbdt import Gbdt
from polyscene.ranking.model import Fused, TaskModel

__all__ = ["Auto", "Fused", "Gates", "Gbdt", "TaskModel"]
