"""Which tags users gave to which items, in place of who gave any."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Replace the table; who gave what is known again after the next import."""
    op.drop_table("taggers")
    op.create_table(
        "given_tags",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("tag", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("timestamp", sa.Double),
        sa.PrimaryKeyConstraint("user_id", "item_id", "tag", "origin", name="pk_given_tags"),
        comment="Tags that users gave, which stand in the tags of records, by the format they "
        "came in.",
        sqlite_with_rowid=False,
    )
    op.create_index("ix_given_tags_item_id", "given_tags", ["item_id"])
