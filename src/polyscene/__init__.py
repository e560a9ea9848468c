"""Polyscene: recommendation across scenarios and tasks with language models."""

__version__ = "0.1.0"
