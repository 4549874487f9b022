"""Silence: how soon it is noticed, when it means trouble, and who is silent now (systems S5, L8)."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from features.declare import text_literal
from retention.blocks import Block, Column, rows
from retention.figures import Figure, median, share
from retention.journey.book import Book, Customer
from retention.journey.cells import ACCOUNT, OWNER, SEGMENT
from retention.silence import WHOLE_BOOK, Threshold, learned

DAY = 86_400.0


def alerts(book: Book) -> Block:
    """From the moment activity fell below the threshold to the warning, over the kept runs (systems S5)."""
    last = book.inputs.rows("SELECT MAX(as_of) FROM score_history")[0][0]
    found = [(at, raised) for _, at, raised, _ in _crossings(book) if isinstance(last, datetime) and at <= last]
    days = np.array([(raised - crossed).total_seconds() / DAY for crossed, raised in found if raised is not None])
    raised = share(len(days), len(found), fewest=book.inputs.house.programme.fewest)
    worst = float(days.max()) if len(days) else None
    return Block(
        id="alert_latency",
        title="How soon a silence is noticed",
        systems=("S5",),
        says=f"Silences of customers that reached {book.inputs.house.journey.activity_days} days between the first and "
        "the last kept run, and the first run after that at which the warning "
        f"{book.inputs.house.journey.activity_rule} stood. Who came back before a run was never told of. Runs further "
        "apart make it later.",
        columns=(
            Column("crossed", "Fell below", "count"),
            Column("raised", "Warning raised", "share"),
            Column("median_days", "Median days until it was", "days"),
            Column("worst_days", "Longest", "days"),
        ),
        rows=rows([(len(found), raised, median(days), worst)]),
    )


def silent(book: Book) -> Block:
    """Customers below the activity threshold now, with when they fell below and when it was said (systems S5)."""
    people = {one.account_id: one for one in book.customers}
    told = []
    for account, crossed, raised, back in _crossings(book):
        one = people.get(account)
        if one is not None and back is None:
            late = None if raised is None else (raised - crossed).total_seconds() / DAY
            told.append((account, one.owner, one.segment, one.number("days_since_last_use"), crossed, raised, late,
                         one.number("yearly_value")))  # fmt: skip
    told.sort(key=lambda row: (-(row[7] or 0.0), row[4], row[0]))
    return Block(
        id="below_threshold",
        title="Activity below the threshold",
        systems=("S5",),
        says=f"Customers silent for {book.inputs.house.journey.activity_days} days or more who fell silent since the "
        "first kept run: reach out, or send the guide. Inactivity is a warning; churn is the loss.",
        columns=(
            ACCOUNT,
            OWNER,
            SEGMENT,
            Column("days_silent", "Days silent", "days"),
            Column("crossed_at", "Fell below", "day"),
            Column("raised_at", "Warning raised", "day"),
            Column("latency_days", "Days between", "days"),
            Column("yearly_value", "Yearly value", "money"),
        ),
        rows=rows(told),
        account="account_id",
    )


def thresholds(book: Book) -> list[Threshold]:
    """Silent days that mean trouble, the whole book first: as configured, else learned; none without use.

    Where silence for the horizon is the loss itself, a warning must come before: a threshold that does not becomes
    half the horizon.
    """
    if not book.inputs.rows("SELECT 1 FROM known_usage LIMIT 1"):
        return []
    churn = book.inputs.settings.churn
    if isinstance(churn.inactive_days, int):
        return [Threshold(WHOLE_BOOK, churn.inactive_days)]
    found = learned(book.inputs.engine, churn.horizon_days, book.as_of)
    if churn.kind != "inactivity":
        return found
    half = max(churn.horizon_days // 2, 1)
    return [one if one.days is not None and one.days < churn.horizon_days else replace(one, days=half) for one in found]


def is_silent(one: Customer, found: list[Threshold]) -> bool:
    """Whether a customer is silent for at least its segment's threshold; no use within a year is silence."""
    by_segment = {threshold.segment: threshold.days for threshold in found}
    limit = by_segment.get(one.segment or WHOLE_BOOK, by_segment.get(WHOLE_BOOK))
    days = one.number("days_since_last_use")
    return limit is not None and (days is None or days >= limit)


def inactivity(book: Book, found: list[Threshold]) -> Block:
    """The threshold of each segment with its evidence; at risk is not churned (systems L8)."""
    told, sized = [], {threshold.segment for threshold in found}
    for one in found:
        ones = [
            c for c in book.customers if one.segment in ("", c.segment) or (c.segment not in sized and not one.segment)
        ]
        at_risk = sum(1 for customer in ones if is_silent(customer, found))
        evidence = _returned(one)
        told.append((one.segment or "all", one.days, evidence, len(ones), at_risk, _lost(book, one.segment)))
    return Block(
        id="inactivity",
        title="When silence means trouble",
        systems=("L8",),
        says="Silent days from which fewer than half came back within "
        f"{book.inputs.settings.churn.horizon_days} days, learned from return times unless [churn] inactive_days says "
        "a number; half of these days where silence is the loss itself and the learned number would come too late. At "
        "risk: customers silent for that long, a warning. Lost: churned in the last 84 days, counted apart.",
        columns=(
            Column("segment", "Segment"),
            Column("days", "Silent days", "days"),
            Column("returned", "Came back from there", "share"),
            Column("customers", "Customers", "count"),
            Column("at_risk", "At risk now", "count"),
            Column("lost", "Lost in 84 days", "count"),
        ),
        rows=rows(told),
    )


def _crossings(book: Book) -> list[tuple[str, datetime, datetime | None, datetime | None]]:
    """Silences that reached the threshold since the first kept run: account, when, when it was said, the return.

    Use at day d and none for N days: it is crossed at the midnight N days after d. It was said at the first run after
    that, before the account was back, at which the warning stood.
    """
    n, rule = book.inputs.house.journey.activity_days, text_literal(book.inputs.house.journey.activity_rule)
    found = book.inputs.rows(
        f"""WITH days AS (SELECT DISTINCT account_id, CAST(r.at AS DATE) AS day FROM known_usage r),
        runs AS (SELECT DISTINCT as_of FROM score_history),
        gaps AS (SELECT account_id, CAST(day AS TIMESTAMP) + INTERVAL {n} DAY AS crossed_at, CAST(LEAD(day)
                        OVER (PARTITION BY account_id ORDER BY day) AS TIMESTAMP) AS back_at FROM days),
        crossed AS (SELECT g.* FROM gaps g JOIN customer_spans s ON s.account_id = g.account_id
                    AND s.began_at < g.crossed_at AND (s.ended_at IS NULL OR s.ended_at > g.crossed_at)
                    WHERE g.crossed_at <= {book.inputs.moment} AND (g.back_at IS NULL OR g.back_at >= g.crossed_at)
                    AND g.crossed_at >= (SELECT MIN(as_of) FROM runs)),
        said AS (SELECT r.account_id, as_of FROM sign_history r JOIN runs ON r.at <= as_of
                 AND (r.closed_at IS NULL OR r.closed_at > as_of) WHERE r.rule = {rule})
        SELECT c.account_id, c.crossed_at, MIN(s.as_of), c.back_at FROM crossed c
        LEFT JOIN said s ON s.account_id = c.account_id AND s.as_of >= c.crossed_at
             AND (c.back_at IS NULL OR s.as_of <= c.back_at)
        GROUP BY c.account_id, c.crossed_at, c.back_at ORDER BY c.account_id, c.crossed_at"""
    )
    return [
        (str(a), crossed, r if isinstance(r, datetime) else None, back if isinstance(back, datetime) else None)
        for a, crossed, r, back in found
        if isinstance(crossed, datetime)
    ]


def _returned(threshold: Threshold) -> Figure:
    days = threshold.days
    if days is None or days > len(threshold.silences):
        return Figure(None, 0)
    return share(threshold.returns[days - 1], threshold.silences[days - 1])


def _lost(book: Book, segment: str) -> int:
    where = f"AND a.segment = {text_literal(segment)}" if segment else ""
    since = book.inputs.engine.moment(book.as_of - timedelta(days=84))
    found = book.inputs.rows(
        f"""SELECT COUNT(*) FROM churn_events e LEFT JOIN known_accounts a ON a.account_id = e.account_id
            WHERE e.at > {since} {where}"""
    )
    return int(str(found[0][0]))
