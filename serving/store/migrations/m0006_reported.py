"""What the newest report says of each account."""

from alembic import op
from sqlalchemy import JSON, Column, DateTime, String

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table of reported rows; it is filled by the next report that is kept."""
    op.create_table(
        "reported",
        Column("account_id", String, primary_key=True),
        Column("as_of", DateTime, nullable=False),
        Column("measured_at", DateTime, nullable=False),
        Column("chapters", JSON, nullable=False),
    )
