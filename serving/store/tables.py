"""The store's tables. Moments are naive UTC, numbers are doubles, null means "not known".

A change here needs a migration beside it (`serving/store/migrations`); a test compares the two.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from serving.store.columns import Moment, Number

metadata = MetaData()

model_versions = Table(
    "model_versions",
    metadata,
    Column("version", String, primary_key=True),
    Column("run_id", String),
    Column("digest", String, nullable=False),
    Column("trained_at", Moment),
    Column("horizon_days", Integer),
    Column("about", JSON, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("as_of", Moment, nullable=False),
    Column("model_version", String, nullable=False),
    Column("policy_digest", String, nullable=False),
    Column("scored_at", Moment, nullable=False),
    Column("accounts", Integer, nullable=False),
    Column("is_shadow", Boolean, nullable=False),
    Column("is_watch", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("as_of", "model_version", "policy_digest", "is_shadow", name="runs_once"),
)

run_tiers = Table(
    "run_tiers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("tier", String),
    Column("accounts", Integer, nullable=False),
    Column("yearly_value", Number),
    Column("value_at_risk", Number),
    Index("run_tiers_by_run", "run_id"),
)

scores = Table(
    "scores",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("account_id", String, primary_key=True),
    Column("risk_rank", Integer, nullable=False),
    Column("health_rank", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("name", String),
    Column("segment", String),
    Column("owner", String),
    Column("inactive", Boolean),
    Column("is_stale", Boolean, nullable=False),
    Column("churn_probability", Number),
    Column("churn_probability_low", Number),
    Column("churn_probability_high", Number),
    Column("intercept", Number),
    Column("log_odds", Number),
    Column("health_score", Number),
    Column("tier", String),
    Column("risk_level", String),
    Column("yearly_value", Number),
    Column("value_at_risk", Number),
    Column("renewal_at", Moment),
    Column("driver", String),
    Column("top_driver_1", Text),
    Column("top_driver_2", Text),
    Column("top_driver_3", Text),
    Column("previous_health", Number),
    Column("previous_tier", String),
    Column("changed_at", Moment),
    Column("disagrees", String),
    Index("scores_by_risk", "run_id", "risk_rank"),
    Index("scores_by_health", "run_id", "health_rank"),
    Index("scores_by_account", "account_id", "run_id"),
)

score_details = Table(
    "score_details",
    metadata,
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

signs = Table(
    "signs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("severity", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("response", JSON, nullable=False),
    Column("due_at", Moment),
    Column("closed_at", Moment),
    Column("closed_by", String),
    UniqueConstraint("account_id", "rule", "at", name="signs_once"),
    Index("signs_by_due", "closed_at", "due_at"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("account_id", String),
    Column("is_sent", Boolean, nullable=False),
    Column("is_urgent", Boolean, nullable=False),
    Index("alerts_by_key", "key"),
    Index("alerts_by_moment", "at"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", String, nullable=False),
    Column("choice", String, nullable=False),
    Column("play", String),
    Column("reason", Text),
    Column("values", JSON, nullable=False),
    Column("run_id", Integer),
    Column("supersedes", ForeignKey("decisions.id")),
    CheckConstraint("choice IN ('accept', 'override', 'dismiss')", name="decisions_choice"),
    CheckConstraint("choice <> 'override' OR reason <> ''", name="decisions_reason"),
    Index("decisions_by_account", "account_id", "at"),
)

interventions = Table(
    "interventions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", String, nullable=False),
    Column("at", Moment, nullable=False),
    Column("play", String, nullable=False),
    Column("owner", String),
    Column("arm", String, nullable=False),
    Column("driver", String),
    Column("cost", Number),
    Column("outcome", String),
    Column("decision_id", ForeignKey("decisions.id")),
    CheckConstraint("arm IN ('treated', 'holdout')", name="interventions_arm"),
    Index("interventions_by_account", "account_id", "at"),
)

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
