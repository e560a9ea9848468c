"""Importing this module registers every command."""

from polyscene.cli import (
    bench,
    demo,
    doctor,
    evaluate,
    fit,
    ingest,
    init,
    page,
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
    "page",
    "recommend",
    "show",
    "similar",
]
