"""Tables that online rows are built from: each account's own rows as the tables delivered them, and posted events."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from serving.store.columns import Moment, Number
from serving.store.metadata import metadata

row_sets = Table(
    "row_sets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("as_of", Moment, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("about", JSON, nullable=False),
    Column("is_complete", Boolean, nullable=False),
)

row_places = Table(
    "row_places",
    metadata,
    Column("set_id", ForeignKey("row_sets.id", ondelete="CASCADE"), primary_key=True),
    Column("account_id", String, primary_key=True),
    Column("block", Integer, nullable=False),
)

row_blocks = Table(
    "row_blocks",
    metadata,
    Column("set_id", ForeignKey("row_sets.id", ondelete="CASCADE"), primary_key=True),
    Column("block", Integer, primary_key=True),
    Column("source", String, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

usage_events = Table(
    "usage_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", String, nullable=False),
    Column("row_id", String, unique=True),
    Column("user_id", String),
    Column("session_id", String),
    Column("event", String),
    Column("at", Moment, nullable=False),
    Column("quantity", Number),
    Column("value", Number),
    Column("known_at", Moment, nullable=False),
    Column("counted_as_of", Moment),
    Index("usage_events_by_account", "account_id"),
)
