"""What an event was about."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; events of before name no context."""
    # Written out, as Alembic would add the constraint in a step of its own, which SQLite lacks.
    op.execute(
        "ALTER TABLE events ADD COLUMN context TEXT "
        "CONSTRAINT fk_events_context REFERENCES items (item_id)"
    )
