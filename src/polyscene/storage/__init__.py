"""The store of records: SQLite by default, PostgreSQL by URL."""

from polyscene.storage.export import exported
from polyscene.storage.given import Untold, given_tags
from polyscene.storage.notes import Note, drop_notes, notes_of, put_notes
from polyscene.storage.person import Acts, Person
from polyscene.storage.reviews import DECISIONS, Decision, Review, decided, reviewed, reviews_of
from polyscene.storage.rows import Impression, Key
from polyscene.storage.store import Counts, Store
from polyscene.storage.watch import Changes, Watch
from polyscene.storage.writer import StoreWriter

__all__ = [
    "DECISIONS",
    "Acts",
    "Changes",
    "Counts",
    "Decision",
    "Impression",
    "Key",
    "Note",
    "Person",
    "Review",
    "Store",
    "StoreWriter",
    "Untold",
    "Watch",
    "decided",
    "drop_notes",
    "exported",
    "given_tags",
    "notes_of",
    "put_notes",
    "reviewed",
    "reviews_of",
]
