"""The store of records: SQLite by default, PostgreSQL by URL."""

from polyscene.storage.rows import Impression, Key
from polyscene.storage.store import Counts, Store
from polyscene.storage.watch import Changes, Watch
from polyscene.storage.writer import StoreWriter

__all__ = ["Changes", "Counts", "Impression", "Key", "Store", "StoreWriter", "Watch"]
