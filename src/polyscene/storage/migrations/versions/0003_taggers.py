"""Whose tags stand in the texts of records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table; of what was imported before, nothing is known."""
    op.create_table(
        "taggers",
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("origin", "user_id", name="pk_taggers"),
        comment="Users whose free tags stand in the texts of records, by the format they came in.",
        sqlite_with_rowid=False,
    )
