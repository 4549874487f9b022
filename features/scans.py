"""The scans: SQL that pairs every snapshot with the raw rows that were known at it. The only place with a clock.

A row belongs to a snapshot at t iff it happened before (at < t), had reached us (known_at <= t), and was not
yet replaced by a newer version of itself (superseded_at > t or none). Events, which are many, meet a small
calendar of (snapshot, day) on their day; the other sources, which are few, meet the snapshots of their account.
"""

from collections.abc import Callable
from dataclasses import dataclass

from features.engine import Engine

LONGEST = 364
"""Days of usage that any feature looks back."""


@dataclass(frozen=True)
class How:
    """How the calendar is keyed (by day alone, or by account and day) and whether tickets keep their versions."""

    per_account: bool
    versioned_support: bool


KNOWN = "r.known_at <= c.snapshot_at AND (r.superseded_at IS NULL OR r.superseded_at > c.snapshot_at)"


def events(engine: Engine, how: How, days: int = 84) -> str:
    """Usage rows of the last `days` days, with the bits of their day, week and kind of event."""
    return f"""
        SELECT r.account_id, c.snapshot_at, c.age, c.week, c.day_bits_1, c.day_bits_2, c.day_bits_3, c.week_bits,
               r.user_id, r.session_id, r.quantity, r.value_cents, k.kind,
               COALESCE(k.kind_bits, CAST(0 AS BIGINT)) AS kind_bits
        FROM "usage" r
        JOIN calendar c ON CAST(r.at AS DATE) = c.day{" AND r.account_id = c.account_id" if how.per_account else ""}
        LEFT JOIN event_kinds k ON r.event = k.event
        WHERE c.age <= {days} AND {KNOWN} AND r.at >= (SELECT MIN(day) FROM calendar WHERE age <= {days})"""


def events_year(engine: Engine, how: How) -> str:
    """Usage rows of the last 52 weeks."""
    return events(engine, how, LONGEST)


def users(engine: Engine, how: How) -> str:
    """One row per person active in the last 84 days: age of their newest event, events, rank by events."""
    return f"""
        SELECT account_id, snapshot_at, age, events,
               ROW_NUMBER() OVER (PARTITION BY account_id, snapshot_at ORDER BY events DESC, user_id) AS busiest
        FROM (SELECT account_id, snapshot_at, user_id, MIN(age) AS age, COUNT(*) AS events
              FROM ({events(engine, how)}) WHERE user_id IS NOT NULL
              GROUP BY account_id, snapshot_at, user_id)"""


def visits(engine: Engine, how: How) -> str:
    """One row per visit (session) of the last 52 weeks, beside the account's number of visits and money in all."""
    return f"""
        SELECT *, COUNT(*) OVER (PARTITION BY account_id, snapshot_at) AS visits,
               SUM(value_cents) OVER (PARTITION BY account_id, snapshot_at) AS all_cents
        FROM (SELECT account_id, snapshot_at, session_id, MIN(age) AS age, COUNT(*) AS lines,
                     SUM(value_cents) AS value_cents
              FROM ({events_year(engine, how)}) WHERE session_id IS NOT NULL
              GROUP BY account_id, snapshot_at, session_id)"""


def feedback(engine: Engine, how: How) -> str:
    """Feedback rows with their rank among the scored ones of their kind, and the age of the latest answer."""
    kind = "r.kind, r.score IS NOT NULL"
    return f"""
        SELECT *, MIN(CASE WHEN kind IN ('nps', 'csat', 'ces') AND score IS NOT NULL THEN age END)
                      OVER (PARTITION BY account_id, snapshot_at) AS last_answer_age
        FROM ({_dated(engine, "feedback", "at", "r.kind, r.score", within=kind, ties="r.score")})"""


def support(engine: Engine, how: How) -> str:
    """Tickets as they stood: what was resolved or answered later is open or unanswered here."""
    answered = "CASE WHEN r.first_response_at < c.snapshot_at THEN r.first_response_at END"
    resolved = "CASE WHEN r.resolved_at < c.snapshot_at THEN r.resolved_at END"
    return _dated(
        engine,
        "support",
        "opened_at",
        f"""r.priority, r.escalations, r.reopened, r.csat,
            CASE WHEN {resolved} IS NULL THEN 1 ELSE 0 END AS is_open,
            CASE WHEN {how.versioned_support} OR {resolved} IS NOT NULL THEN 1 ELSE 0 END AS is_settled,
            {engine.minutes_between("r.opened_at", answered)} AS response_minutes,
            {engine.minutes_between("r.opened_at", resolved)} AS resolution_minutes""",
    )


def touchpoints(engine: Engine, how: How) -> str:
    """Contacts, ranked among those that carry a judgement."""
    columns = "r.kind, r.direction, r.answered, r.sentiment"
    return _dated(engine, "touchpoints", "at", columns, within="r.sentiment IS NOT NULL", ties="r.sentiment")


def subscriptions(engine: Engine, how: How) -> str:
    """Contract terms begun by then; an end or a notice that lies ahead has not happened yet."""
    end_age = engine.days_between("CASE WHEN r.ended_at < c.snapshot_at THEN r.ended_at END", "c.snapshot_at")
    age = engine.days_between("r.started_at", "c.snapshot_at")
    return _dated(
        engine,
        "subscriptions",
        "started_at",
        f"""r.mrr_cents, r.seats, r.plan, r.billing_period, r.auto_renew, r.discount,
            {engine.days_between("c.snapshot_at", "r.renews_at")} AS days_to_renewal,
            CASE WHEN {end_age} IS NULL THEN 1 ELSE 0 END AS is_running,
            CASE WHEN {age} > 84 AND ({end_age} IS NULL OR {end_age} <= 84) THEN 1 ELSE 0 END AS ran_84d_ago,
            CASE WHEN r.cancelled_at < c.snapshot_at THEN 1 ELSE 0 END AS is_cancelled""",
        ties="r.mrr_cents, r.seats, r.plan, r.renews_at, r.discount, r.auto_renew, r.billing_period",
    )


def invoices(engine: Engine, how: How) -> str:
    """Invoices, ranked by age."""
    return _dated(
        engine, "invoices", "at", "r.amount_cents, r.discount_cents, r.status", ties="r.amount_cents, r.status"
    )


def accounts(engine: Engine, how: How) -> str:
    """The account itself, as it was known."""
    return f"""
        SELECT c.snapshot_at, r.*, {engine.days_between("r.started_at", "c.snapshot_at")} AS account_age_days
        FROM wanted c JOIN accounts r ON r.account_id = c.account_id
        WHERE {KNOWN} AND (r.started_at IS NULL OR r.started_at < c.snapshot_at)"""


def _dated(engine: Engine, source: str, at: str, columns: str, *, within: str = "", ties: str = "") -> str:
    """Rows of a small source beside each snapshot of their account, newest first within a group."""
    group = "c.account_id, c.snapshot_at" + (f", {within}" if within else "")
    order = f"r.{at} DESC, r.known_at DESC" + "".join(f", {tie.strip()} DESC" for tie in ties.split(",") if tie)
    return f"""
        SELECT c.account_id, c.snapshot_at, {engine.days_between(f"r.{at}", "c.snapshot_at")} AS age, {columns},
               ROW_NUMBER() OVER (PARTITION BY {group} ORDER BY {order}) AS recent
        FROM wanted c JOIN {source} r ON r.account_id = c.account_id
        WHERE r.{at} < c.snapshot_at AND {KNOWN}"""


SCANS: dict[str, Callable[..., str]] = {
    scan.__name__: scan
    for scan in (events, events_year, users, visits, feedback, support, touchpoints, subscriptions, invoices, accounts)
}
