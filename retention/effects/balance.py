"""Whether accounts were drawn or chosen: how alike those treated and the others were before the play."""

import numpy as np
from numpy.typing import NDArray

from retention.blocks import Block, Column, Value, rows
from retention.effects.measured import Measured
from retention.figures import mean
from retention.inputs import Inputs

Array = NDArray[np.float64]
ALIKE = 0.1
"""Standardised difference of means up to which groups count as balanced (Austin 2009)."""
DAYS = 84


def balance(inputs: Inputs, measured: Measured) -> Block:
    """How different the accounts of both groups were before the play."""
    is_drawn = measured.compared is not None
    inputs.engine.create("_groups", _arms(measured) if is_drawn else _untreated(inputs))
    found = inputs.engine.query(_before(inputs))
    group = found["is_treated"].to_numpy(zero_copy_only=False).astype(bool)
    told: list[tuple[Value, ...]] = []
    for name, title in MEASURES.items():
        values = found[name].cast("float64").to_numpy(zero_copy_only=False)
        if np.isnan(values[group]).all() or np.isnan(values[~group]).all():
            continue
        apart = difference(values[group], values[~group])
        told.append((title, mean(values[group]), mean(values[~group]), apart, _is_alike(apart, values, group)))
    other = "held out" if is_drawn else "not treated"
    by_lot = (
        "The arms were drawn by lot, so differences are luck; many that are not would say that they were not drawn."
        if is_drawn
        else f"Not treated: customers on the day of the first play of each month, without a play within "
        f"{_days(inputs)} of it. Where the groups differ, a difference in what became of them says nothing about plays."
    )
    return Block(
        id="balance",
        title="How alike they were before",
        systems=("R9", "X12"),
        says=f"Accounts treated and {other}, by what was known before the play. Apart: difference of the means in "
        f"standard deviations; alike up to {ALIKE:g}, or where the difference can be luck. {by_lot}",
        columns=(
            Column("what", "Before the play"),
            Column("treated", "Treated", "number", has_interval=True),
            Column("other", other.capitalize(), "number", has_interval=True),
            Column("apart", "Apart", "number"),
            Column("is_alike", "Alike", "flag"),
        ),
        rows=rows(told),
    )


def difference(treated: Array, other: Array) -> float | None:
    """Standardised difference of means: over the root of the mean variance; None without two values on each side.

    >>> round(difference(np.array([1.0, 3.0]), np.array([0.0, 2.0])), 3)
    0.707
    """
    a, b = treated[~np.isnan(treated)], other[~np.isnan(other)]
    if min(len(a), len(b)) < 2:
        return None
    spread = float(np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2))
    return float(a.mean() - b.mean()) / spread if spread else 0.0


def _is_alike(apart: float | None, values: Array, group: NDArray[np.bool_]) -> bool | None:
    """Within ALIKE, or less than two standard errors; cases of an account are taken as independent."""
    if apart is None:
        return None
    known = ~np.isnan(values)
    a, b = int((group & known).sum()), int((~group & known).sum())
    return abs(apart) <= max(ALIKE, 2 * float(np.sqrt(1 / a + 1 / b)))


MEASURES = {
    "events": f"uses in {DAYS} days",
    "active_days": f"days with use in {DAYS} days",
    "silent_days": "days since the last use",
    "spend": f"money spent in {DAYS} days",
    "yearly": "money a year",
    "tenure_days": "days as a customer",
    "earlier": f"plays in the {DAYS} days before",
    "probability": "churn probability by the last score",
}


def _arms(measured: Measured) -> str:
    table = "play_cases" if measured.basis == "held-out plays" else "drawn_cases"
    return f"SELECT account_id, begun_at, arm = 'treated' AS is_treated, yearly_cents FROM {table} WHERE is_closed"


def _untreated(inputs: Inputs) -> str:
    """Treated cases, and customers without a play around the first one of each month."""
    days = f"INTERVAL {inputs.house.programme.outcome_days} DAY"
    return f"""
        SELECT account_id, begun_at, TRUE AS is_treated, yearly_cents FROM play_cases WHERE is_closed AND is_treated
        UNION ALL
        SELECT s.account_id, d.begun_at, FALSE, NULL
        FROM (SELECT MIN(begun_at) AS begun_at FROM play_cases WHERE is_closed AND is_treated
              GROUP BY DATE_TRUNC('month', begun_at)) d
        JOIN customer_spans s ON s.began_at <= d.begun_at AND (s.ended_at IS NULL OR s.ended_at > d.begun_at)
        WHERE NOT EXISTS (SELECT 1 FROM known_interventions p WHERE p.account_id = s.account_id
                          AND p.at > d.begun_at - {days} AND p.at < d.begun_at + {days})"""


def _before(inputs: Inputs) -> str:
    """What was known of each account before the moment of its group, one row a case."""
    money = "SUM(u.value_cents) / 100" if inputs.has("usage", "value") else "CAST(NULL AS DOUBLE)"
    used = "0" if inputs.has("usage") else "CAST(NULL AS BIGINT)"
    since = f"g.begun_at - INTERVAL {DAYS} DAY"
    return f"""
        SELECT g.is_treated, g.yearly_cents / 100 AS yearly, COALESCE(w.events, {used}) AS events,
               COALESCE(w.active_days, {used}) AS active_days, w.spend,
               DATEDIFF('HOUR', l.last_at, g.begun_at) / 24.0 AS silent_days,
               DATEDIFF('HOUR', b.began_at, g.begun_at) / 24.0 AS tenure_days, COALESCE(e.earlier, 0) AS earlier,
               s.churn_probability AS probability
        FROM _groups g
        LEFT JOIN (SELECT g.account_id, g.begun_at, COUNT(*) AS events,
                          COUNT(DISTINCT CAST(u.at AS DATE)) AS active_days,
                          {money} AS spend
                   FROM (SELECT DISTINCT account_id, begun_at FROM _groups) g JOIN known_usage u
                        ON u.account_id = g.account_id AND u.at >= {since} AND u.at < g.begun_at
                   GROUP BY g.account_id, g.begun_at) w USING (account_id, begun_at)
        LEFT JOIN (SELECT g.account_id, g.begun_at, COUNT(*) AS earlier
                   FROM (SELECT DISTINCT account_id, begun_at FROM _groups) g JOIN known_interventions p
                        ON p.account_id = g.account_id AND p.at >= {since} AND p.at < g.begun_at AND p.arm = 'treated'
                   GROUP BY g.account_id, g.begun_at) e USING (account_id, begun_at)
        ASOF LEFT JOIN (SELECT r.account_id, r.at AS last_at FROM known_usage r) l
             ON g.account_id = l.account_id AND g.begun_at > l.last_at
        ASOF LEFT JOIN customer_spans b ON g.account_id = b.account_id AND g.begun_at >= b.began_at
        ASOF LEFT JOIN score_history s ON g.account_id = s.account_id AND g.begun_at >= s.as_of"""


def _days(inputs: Inputs) -> str:
    return f"{inputs.house.programme.outcome_days} days"
