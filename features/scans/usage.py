"""Usage rows, which are many: the scans of events, visits and people."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from features.engine import Engine
from features.scans.how import KNOWN, LAID, How
from features.stretches import LONGEST, RECENT, Stretches

WINDOWS = {"7": "age <= 7", "28": "age <= 28", "29_56": "age > 28 AND age <= 56", "84": "age <= 84"}
"""Ages in days of the rows that a window holds."""


def events(engine: Engine, how: How) -> str:
    """Usage of the last 84 days: events and what they amount to in each window, with the bits of their days and kinds.

    `weeks` adds up how many whole weeks ago each event was, `newest` and `oldest` are ages.
    """
    amounts = {"events": "1", "quantity": "r.quantity", "value_cents": "r.value_cents"}
    windows = ", ".join(
        f"COALESCE(SUM(CASE WHEN {within} THEN {amount} ELSE 0 END), 0) AS {name}_{window}"
        for name, amount in amounts.items()
        for window, within in WINDOWS.items()
    )
    days = ", ".join(f"BIT_OR(c.day_bits_{i}) AS day_bits_{i}" for i in (1, 2, 3))
    kinds = "COALESCE(k.kind_bits, CAST(0 AS BIGINT))"
    return f"""
        SELECT r.account_id, c.snapshot_at, {windows}, MIN(c.age) AS newest, MAX(c.age) AS oldest, SUM(c.week) AS weeks,
               {days}, BIT_OR(CASE WHEN c.age <= 28 THEN {kinds} ELSE CAST(0 AS BIGINT) END) AS kind_bits_28,
               BIT_OR({kinds}) AS kind_bits_84
        FROM {_paired(engine, how, RECENT)} LEFT JOIN event_kinds k ON r.event = k.event
        WHERE {_known(how)} GROUP BY r.account_id, c.snapshot_at"""


def kinds(engine: Engine, how: How) -> str:
    """Of each kind of event with features of its own how often in three windows, and the age of the newest."""
    told = {window: f"COUNT(CASE WHEN {WINDOWS[window]} THEN 1 END)" for window in ("28", "29_56", "84")}
    told["newest"] = "MIN(c.age)"
    by_kind = ", ".join(f"{number} AS of_{name}" for name, number in told.items())
    columns = ", ".join(
        f"MAX(CASE WHEN kind = {kind} THEN of_{name} END) AS kind_{kind}_{name}"
        for kind in range(how.kinds)
        for name in told
    )
    return f"""
        SELECT account_id, snapshot_at, {columns}
        FROM (SELECT r.account_id, c.snapshot_at, k.kind, {by_kind}
              FROM {_paired(engine, how, RECENT)} JOIN event_kinds k ON r.event = k.event
              WHERE k.kind IS NOT NULL AND {_known(how)}
              GROUP BY r.account_id, c.snapshot_at, k.kind)
        GROUP BY account_id, snapshot_at"""


def year(engine: Engine, how: How) -> str:
    """Usage of the last 52 weeks: events, visits, their money, ages of the newest and oldest event, bits of weeks.

    A visit is a session on a day: one that runs past midnight counts on both.
    """
    rows = f"""SELECT r.account_id, c.snapshot_at, c.age, c.week_bits, r.session_id, r.value_cents
               FROM {_paired(engine, how, LONGEST)} WHERE {_known(how)}"""
    return f"""
        SELECT account_id, snapshot_at, SUM(events) AS year_events, COUNT(session_id) AS year_visits,
               SUM(CASE WHEN session_id IS NOT NULL THEN value_cents END) AS year_value_cents,
               MIN(age) AS year_newest, MAX(age) AS year_oldest, BIT_OR(week_bits) AS week_bits
        FROM (SELECT account_id, snapshot_at, session_id, age, COUNT(*) AS events, SUM(value_cents) AS value_cents,
                     BIT_OR(week_bits) AS week_bits
              FROM ({rows}) GROUP BY account_id, snapshot_at, session_id, age)
        GROUP BY account_id, snapshot_at"""


def users(engine: Engine, how: How) -> str:
    """One row per person active in the last 84 days: age of their newest event, events, rank by events."""
    rows = f"""SELECT r.account_id, c.snapshot_at, r.user_id, c.age, 1 AS events
               FROM {_paired(engine, how, RECENT)} WHERE r.user_id IS NOT NULL AND {_known(how)}"""
    if shared := how.shared:
        rows = f"SELECT * REPLACE (age + days AS age) FROM ({_stretches(engine, how.days, shared, 'people')})"
    return f"""
        SELECT account_id, snapshot_at, age, events,
               ROW_NUMBER() OVER (PARTITION BY account_id, snapshot_at ORDER BY events DESC, user_id) AS busiest
        FROM (SELECT account_id, snapshot_at, user_id, MIN(age) AS age, SUM(events) AS events
              FROM ({rows}) GROUP BY account_id, snapshot_at, user_id)"""


def visits(engine: Engine, how: How) -> str:
    """One row per visit (session on a day) of the last 84 days, beside the account's visits and money of 52 weeks.

    The latter are left out where no visit's money is known.
    """
    rows = f"""SELECT r.account_id, c.snapshot_at, r.session_id, c.age, COUNT(*) AS lines,
                      SUM(r.value_cents) AS value_cents
               FROM {_paired(engine, how, RECENT)} WHERE r.session_id IS NOT NULL AND {_known(how)}
               GROUP BY r.account_id, c.snapshot_at, r.session_id, c.age"""
    if shared := how.shared:
        rows = f"""SELECT account_id, snapshot_at, age + days AS age, events AS lines, value_cents
                   FROM ({_stretches(engine, how.days, shared, "visits")}) WHERE is_visit"""
    if not how.spends:
        return rows
    year = LAID if how.is_laid("year") else "scan_year"
    return f"""
        SELECT v.account_id, v.snapshot_at, v.age, v.lines, v.value_cents,
               y.visits_364d AS visits, y."_visit_value_364d" AS all_cents
        FROM ({rows}) v JOIN {year} y ON y.account_id = v.account_id AND y.snapshot_at = v.snapshot_at"""


def _paired(engine: Engine, how: How, days: int) -> str:
    """Usage rows `r` beside the calendar's days `c` that see them, of the last `days` days."""
    keyed = " AND r.account_id = c.account_id" if how.per_account else ""
    first, last = engine.moment(how.days[0] - timedelta(days=days)), engine.moment(how.days[-1])
    rows = f'(SELECT * FROM "usage" u WHERE u."at" >= {first} AND u."at" < {last}) r'
    return f'{rows} JOIN calendar c ON CAST(r."at" AS DATE) = c.day AND c.age <= {days}{keyed}'


def _stretches(engine: Engine, days: Iterable[datetime], shared: Stretches, what: str) -> str:
    """What the snapshots' stretches hold of their last 84 days, see `Stretches.recent`."""
    parts = (f"SELECT *, {engine.moment(day)} AS snapshot_at FROM ({shared.recent(what, day)})" for day in days)
    return " UNION ALL ".join(parts)


def _known(how: How) -> str:
    """Condition that a row was known; without a second clock it was known when it happened."""
    return KNOWN if "usage" in how.versioned else "TRUE"
