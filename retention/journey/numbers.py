"""The numbers that conditions of the way may test: the features of the catalogue, and what the way itself knows."""

from dataclasses import dataclass

import pyarrow as pa

from features import table
from features.catalogue import declare, discover
from features.declare import text_literal
from retention.inputs import Inputs

Numbers = dict[str, float | None]

OWN = (
    "age_days",
    "days_to_renewal",
    "term_days",
    "seats",
    "health_score",
    "churn_probability",
    "yearly_value",
    "is_green",
    "green_runs",
    "open_warnings",
    "days_since_touch",
    "days_since_review",
    "goal_attainment",
)
"""Numbers of the way, besides features, has_NAME, is_engaged and is_advocate."""

FEATURES = (
    "users_28d",
    "users_84d",
    "seat_use_28d",
    "top_user_share_84d",
    "active_days_28d",
    "visits_84d",
    "days_since_last_use",
    "usage_against_baseline_28d",
    "oldest_open_ticket_days",
    "tickets_open",
    "escalations_84d",
    "nps_last",
    "review_last",
    "days_since_last_answer",
    "executive_contacts_364d",
    "days_since_two_way_contact",
    "champion_left",
)
"""Features that blocks show; those that conditions ask for come on top."""


@dataclass(frozen=True)
class Facts:
    """What is known of every current customer: a row of `about`, and its numbers by name."""

    about: list[dict[str, object]]
    numbers: dict[str, Numbers]


def of_customers(inputs: Inputs, wanted: set[str]) -> Facts:
    """The facts of all current customers.

    Args:
        inputs: of the moment.
        wanted: features to read besides those that blocks show; names that are none are left out.
    """
    inputs.engine.create(
        "journey_spine",
        f"SELECT account_id, {inputs.moment} AS snapshot_at FROM customer_spans WHERE ended_at IS NULL",
    )
    words = discover(
        inputs.engine, inputs.staged, known_by=inputs.as_of, max_events=inputs.settings.features.max_events
    )
    features = table.build(inputs.engine, inputs.staged, declare(inputs.staged, words), "journey_spine")
    about = inputs.engine.query(_about(inputs)).to_pylist()
    names = [name for name in features.column_names if name in wanted | set(FEATURES) and name not in OWN]
    numbers = _by_account(features, names)
    for row in about:
        numbers[str(row["account_id"])] |= {name: _number(row[name]) for name in OWN}
    return Facts(about, numbers)


def _by_account(features: pa.Table, names: list[str]) -> dict[str, Numbers]:
    rows = features.select(["account_id", *names]).to_pylist()
    return {row.pop("account_id"): row for row in rows}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _about(inputs: Inputs) -> str:
    """One row a current customer: who it is, its running term, its newest score, and the numbers of the way."""
    at, best = inputs.moment, text_literal(inputs.standards.tiers[0]) if inputs.standards.tiers else "NULL"
    reviews = ", ".join(map(text_literal, inputs.house.journey.review_kinds)) or "NULL"
    return f"""
        SELECT s.account_id, s.nth, s.began_at, a.segment, a.owner, t.renews_at, t.auto_renew,
               CAST(t.seats AS DOUBLE) AS seats,
               DATEDIFF('day', s.began_at, {at}) AS age_days, DATEDIFF('day', {at}, t.renews_at) AS days_to_renewal,
               DATEDIFF('day', t.started_at, t.renews_at) AS term_days,
               h.tier, h.risk_level, h.as_of AS scored_at, h.driver, h.inactive,
               CAST(h.health_score AS DOUBLE) AS health_score, h.churn_probability, h.yearly_value, h.value_at_risk,
               CAST(h.tier = {best} AS INTEGER) AS is_green, g.green_runs,
               CASE WHEN h.account_id IS NOT NULL THEN COALESCE(w.open_warnings, 0) END AS open_warnings,
               c.touched_at, {_since("c.touched_at")} AS touch_since,
               DATEDIFF('day', touch_since, {at}) AS days_since_touch,
               c.reviewed_at, {_since("c.reviewed_at")} AS review_since,
               DATEDIFF('day', review_since, {at}) AS days_since_review, f.goal_attainment
        FROM customer_spans s
        LEFT JOIN known_accounts a ON a.account_id = s.account_id
        LEFT JOIN ({running_terms(at)}) t ON t.account_id = s.account_id
        LEFT JOIN ({NEWEST}) h ON h.account_id = s.account_id
        LEFT JOIN ({_green_runs(best)}) g ON g.account_id = s.account_id
        LEFT JOIN ({_open_warnings(at)}) w ON w.account_id = s.account_id
        LEFT JOIN ({_touches(inputs, reviews)}) c ON c.account_id = s.account_id
        LEFT JOIN ({_goals()}) f ON f.account_id = s.account_id
        CROSS JOIN (SELECT MIN(r.at) AS contact_at FROM known_touchpoints r) first
        WHERE s.ended_at IS NULL ORDER BY s.account_id"""


def _since(moment: str) -> str:
    """The last contact, or where there was none what is later: the customer's begin or the first contact on record."""
    return f"COALESCE({moment}, CASE WHEN first.contact_at IS NOT NULL THEN GREATEST(s.began_at, first.contact_at) END)"


NEWEST = "SELECT * FROM score_history QUALIFY ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY as_of DESC) = 1"


def running_terms(at: str) -> str:
    """The running term that comes up first, with the seats of all that run."""
    running = f"""SELECT r.*, COALESCE(r.renews_at, r.ended_at) AS up_at FROM known_subscriptions r
                  WHERE r.ended_at IS NULL OR r.ended_at >= {at}"""
    return f"""
        SELECT account_id, started_at, up_at AS renews_at, auto_renew,
               SUM(seats) OVER every AS seats
        FROM ({running}) WINDOW every AS (PARTITION BY account_id)
        QUALIFY ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY up_at < {at}, up_at, started_at, plan) = 1"""


def _green_runs(best: str) -> str:
    """Kept scores in a row, up to the newest, that were in the best tier."""
    return f"""SELECT account_id, CAST(SUM(CAST(others = 0 AS INTEGER)) AS BIGINT) AS green_runs FROM (
                   SELECT account_id, tier, SUM(CASE WHEN tier = {best} THEN 0 ELSE 1 END)
                          OVER (PARTITION BY account_id ORDER BY as_of DESC) AS others FROM score_history)
               GROUP BY account_id"""


def _open_warnings(at: str) -> str:
    return f"""SELECT account_id, COUNT(*) AS open_warnings FROM sign_history
               WHERE closed_at IS NULL OR closed_at > {at} GROUP BY account_id"""


def _touches(inputs: Inputs, reviews: str) -> str:
    """When somebody was last in touch (a touchpoint that is a contact, or a play), and the last business review."""
    news = ", ".join(map(text_literal, inputs.house.journey.no_touch_kinds)) or "''"
    return f"""
        SELECT account_id, MAX(r.at) AS touched_at,
               MAX(CASE WHEN kind IN ({reviews}) THEN r.at END) AS reviewed_at
        FROM (SELECT account_id, r.at, kind FROM known_touchpoints r WHERE kind NOT IN ({news})
              UNION ALL SELECT account_id, r.at, 'play' FROM known_interventions r WHERE arm = 'treated') r
        GROUP BY account_id"""


def _goals() -> str:
    return """SELECT account_id, value AS goal_attainment FROM fact_history r WHERE name = 'goal_attainment'
              QUALIFY ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY r.at DESC) = 1"""
