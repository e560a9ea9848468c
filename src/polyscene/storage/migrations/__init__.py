"""The versions of the store's tables, and how a store is brought to the newest.

Opening an up-to-date store costs one query: Alembic, which is slow to import, is only loaded
when there is something to do.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from polyscene.errors import WorkspaceError

__all__ = ["VERSIONS", "current_version", "upgrade"]

VERSIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""Every version, oldest first; the last is what this program writes."""

_VERSION_TABLE = "alembic_version"


def current_version(connection: sa.Connection, name: str) -> str | None:
    """The version of a store, or None when it is empty.

    Args:
        connection: A connection to it.
        name: What to call the store in messages.

    Raises:
        WorkspaceError: When a newer program wrote it, or it is some other program's database.
    """
    tables = sa.inspect(connection).get_table_names()
    if _VERSION_TABLE not in tables:
        if tables:
            raise WorkspaceError(
                f"{name} is a database of another program (it has the table {tables[0]!r}); "
                f"name a file that does not exist yet, or a store made by polyscene"
            )
        return None
    found = connection.execute(sa.text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar()
    if found is not None and found not in VERSIONS:
        raise WorkspaceError(
            f"{name} was written by a newer version of polyscene (its format is {found}, the "
            f"newest known here is {VERSIONS[-1]}); install that version or a later one with: "
            f"pip install --upgrade polyscene"
        )
    return None if found is None else str(found)


def upgrade(connection: sa.Connection) -> None:
    """Bring the store to the newest version inside the transaction that `connection` is in."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
