"""The store's tables: those of scores and of what people do about them here, the others in three modules beside.

Moments are naive UTC, numbers are doubles, null means "not known". A change needs a migration beside it
(`serving/store/migrations`); a test compares the two.
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
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from serving.store.columns import Moment, Number
from serving.store.metadata import metadata
from serving.store.online_tables import row_blocks, row_places, row_sets, usage_events
from serving.store.retention_tables import checks, facts, holdout_seed, holdouts, records, reported, reports
from serving.store.service_tables import api_keys, audit, deliveries, delivery_attempts, idempotency, jobs, outbox

__all__ = [
    "alerts",
    "api_keys",
    "audit",
    "checks",
    "decisions",
    "deliveries",
    "delivery_attempts",
    "facts",
    "holdout_seed",
    "holdouts",
    "idempotency",
    "interventions",
    "jobs",
    "metadata",
    "model_versions",
    "outbox",
    "records",
    "reported",
    "reports",
    "row_blocks",
    "row_places",
    "row_sets",
    "run_tiers",
    "runs",
    "score_details",
    "scores",
    "signs",
    "usage_events",
]

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
