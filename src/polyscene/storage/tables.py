"""The tables of the store. Their history is in `migrations`; a test keeps the two equal."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = [
    "events",
    "given_tags",
    "impressions",
    "items",
    "keys",
    "llm_answers",
    "llm_usage",
    "metadata",
    "notes",
    "relations",
    "reviews",
    "state",
    "users",
]

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column declared exactly INTEGER PRIMARY KEY.
_Sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

state = sa.Table(
    "state",
    metadata,
    sa.Column("store_id", sa.Text, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    # Relations and deletions leave no record with a later revision to find them by.
    sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"),
    comment="One row: who this store is, how many transactions have written to it, and how many "
    "of them added relations or deleted something.",
)

items = sa.Table(
    "items",
    metadata,
    sa.Column("seq", _Sequence, primary_key=True),
    sa.Column("item_id", sa.Text, nullable=False, unique=True),
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
    sa.Column("revision", sa.BigInteger, nullable=False, index=True),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("seq", _Sequence, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False, unique=True),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("language", sa.Text),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False, index=True),
)

_ON_PERSON = sa.text("person_id IS NOT NULL")
_ANSWERING = sa.text("request_id IS NOT NULL")

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", _Sequence, primary_key=True),
    sa.Column("event_id", sa.Text, unique=True),
    sa.Column("user_id", sa.Text, sa.ForeignKey("users.user_id"), nullable=False),
    sa.Column("item_id", sa.Text, sa.ForeignKey("items.item_id")),
    sa.Column("person_id", sa.Text, sa.ForeignKey("users.user_id")),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("timestamp", sa.Double),
    sa.Column("scenario", sa.Text),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("request_id", sa.Text),
    sa.Column("context", sa.Text, sa.ForeignKey("items.item_id")),
    sa.CheckConstraint("(item_id IS NULL) != (person_id IS NULL)", name="one_target"),
    # Serves a history newest first: SQLite ends every index entry with the row number, seq.
    sa.Index(None, "user_id", "timestamp"),
    sa.Index(None, "person_id", sqlite_where=_ON_PERSON, postgresql_where=_ON_PERSON),
    sa.Index(None, "request_id", sqlite_where=_ANSWERING, postgresql_where=_ANSWERING),
    sqlite_autoincrement=True,
)

relations = sa.Table(
    "relations",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("predicate", sa.Text, primary_key=True),
    sa.Column("object", sa.Text, primary_key=True),
    sa.Index(None, "object", "predicate"),
    sqlite_with_rowid=False,
)

given_tags = sa.Table(
    "given_tags",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("item_id", sa.Text, primary_key=True, index=True),
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("timestamp", sa.Double),
    comment="Tags that users gave, which stand in the tags of records, by the format they came in.",
    sqlite_with_rowid=False,
)

impressions = sa.Table(
    "impressions",
    metadata,
    sa.Column("seq", _Sequence, primary_key=True),
    sa.Column("request_id", sa.Text, nullable=False, unique=True),
    sa.Column("user_id", sa.Text, index=True),
    sa.Column("scenario", sa.Text, nullable=False),
    sa.Column("context", sa.Text),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("variant", sa.Text, nullable=False),
    sa.Column("timestamp", sa.Double, nullable=False),
    sa.Column("targets", sa.JSON, nullable=False),
    sa.Column("propensities", sa.JSON, nullable=False),
    comment="One row an answer; the targets shown in it stand in order of their position.",
)

_REVIEWED_ITEM = sa.text("item_id IS NOT NULL")

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("seq", _Sequence, primary_key=True),
    sa.Column("scenario", sa.Text, nullable=False),
    sa.Column("item_id", sa.Text, sa.ForeignKey("items.item_id")),
    sa.Column("person_id", sa.Text, sa.ForeignKey("users.user_id")),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("decided_at", sa.Double, nullable=False),
    sa.CheckConstraint("(item_id IS NULL) != (person_id IS NULL)", name="one_target"),
    sa.Index(None, "item_id", sqlite_where=_REVIEWED_ITEM, postgresql_where=_REVIEWED_ITEM),
    sa.Index(None, "person_id", sqlite_where=_ON_PERSON, postgresql_where=_ON_PERSON),
    sa.Index(None, "scenario"),
    comment="One row a decision on what a scenario may show; the latest on a target counts.",
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("requests_per_minute", sa.Double),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("revoked_at", sa.Double),
    comment="Keys of the service; of the secret only its SHA-256.",
)

_OF_SOMEBODY = sa.text("subject IS NOT NULL")

llm_answers = sa.Table(
    "llm_answers",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("subject", sa.Text),
    sa.Column("answer", sa.Text),
    sa.Column("failure", sa.Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.CheckConstraint("(answer IS NULL) != (failure IS NULL)", name="one_outcome"),
    sa.Index(None, "subject", sqlite_where=_OF_SOMEBODY, postgresql_where=_OF_SOMEBODY),
    comment="Answers of language models by a hash of what they were asked; the subject is the user "
    "that the question was about.",
    sqlite_with_rowid=False,
)

llm_usage = sa.Table(
    "llm_usage",
    metadata,
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("prompt", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("hits", sa.BigInteger, nullable=False),
    sa.Column("repairs", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.BigInteger, nullable=False),
    sa.Column("tokens_in", sa.BigInteger, nullable=False),
    sa.Column("tokens_out", sa.BigInteger, nullable=False),
    sa.Column("cost", sa.Double, nullable=False),
    comment="What language models were asked and what it cost, by day (UTC).",
    sqlite_with_rowid=False,
)

notes = sa.Table(
    "notes",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("scenario", sa.Text, primary_key=True),
    sa.Column("facet", sa.Text, primary_key=True),
    sa.Column("words", sa.JSON, nullable=False),
    sa.Column("scores", sa.JSON, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    comment="What enrichment says of items and users; the scenario is empty where it holds in all.",
    sqlite_with_rowid=False,
)
