"""The store of records: SQLite by default, PostgreSQL by URL."""
