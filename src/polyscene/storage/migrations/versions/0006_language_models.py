"""Answers of language models, and what they cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the two tables."""
    op.create_table(
        "llm_answers",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("answer", sa.Text),
        sa.Column("failure", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.CheckConstraint(
            "(answer IS NULL) != (failure IS NULL)", name=op.f("ck_llm_answers_one_outcome")
        ),
        sa.PrimaryKeyConstraint("key", name="pk_llm_answers"),
        sqlite_with_rowid=False,
    )
    of_somebody = sa.text("subject IS NOT NULL")
    op.create_index(
        "ix_llm_answers_subject",
        "llm_answers",
        ["subject"],
        sqlite_where=of_somebody,
        postgresql_where=of_somebody,
    )
    counts = ("calls", "hits", "repairs", "failures", "tokens_in", "tokens_out")
    op.create_table(
        "llm_usage",
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in counts),
        sa.Column("cost", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("day", "model", "prompt", "version", name="pk_llm_usage"),
        sqlite_with_rowid=False,
    )
