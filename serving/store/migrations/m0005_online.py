"""Each account's own rows, and usage events that were posted before the tables deliver them."""

from alembic import op
from sqlalchemy import JSON, Boolean, Column, DateTime, Double, ForeignKey, Index, Integer, LargeBinary, String

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables of kept rows and of posted events."""
    op.create_table(
        "row_sets",
        Column("id", Integer, primary_key=True),
        Column("as_of", DateTime, nullable=False),
        Column("made_at", DateTime, nullable=False),
        Column("about", JSON, nullable=False),
        Column("is_complete", Boolean, nullable=False),
    )
    op.create_table(
        "row_places",
        Column("set_id", Integer, ForeignKey("row_sets.id", ondelete="CASCADE"), primary_key=True),
        Column("account_id", String, primary_key=True),
        Column("block", Integer, nullable=False),
    )
    op.create_table(
        "row_blocks",
        Column("set_id", Integer, ForeignKey("row_sets.id", ondelete="CASCADE"), primary_key=True),
        Column("block", Integer, primary_key=True),
        Column("source", String, primary_key=True),
        Column("content", LargeBinary, nullable=False),
    )
    op.create_table(
        "usage_events",
        Column("id", Integer, primary_key=True),
        Column("account_id", String, nullable=False),
        Column("row_id", String, unique=True),
        Column("user_id", String),
        Column("session_id", String),
        Column("event", String),
        Column("at", DateTime, nullable=False),
        Column("quantity", Double),
        Column("value", Double),
        Column("known_at", DateTime, nullable=False),
        Column("counted_as_of", DateTime),
        Index("usage_events_by_account", "account_id"),
    )
