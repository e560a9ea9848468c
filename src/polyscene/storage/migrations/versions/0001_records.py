"""Users, items, events and relations."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the first tables and give the store its identity."""
    _create_state()
    _create_items()
    _create_users()
    _create_events()
    _create_relations()


def _create_state() -> None:
    state = op.create_table(
        "state",
        sa.Column("store_id", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("store_id", name="pk_state"),
        comment="One row: who this store is, and how many transactions have written to it.",
    )
    op.bulk_insert(state, [{"store_id": uuid.uuid4().hex, "revision": 0}])


def _create_items() -> None:
    op.create_table(
        "items",
        sa.Column("seq", _SEQUENCE, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("language", sa.Text),
        sa.Column("published_at", sa.Double),
        sa.Column("available", sa.Boolean, nullable=False),
        sa.Column("image", sa.Text),
        sa.Column("audio", sa.Text),
        sa.Column("provider", sa.Text),
        sa.Column("scenarios", sa.JSON, nullable=False),
        sa.Column("attributes", sa.JSON, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_items"),
        sa.UniqueConstraint("item_id", name="uq_items_item_id"),
    )
    op.create_index("ix_items_revision", "items", ["revision"])


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("seq", _SEQUENCE, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("language", sa.Text),
        sa.Column("attributes", sa.JSON, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_users"),
        sa.UniqueConstraint("user_id", name="uq_users_user_id"),
    )
    op.create_index("ix_users_revision", "users", ["revision"])


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("seq", _SEQUENCE, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("item_id", sa.Text),
        sa.Column("person_id", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("timestamp", sa.Double),
        sa.Column("scenario", sa.Text),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sa.UniqueConstraint("event_id", name="uq_events_event_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_events_user_id"),
        sa.ForeignKeyConstraint(["item_id"], ["items.item_id"], name="fk_events_item_id"),
        sa.ForeignKeyConstraint(["person_id"], ["users.user_id"], name="fk_events_person_id"),
        sa.CheckConstraint(
            "(item_id IS NULL) != (person_id IS NULL)", name=op.f("ck_events_one_target")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_user_id_timestamp", "events", ["user_id", "timestamp"])
    on_person = sa.text("person_id IS NOT NULL")
    op.create_index(
        "ix_events_person_id", "events", ["person_id"],
        sqlite_where=on_person, postgresql_where=on_person,
    )  # fmt: skip


def _create_relations() -> None:
    op.create_table(
        "relations",
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("predicate", sa.Text, nullable=False),
        sa.Column("object", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("subject", "predicate", "object", name="pk_relations"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_relations_object_predicate", "relations", ["object", "predicate"])
