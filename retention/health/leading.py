"""Whether the leading indicators move the right way, account by account."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retention.blocks import Block, Column, rows
from retention.figures import Figure, mean
from retention.inputs import Inputs

Array = NDArray[np.float64]
DAYS = 84


@dataclass(frozen=True)
class Indicator:
    """A number an account and 84 days have: SQL over `source` rows with the clock `at`; empty: where it has no row."""

    title: str
    source: str
    at: str
    sql: str
    good: Literal["up", "down"]
    needs: tuple[str, ...] = ()
    empty: float | None = None


INDICATORS = (
    Indicator("Health score", "score_history", "as_of", "AVG(health_score)", "up"),
    Indicator("Usage events", "known_usage", "at", "COUNT(*)", "up", ("usage",), 0.0),
    Indicator("Days of use", "known_usage", "at", "COUNT(DISTINCT CAST(r.at AS DATE))", "up", ("usage",), 0.0),
    Indicator("Kinds of events used", "known_usage", "at", "COUNT(DISTINCT event)", "up", ("usage", "event"), 0.0),
    Indicator(
        "Contacts with the customer",
        "known_touchpoints",
        "at",
        "COUNT(*) FILTER (direction = 'inbound' OR answered)",
        "up",
        ("touchpoints",),
        0.0,
    ),
    Indicator("NPS answer", "known_feedback", "at", "AVG(score) FILTER (kind = 'nps')", "up", ("feedback", "score")),
    Indicator("CSAT answer", "known_feedback", "at", "AVG(score) FILTER (kind = 'csat')", "up", ("feedback", "score")),
    Indicator("Support tickets", "known_support", "opened_at", "COUNT(*)", "down", ("support",), 0.0),
)
"""What is said to move before churn does (systems R11); each is compared within accounts."""


def directions(inputs: Inputs) -> Block:
    """Each indicator over the last 84 days against the 84 before, within accounts (systems R11, R18)."""
    told = []
    for one in INDICATORS:
        if one.needs and not inputs.has(*one.needs):
            continue
        before, now = _pairs(inputs, one)
        moved = mean(now - before)
        told.append((one.title, mean(before), mean(now), moved, verdict(moved, one.good)))
    return Block(
        id="leading",
        title="Leading indicators",
        systems=("R11", "R18"),
        says=f"Means an account over the last {DAYS} days and the {DAYS} before, over accounts that were customers "
        "all the while and have the number in both, so that the mix of accounts cannot move it. Clear: the "
        "interval of the change leaves zero out.",
        columns=(
            Column("indicator", "Indicator"),
            Column("before", "Before", "number", has_interval=True),
            Column("now", "Now", "number", has_interval=True),
            Column("change", "Change", "number", has_interval=True),
            Column("verdict", "Direction"),
        ),
        rows=rows(told),
    )


def verdict(moved: Figure, good: Literal["up", "down"]) -> str:
    """better, worse or unclear, by the side of zero on which the interval of a change lies; up is not always good."""
    if moved.low is None or moved.high is None or moved.low <= 0 <= moved.high:
        return "unclear"
    return "better" if (moved.low > 0) == (good == "up") else "worse"


def _pairs(inputs: Inputs, one: Indicator) -> tuple[Array, Array]:
    """The indicator before and now, one entry an account that was a customer throughout."""
    edge, start = (f"{inputs.moment} - INTERVAL {days} DAY" for days in (DAYS, 2 * DAYS))
    number = "NULL" if one.empty is None else str(one.empty)
    found = inputs.rows(
        f"""WITH counted AS (
                SELECT account_id, r.{one.at} >= {edge} AS is_now, CAST({one.sql} AS DOUBLE) AS number
                FROM {one.source} r WHERE r.{one.at} >= {start} AND r.{one.at} <= {inputs.moment} GROUP BY ALL)
            SELECT COALESCE(b.number, {number}), COALESCE(n.number, {number})
            FROM (SELECT DISTINCT account_id FROM customer_spans
                  WHERE began_at <= {start} AND (ended_at IS NULL OR ended_at > {inputs.moment})) s
            LEFT JOIN counted b ON b.account_id = s.account_id AND NOT b.is_now
            LEFT JOIN counted n ON n.account_id = s.account_id AND n.is_now"""
    )
    pairs = np.array([(b, n) for b, n in found if b is not None and n is not None], dtype=np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
