"""Columns that most lists of accounts begin with."""

from retention.blocks import Column

ACCOUNT = Column("account_id", "Account")
OWNER = Column("owner", "Owner")
SEGMENT = Column("segment", "Segment")
