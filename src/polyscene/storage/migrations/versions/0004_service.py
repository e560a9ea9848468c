"""What the service needs: impressions, keys, and a count of what no record tells."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column, the index and the tables; of what was shown before, nothing is known."""
    op.add_column("state", sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"))
    answering = sa.text("request_id IS NOT NULL")
    op.create_index(
        "ix_events_request_id",
        "events",
        ["request_id"],
        sqlite_where=answering,
        postgresql_where=answering,
    )
    op.create_table(
        "impressions",
        sa.Column("seq", _SEQUENCE, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("scenario", sa.Text, nullable=False),
        sa.Column("context", sa.Text),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("variant", sa.Text, nullable=False),
        sa.Column("timestamp", sa.Double, nullable=False),
        sa.Column("targets", sa.JSON, nullable=False),
        sa.Column("propensities", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_impressions"),
        sa.UniqueConstraint("request_id", name="uq_impressions_request_id"),
    )
    op.create_index("ix_impressions_user_id", "impressions", ["user_id"])
    op.create_table(
        "keys",
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("requests_per_minute", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("revoked_at", sa.Double),
        sa.PrimaryKeyConstraint("key_id", name="pk_keys"),
    )
