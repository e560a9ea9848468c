"""Importing this module registers every command."""

from polyscene.cli import (
    bench,
    demo,
    doctor,
    evaluate,
    fit,
    ingest,
    init,
    recommend,
    show,
    similar,
)

__all__ = [
    "bench",
    "demo",
    "doctor",
    "evaluate",
    "fit",
    "ingest",
    "init",
    "recommend",
    "show",
    "similar",
]
