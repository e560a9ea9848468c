"""Importing this module registers every command."""

from polyscene.cli import (
    bench,
    demo,
    doctor,
    evaluate,
    fit,
    forget,
    ingest,
    init,
    keys,
    llm,
    page,
    recommend,
    review,
    serve,
    show,
    similar,
)

__all__ = [
    "bench",
    "demo",
    "doctor",
    "evaluate",
    "fit",
    "forget",
    "ingest",
    "init",
    "keys",
    "llm",
    "page",
    "recommend",
    "review",
    "serve",
    "show",
    "similar",
]
