"""What persons tell of accounts; runs that watch; accounts whose health and probability disagree."""

from alembic import op
from sqlalchemy import Boolean, CheckConstraint, Column, DateTime, Double, Index, Integer, String, Text, false

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table of facts, and the columns of runs and scores."""
    op.create_table(
        "facts",
        Column("id", Integer, primary_key=True),
        Column("account_id", String, nullable=False),
        Column("name", String, nullable=False),
        Column("value", Double),
        Column("moment", DateTime),
        Column("at", DateTime, nullable=False),
        Column("by", String, nullable=False),
        Column("note", Text),
        CheckConstraint("value IS NULL OR moment IS NULL", name="facts_one_value"),
        Index("facts_by_account", "account_id", "name", "at"),
        Index("facts_by_moment", "at"),
    )
    op.add_column("runs", Column("is_watch", Boolean, nullable=False, server_default=false()))
    op.add_column("scores", Column("disagrees", String))
