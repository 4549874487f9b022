"""Rows of the other sources, which are few: each beside the snapshots of its account."""

from features import ranks
from features.engine import Engine
from features.scans.how import KNOWN, How


def feedback(engine: Engine, how: How) -> str:
    """Feedback rows with their rank among the scored ones of their kind, and the age of the latest answer."""
    return f"""
        SELECT *, MIN(CASE WHEN kind IN ('nps', 'csat', 'ces') AND score IS NOT NULL THEN age END)
                      OVER (PARTITION BY account_id, snapshot_at) AS last_answer_age
        FROM ({_dated(engine, how, "feedback", "r.kind, r.score")})"""


def support(engine: Engine, how: How) -> str:
    """Tickets as they stood: what was resolved or answered later is open or unanswered here."""
    answered = "CASE WHEN r.first_response_at < c.snapshot_at THEN r.first_response_at END"
    resolved = "CASE WHEN r.resolved_at < c.snapshot_at THEN r.resolved_at END"
    return _dated(
        engine,
        how,
        "support",
        f"""r.priority, r.escalations, r.reopened, r.csat,
            CASE WHEN {resolved} IS NULL THEN 1 ELSE 0 END AS is_open,
            CASE WHEN {"support" in how.versioned} OR {resolved} IS NOT NULL THEN 1 ELSE 0 END AS is_settled,
            {engine.minutes_between("r.opened_at", answered)} AS response_minutes,
            {engine.minutes_between("r.opened_at", resolved)} AS resolution_minutes""",
    )


def touchpoints(engine: Engine, how: How) -> str:
    """Contacts, ranked among those that carry a judgement."""
    return _dated(engine, how, "touchpoints", "r.kind, r.direction, r.answered, r.sentiment")


def subscriptions(engine: Engine, how: How) -> str:
    """Contract terms begun by then; an end or a notice that lies ahead has not happened yet."""
    end_age = engine.days_between("CASE WHEN r.ended_at < c.snapshot_at THEN r.ended_at END", "c.snapshot_at")
    age = engine.days_between("r.started_at", "c.snapshot_at")
    return _dated(
        engine,
        how,
        "subscriptions",
        f"""r.mrr_cents, r.seats, r.plan, r.billing_period, r.auto_renew, r.discount,
            {engine.days_between("c.snapshot_at", "r.renews_at")} AS days_to_renewal,
            CASE WHEN {end_age} IS NULL THEN 1 ELSE 0 END AS is_running,
            CASE WHEN {age} > 84 AND ({end_age} IS NULL OR {end_age} <= 84) THEN 1 ELSE 0 END AS ran_84d_ago,
            CASE WHEN r.cancelled_at < c.snapshot_at THEN 1 ELSE 0 END AS is_cancelled""",
    )


def invoices(engine: Engine, how: How) -> str:
    """Invoices, ranked by age."""
    return _dated(engine, how, "invoices", "r.amount_cents, r.discount_cents, r.status")


def accounts(engine: Engine, how: How) -> str:
    """The account itself, as it was known."""
    return f"""
        SELECT c.snapshot_at, r.*, {engine.days_between("r.started_at", "c.snapshot_at")} AS account_age_days
        FROM wanted c JOIN accounts r ON r.account_id = c.account_id
        WHERE {KNOWN} AND (r.started_at IS NULL OR r.started_at < c.snapshot_at)"""


def _dated(engine: Engine, how: How, source: str, columns: str) -> str:
    """Rows of a small source beside each snapshot of their account, with their rank there: `recent` 1 is the newest."""
    at, has_versions = ranks.ORDERS[source].at, source in how.versioned
    rows, recent = ranks.among_seen(source) if has_versions else ranks.beside(source, held=source in how.ranked)
    return f"""
        SELECT c.account_id, c.snapshot_at, {engine.days_between(f"r.{at}", "c.snapshot_at")} AS age, {columns},
               {recent} AS recent
        FROM wanted c JOIN {rows} r ON r.account_id = c.account_id
        WHERE r.{at} < c.snapshot_at AND {KNOWN}"""
