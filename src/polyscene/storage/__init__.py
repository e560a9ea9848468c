"""The store of records: SQLite by default, PostgreSQL by URL."""

from polyscene.storage.export import exported
from polyscene.storage.reviews import DECISIONS, Decision, Review, decided, reviewed, reviews_of
from polyscene.storage.rows import Impression, Key
from polyscene.storage.store import Counts, Store
from polyscene.storage.watch import Changes, Watch
from polyscene.storage.writer import StoreWriter

__all__ = [
    "DECISIONS",
    "Changes",
    "Counts",
    "Decision",
    "Impression",
    "Key",
    "Review",
    "Store",
    "StoreWriter",
    "Watch",
    "decided",
    "exported",
    "reviewed",
    "reviews_of",
]
