"""Tables of what retention keeps: the holdout, ticks, reports, decision records, and facts that people told."""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from serving.store.columns import Moment, Number
from serving.store.metadata import metadata

holdouts = Table(
    "holdouts",
    metadata,
    Column("account_id", String, primary_key=True),
    Column("arm", String, nullable=False),
    Column("drawn_at", Moment, nullable=False),
    Column("share", Number, nullable=False),
    Column("released_at", Moment),
    Column("released_by", String),
    Column("note", Text),
    CheckConstraint("arm IN ('treated', 'holdout')", name="holdouts_arm"),
)

holdout_seed = Table(
    "holdout_seed",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("seed", String, nullable=False),
    Column("made_at", Moment, nullable=False),
)

checks = Table(
    "checks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", String, nullable=False),
    Column("item", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", String, nullable=False),
    Column("is_done", Boolean, nullable=False),
    Column("note", Text),
    Index("checks_by_account", "account_id", "item", "at"),
)

reports = Table(
    "reports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("as_of", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("digest", String, nullable=False),
    Column("body", JSON, nullable=False),
    UniqueConstraint("kind", "as_of", "digest", name="reports_once"),
    Index("reports_by_moment", "kind", "as_of"),
)

reported = Table(
    "reported",
    metadata,
    Column("account_id", String, primary_key=True),
    Column("as_of", Moment, nullable=False),
    Column("measured_at", Moment, nullable=False),
    Column("chapters", JSON, nullable=False),
)

records = Table(
    "records",
    metadata,
    Column("id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("by", String, nullable=False),
    Column("event", String, nullable=False),
    Column("state", String, nullable=False),
    Column("body", JSON, nullable=False),
    Column("digest", String, nullable=False),
    CheckConstraint("event IN ('created', 'revised', 'reviewed', 'reopened', 'closed')", name="records_event"),
    CheckConstraint("state IN ('open', 'reopened', 'closed', 'expired')", name="records_state"),
)

facts = Table(
    "facts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("value", Number),
    Column("moment", Moment),
    Column("at", Moment, nullable=False),
    Column("by", String, nullable=False),
    Column("note", Text),
    CheckConstraint("value IS NULL OR moment IS NULL", name="facts_one_value"),
    Index("facts_by_account", "account_id", "name", "at"),
    Index("facts_by_moment", "at"),
)
