"""Decisions on what a scenario may show."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table; whatever waited goes on waiting."""
    op.create_table(
        "reviews",
        sa.Column("seq", _SEQUENCE, nullable=False),
        sa.Column("scenario", sa.Text, nullable=False),
        sa.Column("item_id", sa.Text),
        sa.Column("person_id", sa.Text),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_reviews"),
        sa.ForeignKeyConstraint(["item_id"], ["items.item_id"], name="fk_reviews_item_id"),
        sa.ForeignKeyConstraint(["person_id"], ["users.user_id"], name="fk_reviews_person_id"),
        sa.CheckConstraint(
            "(item_id IS NULL) != (person_id IS NULL)", name=op.f("ck_reviews_one_target")
        ),
    )
    op.create_index("ix_reviews_scenario", "reviews", ["scenario"])
    for column in ("item_id", "person_id"):
        present = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_reviews_{column}", "reviews", [column],
            sqlite_where=present, postgresql_where=present,
        )  # fmt: skip
