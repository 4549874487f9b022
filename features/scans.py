"""The scans: SQL that pairs every snapshot with the raw rows that were known at it. The only place with a clock.

A row belongs to a snapshot at t iff it happened before (at < t), had reached us (known_at <= t), and was not
yet replaced by a newer version of itself (superseded_at > t or none). Events, which are many, are added up in
stretches that snapshots share (`features.stretches`), or meet a small calendar of (snapshot, day) on their day; the
other sources, which are few, meet the snapshots of their account.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from features import ranks
from features.engine import Engine
from features.stretches import LONGEST, RECENT, Stretches


@dataclass(frozen=True)
class How:
    """The snapshots that are computed together, and what is to know of the sources.

    `days` are their dates in order. `per_account` tells that the calendar is keyed by account and day, else by day
    alone. `versioned` names the sources whose rows tell when they became known. `kinds` is the number of kinds of event
    with features of their own; `spends` tells that usage has money. `stretches` are those of the usage, None where
    usage has versions or nobody shares them. `ranked` names the sources whose rows are ranked for all snapshots (see
    `features.ranks`).
    """

    versioned: frozenset[str]
    days: tuple[datetime, ...] = ()
    per_account: bool = False
    kinds: int = 0
    spends: bool = False
    stretches: Stretches | None = None
    ranked: frozenset[str] = frozenset()

    @property
    def shares(self) -> bool:
        """Whether the last 84 days of all these snapshots are made of stretches."""
        return self.stretches is not None and all(self.stretches.are_shared(day) for day in self.days)


KNOWN = "r.known_at <= c.snapshot_at AND (r.superseded_at IS NULL OR r.superseded_at > c.snapshot_at)"


WINDOWS = {"7": "age <= 7", "28": "age <= 28", "29_56": "age > 28 AND age <= 56", "84": "age <= 84"}
"""Ages in days of the rows that a window holds."""


def events(engine: Engine, how: How) -> str:
    """Usage of the last 84 days: events and what they amount to in each window, with the bits of their days and kinds.

    `weeks` adds up how many whole weeks ago each event was, `newest` and `oldest` are ages.
    """
    if how.shares and how.stretches is not None:
        return " UNION ALL ".join(how.stretches.events(day) for day in how.days)
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
        WHERE {_known(how, "usage")} GROUP BY r.account_id, c.snapshot_at"""


def kinds(engine: Engine, how: How) -> str:
    """Of each kind of event with features of its own how often in three windows, and the age of the newest."""
    if how.shares and how.stretches is not None:
        return " UNION ALL ".join(how.stretches.kinds(day) for day in how.days)
    columns = ", ".join(
        f"MAX(CASE WHEN kind = {kind} THEN {name} END) AS kind_{kind}_{name.removeprefix('events_')}"
        for kind in range(how.kinds)
        for name in ("events_28", "events_29_56", "events_84", "newest")
    )
    counts = ", ".join(f"COUNT(CASE WHEN {within} THEN 1 END) AS events_{window}" for window, within in WINDOWS.items())
    return f"""
        SELECT account_id, snapshot_at, {columns}
        FROM (SELECT r.account_id, c.snapshot_at, k.kind, MIN(c.age) AS newest, {counts}
              FROM {_paired(engine, how, RECENT)} JOIN event_kinds k ON r.event = k.event
              WHERE k.kind IS NOT NULL AND {_known(how, "usage")}
              GROUP BY r.account_id, c.snapshot_at, k.kind)
        GROUP BY account_id, snapshot_at"""


def year(engine: Engine, how: How) -> str:
    """Usage of the last 52 weeks: events, visits, their money, ages of the newest and oldest event, bits of weeks.

    A visit is a session on a day: one that runs past midnight counts on both.
    """
    if how.stretches is not None:
        return " UNION ALL ".join(how.stretches.year(day) for day in how.days)
    rows = f"""SELECT r.account_id, c.snapshot_at, c.age, c.week_bits, r.session_id, r.value_cents
               FROM {_paired(engine, how, LONGEST)} WHERE {_known(how, "usage")}"""
    return f"""
        SELECT account_id, snapshot_at, SUM(events) AS events, COUNT(session_id) AS visits,
               SUM(CASE WHEN session_id IS NOT NULL THEN value_cents END) AS value_cents,
               MIN(age) AS newest, MAX(age) AS oldest, BIT_OR(week_bits) AS week_bits
        FROM (SELECT account_id, snapshot_at, session_id, age, COUNT(*) AS events, SUM(value_cents) AS value_cents,
                     BIT_OR(week_bits) AS week_bits
              FROM ({rows}) GROUP BY account_id, snapshot_at, session_id, age)
        GROUP BY account_id, snapshot_at"""


def users(engine: Engine, how: How) -> str:
    """One row per person active in the last 84 days: age of their newest event, events, rank by events."""
    rows = f"""SELECT r.account_id, c.snapshot_at, r.user_id, c.age, 1 AS events
               FROM {_paired(engine, how, RECENT)} WHERE r.user_id IS NOT NULL AND {_known(how, "usage")}"""
    if how.shares:
        rows = f"SELECT * REPLACE (age + days AS age) FROM ({_stretches(engine, how, 'people')})"
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
               FROM {_paired(engine, how, RECENT)} WHERE r.session_id IS NOT NULL AND {_known(how, "usage")}
               GROUP BY r.account_id, c.snapshot_at, r.session_id, c.age"""
    if how.shares:
        rows = f"""SELECT account_id, snapshot_at, age + days AS age, events AS lines, value_cents
                   FROM ({_stretches(engine, how, "visits")}) WHERE is_visit"""
    if not how.spends:
        return rows
    return f"""
        SELECT v.account_id, v.snapshot_at, v.age, v.lines, v.value_cents,
               y.visits_364d AS visits, y."_visit_value_364d" AS all_cents
        FROM ({rows}) v JOIN scan_year y ON y.account_id = v.account_id AND y.snapshot_at = v.snapshot_at"""


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


def _paired(engine: Engine, how: How, days: int) -> str:
    """Usage rows `r` beside the calendar's days `c` that see them, of the last `days` days."""
    keyed = " AND r.account_id = c.account_id" if how.per_account else ""
    first, last = engine.moment(how.days[0] - timedelta(days=days)), engine.moment(how.days[-1])
    rows = f'(SELECT * FROM "usage" u WHERE u."at" >= {first} AND u."at" < {last}) r'
    return f'{rows} JOIN calendar c ON CAST(r."at" AS DATE) = c.day AND c.age <= {days}{keyed}'


def _stretches(engine: Engine, how: How, what: str) -> str:
    """What the snapshots' stretches hold of their last 84 days, see `Stretches.recent`."""
    assert how.stretches is not None
    parts = [
        f"SELECT *, {engine.moment(day)} AS snapshot_at FROM ({how.stretches.recent(what, day)})" for day in how.days
    ]
    return " UNION ALL ".join(parts)


def _known(how: How, source: str) -> str:
    """Condition that a row was known; one whose source has no second clock was known when it happened."""
    return KNOWN if source in how.versioned else "TRUE"


WIDE = frozenset({"events", "kinds", "year"})
"""Scans that hand out one row a snapshot of an account, with columns that features are arithmetic over."""
SCANS: dict[str, Callable[..., str]] = {
    scan.__name__: scan
    for scan in (events, kinds, year, users, visits, feedback, support, touchpoints, subscriptions, invoices, accounts)
}
