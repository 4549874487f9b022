"""The store's first tables."""

from alembic import op
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables of the first version. There is no way back: a store is never downgraded."""
    _scores()
    _responses()
    _deliveries()
    _access()


def _scores() -> None:
    """Models, runs and the scores they gave."""
    op.create_table(
        "model_versions",
        Column("version", String, primary_key=True),
        Column("run_id", String),
        Column("digest", String, nullable=False),
        Column("trained_at", DateTime),
        Column("horizon_days", Integer),
        Column("about", JSON, nullable=False),
    )
    op.create_table(
        "runs",
        Column("id", Integer, primary_key=True),
        Column("as_of", DateTime, nullable=False),
        Column("model_version", String, nullable=False),
        Column("policy_digest", String, nullable=False),
        Column("scored_at", DateTime, nullable=False),
        Column("accounts", Integer, nullable=False),
        Column("is_shadow", Boolean, nullable=False),
        UniqueConstraint("as_of", "model_version", "policy_digest", "is_shadow", name="runs_once"),
    )
    op.create_table(
        "run_tiers",
        Column("id", Integer, primary_key=True),
        Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
        Column("tier", String),
        Column("accounts", Integer, nullable=False),
        Column("yearly_value", Double),
        Column("value_at_risk", Double),
        Index("run_tiers_by_run", "run_id"),
    )
    op.create_table(
        "scores",
        Column("run_id", Integer, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        Column("account_id", String, primary_key=True),
        Column("risk_rank", Integer, nullable=False),
        Column("health_rank", Integer, nullable=False),
        Column("status", String, nullable=False),
        Column("name", String),
        Column("segment", String),
        Column("owner", String),
        Column("inactive", Boolean),
        Column("is_stale", Boolean, nullable=False),
        Column("churn_probability", Double),
        Column("churn_probability_low", Double),
        Column("churn_probability_high", Double),
        Column("intercept", Double),
        Column("log_odds", Double),
        Column("health_score", Double),
        Column("tier", String),
        Column("risk_level", String),
        Column("yearly_value", Double),
        Column("value_at_risk", Double),
        Column("renewal_at", DateTime),
        Column("driver", String),
        Column("top_driver_1", Text),
        Column("top_driver_2", Text),
        Column("top_driver_3", Text),
        Column("previous_health", Double),
        Column("previous_tier", String),
        Column("changed_at", DateTime),
        Index("scores_by_risk", "run_id", "risk_rank"),
        Index("scores_by_health", "run_id", "health_rank"),
        Index("scores_by_account", "account_id", "run_id"),
    )
    op.create_table(
        "score_details",
        Column("run_id", Integer, primary_key=True),
        Column("account_id", String, primary_key=True),
        Column("detail", JSON, nullable=False),
        Column("change", JSON(none_as_null=True)),
        Column("features", JSON(none_as_null=True)),
        Column("baseline", JSON(none_as_null=True)),
        ForeignKeyConstraint(
            ["run_id", "account_id"], ["scores.run_id", "scores.account_id"], name="details_of", ondelete="CASCADE"
        ),
    )


def _responses() -> None:
    """Warning signs, alerts, decisions and plays."""
    op.create_table(
        "signs",
        Column("id", Integer, primary_key=True),
        Column("account_id", String, nullable=False),
        Column("rule", String, nullable=False),
        Column("at", DateTime, nullable=False),
        Column("severity", String, nullable=False),
        Column("text", Text, nullable=False),
        Column("response", JSON, nullable=False),
        Column("due_at", DateTime),
        Column("closed_at", DateTime),
        Column("closed_by", String),
        UniqueConstraint("account_id", "rule", "at", name="signs_once"),
        Index("signs_by_due", "closed_at", "due_at"),
    )
    op.create_table(
        "alerts",
        Column("id", Integer, primary_key=True),
        Column("key", String, nullable=False),
        Column("at", DateTime, nullable=False),
        Column("account_id", String),
        Column("is_sent", Boolean, nullable=False),
        Column("is_urgent", Boolean, nullable=False),
        Index("alerts_by_key", "key"),
        Index("alerts_by_moment", "at"),
    )
    op.create_table(
        "decisions",
        Column("id", Integer, primary_key=True),
        Column("account_id", String, nullable=False),
        Column("at", DateTime, nullable=False),
        Column("by", String, nullable=False),
        Column("choice", String, nullable=False),
        Column("play", String),
        Column("reason", Text),
        Column("values", JSON, nullable=False),
        Column("run_id", Integer),
        Column("supersedes", Integer, ForeignKey("decisions.id")),
        CheckConstraint("choice IN ('accept', 'override', 'dismiss')", name="decisions_choice"),
        CheckConstraint("choice <> 'override' OR reason <> ''", name="decisions_reason"),
        Index("decisions_by_account", "account_id", "at"),
    )
    op.create_table(
        "interventions",
        Column("id", Integer, primary_key=True),
        Column("account_id", String, nullable=False),
        Column("at", DateTime, nullable=False),
        Column("play", String, nullable=False),
        Column("owner", String),
        Column("arm", String, nullable=False),
        Column("driver", String),
        Column("cost", Double),
        Column("outcome", String),
        Column("decision_id", Integer, ForeignKey("decisions.id")),
        CheckConstraint("arm IN ('treated', 'holdout')", name="interventions_arm"),
        Index("interventions_by_account", "account_id", "at"),
    )


def _deliveries() -> None:
    """Events and their way to other systems."""
    op.create_table(
        "outbox",
        Column("id", String, primary_key=True),
        Column("kind", String, nullable=False),
        Column("account_id", String),
        Column("body", JSON, nullable=False),
        Column("created_at", DateTime, nullable=False),
        Column("dedupe_key", String, nullable=False, unique=True),
        Index("outbox_by_account", "account_id"),
    )
    op.create_table(
        "deliveries",
        Column("id", Integer, primary_key=True),
        Column("event_id", String, ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False),
        Column("target", String, nullable=False),
        Column("status", String, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("next_attempt_at", DateTime, nullable=False),
        Column("claimed_until", DateTime),
        Column("claim", String),
        CheckConstraint("status IN ('pending', 'delivered', 'dead')", name="deliveries_status"),
        UniqueConstraint("event_id", "target", name="deliveries_once"),
        Index("deliveries_by_turn", "status", "next_attempt_at"),
    )
    op.create_table(
        "delivery_attempts",
        Column("id", Integer, primary_key=True),
        Column("delivery_id", Integer, ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False),
        Column("at", DateTime, nullable=False),
        Column("is_ok", Boolean, nullable=False),
        Column("response", Text, nullable=False),
        Index("attempts_by_delivery", "delivery_id"),
    )


def _access() -> None:
    """Keys, answers kept for them, jobs, and the audit log."""
    op.create_table(
        "api_keys",
        Column("id", String, primary_key=True),
        Column("name", String, nullable=False),
        Column("role", String, nullable=False),
        Column("hash", String, nullable=False),
        Column("created_at", DateTime, nullable=False),
        Column("revoked_at", DateTime),
        Column("last_used_at", DateTime),
        CheckConstraint("role IN ('read', 'score', 'decide', 'admin')", name="api_keys_role"),
    )
    op.create_table(
        "idempotency",
        Column("key_id", String, primary_key=True),
        Column("idempotency_key", String, primary_key=True),
        Column("body_hash", String, nullable=False),
        Column("created_at", DateTime, nullable=False),
        Column("claimed_until", DateTime, nullable=False),
        Column("claim", String, nullable=False),
        Column("status", Integer),
        Column("content_type", String),
        Column("response", LargeBinary),
        Index("idempotency_by_age", "created_at"),
    )
    op.create_table(
        "jobs",
        Column("id", String, primary_key=True),
        Column("kind", String, nullable=False),
        Column("key_id", String),
        Column("state", String, nullable=False),
        Column("done", Integer, nullable=False),
        Column("total", Integer, nullable=False),
        Column("input", JSON, nullable=False),
        Column("created_at", DateTime, nullable=False),
        Column("heartbeat_at", DateTime),
        Column("finished_at", DateTime),
        Column("claim", String),
        Column("attempts", Integer, nullable=False),
        Column("error", Text),
        Column("content_type", String),
        Column("result", LargeBinary),
        CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="jobs_state"),
        Index("jobs_by_state", "state", "created_at"),
    )
    op.create_table(
        "audit",
        Column("id", Integer, primary_key=True),
        Column("at", DateTime, nullable=False),
        Column("key_id", String),
        Column("request_id", String),
        Column("action", String, nullable=False),
        Column("subject", String),
        Column("detail", JSON, nullable=False),
        Index("audit_by_subject", "subject", "at"),
    )
