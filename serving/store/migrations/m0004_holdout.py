"""The seed of the holdout's draw, and who was released from it."""

from alembic import op
from sqlalchemy import Column, DateTime, Integer, String, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table of the seed, and the columns of a release."""
    op.create_table(
        "holdout_seed",
        Column("id", Integer, primary_key=True),
        Column("seed", String, nullable=False),
        Column("made_at", DateTime, nullable=False),
    )
    op.add_column("holdouts", Column("released_at", DateTime))
    op.add_column("holdouts", Column("released_by", String))
    op.add_column("holdouts", Column("note", Text))
