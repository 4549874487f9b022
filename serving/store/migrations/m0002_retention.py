"""What retention keeps: the holdout, ticked checklist items, reports, decision records."""

from alembic import op
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables of retention."""
    op.create_table(
        "holdouts",
        Column("account_id", String, primary_key=True),
        Column("arm", String, nullable=False),
        Column("drawn_at", DateTime, nullable=False),
        Column("share", Double, nullable=False),
        CheckConstraint("arm IN ('treated', 'holdout')", name="holdouts_arm"),
    )
    op.create_table(
        "checks",
        Column("id", Integer, primary_key=True),
        Column("account_id", String, nullable=False),
        Column("item", String, nullable=False),
        Column("at", DateTime, nullable=False),
        Column("by", String, nullable=False),
        Column("is_done", Boolean, nullable=False),
        Column("note", Text),
        Index("checks_by_account", "account_id", "item", "at"),
    )
    op.create_table(
        "reports",
        Column("id", Integer, primary_key=True),
        Column("kind", String, nullable=False),
        Column("as_of", DateTime, nullable=False),
        Column("created_at", DateTime, nullable=False),
        Column("digest", String, nullable=False),
        Column("body", JSON, nullable=False),
        UniqueConstraint("kind", "as_of", "digest", name="reports_once"),
        Index("reports_by_moment", "kind", "as_of"),
    )
    op.create_table(
        "records",
        Column("id", String, primary_key=True),
        Column("version", Integer, primary_key=True),
        Column("at", DateTime, nullable=False),
        Column("by", String, nullable=False),
        Column("event", String, nullable=False),
        Column("state", String, nullable=False),
        Column("body", JSON, nullable=False),
        Column("digest", String, nullable=False),
        CheckConstraint("event IN ('created', 'revised', 'reviewed', 'reopened', 'closed')", name="records_event"),
        CheckConstraint("state IN ('open', 'reopened', 'closed', 'expired')", name="records_state"),
    )
