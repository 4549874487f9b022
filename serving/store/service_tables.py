"""Tables of the service: what is told to other systems, who may call, what was asked and done."""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from serving.store.columns import Moment
from serving.store.metadata import metadata

outbox = Table(
    "outbox",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("account_id", String),
    Column("body", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("dedupe_key", String, nullable=False, unique=True),
    Index("outbox_by_account", "account_id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("event_id", ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False),
    Column("target", String, nullable=False),
    Column("status", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Moment, nullable=False),
    Column("claimed_until", Moment),
    Column("claim", String),
    CheckConstraint("status IN ('pending', 'delivered', 'dead')", name="deliveries_status"),
    UniqueConstraint("event_id", "target", name="deliveries_once"),
    Index("deliveries_by_turn", "status", "next_attempt_at"),
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("is_ok", Boolean, nullable=False),
    Column("response", Text, nullable=False),
    Index("attempts_by_delivery", "delivery_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("hash", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
    CheckConstraint("role IN ('read', 'score', 'decide', 'admin')", name="api_keys_role"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key_id", String, primary_key=True),
    Column("idempotency_key", String, primary_key=True),
    Column("body_hash", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("claimed_until", Moment, nullable=False),
    Column("claim", String, nullable=False),
    Column("status", Integer),
    Column("content_type", String),
    Column("response", LargeBinary),
    Index("idempotency_by_age", "created_at"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("key_id", String),
    Column("state", String, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("input", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("heartbeat_at", Moment),
    Column("finished_at", Moment),
    Column("claim", String),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("content_type", String),
    Column("result", LargeBinary),
    CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="jobs_state"),
    Index("jobs_by_state", "state", "created_at"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("key_id", String),
    Column("request_id", String),
    Column("action", String, nullable=False),
    Column("subject", String),
    Column("detail", JSON, nullable=False),
    Index("audit_by_subject", "subject", "at"),
)
