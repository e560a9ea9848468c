"""The store of records: SQLite by default, PostgreSQL by URL."""

from polyscene.storage.store import Counts, Store
from polyscene.storage.writer import StoreWriter

__all__ = ["Counts", "Store", "StoreWriter"]
