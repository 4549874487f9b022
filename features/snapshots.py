"""Which accounts are looked at, and when: the spine, one row per (account, snapshot).

All snapshots are at midnight UTC. An account is on the spine at t if it was alive by what was known at t.
"""

from datetime import datetime, timedelta

import pyarrow as pa

from features.config import Settings
from features.engine import Engine
from features.errors import SourceError
from features.sources import Staged

KNOWN = "r.known_at <= d.snapshot_at AND (r.superseded_at IS NULL OR r.superseded_at > d.snapshot_at)"


def grid(settings: Settings, first: datetime, last: datetime, newest: datetime | None = None) -> list[datetime]:
    """Snapshot dates within [first, last]: the configured dates, or every `every_days` days.

    The grid is anchored at the first test date where one is configured, else at `newest` (`last` where none is
    given), so that the newest window that can be judged is used. Configured test dates always belong.
    """
    evidence, step = settings.evidence, timedelta(days=settings.snapshots.every_days)
    wanted = set(settings.snapshots.dates) | set(evidence.test_dates)
    if not settings.snapshots.dates:
        anchor = evidence.test_from or (min(evidence.test_dates) if evidence.test_dates else midnight(newest or last))
        steps_back, steps_on = (anchor - first) // step, (last - anchor) // step
        wanted |= {anchor + i * step for i in range(-steps_back, steps_on + 1)}
    return sorted(day for day in wanted if first <= day <= last)


def spine(settings: Settings, engine: Engine, staged: Staged, dates: list[datetime]) -> int:
    """Make the table `spine` for a grid of dates and return its number of rows."""
    if not dates:
        raise SourceError("no snapshot date is left; widen [snapshots] or give a date within the data")
    engine.register("dates", pa.table({"snapshot_at": pa.array(dates, pa.timestamp("us"))}))
    engine.create("candidates", _alive(settings, staged))
    return _keep_population(settings, engine, staged)


def renewal_spine(settings: Settings, engine: Engine, staged: Staged, first: datetime, last: datetime) -> int:
    """Make the table `spine` with one snapshot per account and renewal, some days before it, within [first, last]."""
    _require_renewals(staged)
    before = settings.snapshots.before_renewal_days or 0
    engine.create(
        "candidates",
        f"""SELECT DISTINCT r.account_id, d.snapshot_at
            FROM (SELECT *, CAST(CAST(renews_at AS DATE) AS TIMESTAMP) - INTERVAL {before} DAY AS snapshot_at
                  FROM subscriptions WHERE renews_at IS NOT NULL) d
            JOIN subscriptions r ON r.account_id = d.account_id
                 AND {_running("d.snapshot_at")} AND d.started_at < d.snapshot_at AND d.known_at <= d.snapshot_at
                 AND (d.superseded_at IS NULL OR d.superseded_at > d.snapshot_at)
                 AND d.snapshot_at BETWEEN {engine.moment(first)} AND {engine.moment(last)}
            {_account_known(staged)}""",
    )
    return _keep_population(settings, engine, staged)


def spine_at(settings: Settings, engine: Engine, staged: Staged, day: datetime) -> int:
    """Make the table `spine` of the accounts to score on one day.

    Where snapshots lie before renewals, these are the accounts whose renewal is at most that many days ahead.
    """
    rows = spine(settings, engine, staged, [day])
    before = settings.snapshots.before_renewal_days
    if before is None:
        return rows
    _require_renewals(staged)
    engine.create(
        "spine",
        f"""SELECT DISTINCT d.account_id, d.snapshot_at FROM spine d JOIN subscriptions r ON r.account_id = d.account_id
            WHERE {_running("d.snapshot_at")} AND r.renews_at >= d.snapshot_at
              AND r.renews_at <= d.snapshot_at + INTERVAL {before} DAY""",
    )
    return _count(engine, "spine")


def span(engine: Engine, staged: Staged) -> tuple[datetime, datetime]:
    """First and last moment that any usage row or contract term speaks of."""
    clocks = {"usage": "at", "subscriptions": "started_at"}
    bounds = [
        engine.rows(f"SELECT MIN(r.{c}), MAX(r.{c}) FROM {s} r")[0] for s, c in clocks.items() if s in staged.sources
    ]
    moments = [m for pair in bounds for m in pair if isinstance(m, datetime)]
    if not moments:
        raise SourceError("usage and subscriptions hold no good row; `keepwell check` says why")
    return midnight(min(moments)), max(moments)


def midnight(moment: datetime) -> datetime:
    """The midnight that a moment's day began with."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _running(at: str) -> str:
    return f"""r.started_at < {at} AND r.known_at <= {at} AND (r.ended_at IS NULL OR r.ended_at >= {at})
               AND (r.superseded_at IS NULL OR r.superseded_at > {at})"""


def _alive(settings: Settings, staged: Staged) -> str:
    """Accounts with a running term; without contracts, accounts that exist and have not told us they left."""
    if "subscriptions" in staged.sources:
        return f"""SELECT DISTINCT r.account_id, d.snapshot_at
                   FROM subscriptions r JOIN dates d ON {_running("d.snapshot_at")} {_account_known(staged)}"""
    left = ""
    if "churns" in staged.sources:
        left = f"""AND NOT EXISTS (SELECT 1 FROM churns r WHERE r.account_id = a.account_id
                                   AND r.at < d.snapshot_at AND {KNOWN})"""
    known = KNOWN.replace("r.", "a.")
    return f"""SELECT DISTINCT a.account_id, d.snapshot_at FROM accounts a
               JOIN dates d ON COALESCE(a.started_at, a.known_at) < d.snapshot_at AND {known} {left}"""


def _account_known(staged: Staged) -> str:
    """Where accounts tell when they became known, a contract whose account was not known yet counted for nobody."""
    if not staged.versioned("accounts"):
        return ""
    return "WHERE r.account_id IN (SELECT a.account_id FROM accounts a WHERE a.known_at <= d.snapshot_at)"


def _keep_population(settings: Settings, engine: Engine, staged: Staged) -> int:
    """Narrow `candidates` to the accounts that had come often and lately enough; write them to `spine`."""
    query, wanted = "SELECT d.account_id, d.snapshot_at FROM candidates d", settings.population
    if wanted.min_events and staged.versioned("usage"):
        engine.create("often", _often(staged, wanted.min_events))
        query += " SEMI JOIN often o ON o.account_id = d.account_id AND o.snapshot_at = d.snapshot_at"
    elif wanted.min_events:
        engine.create("often", _nth_use(staged, wanted.min_events))
        query += " SEMI JOIN often o ON o.account_id = d.account_id AND o.at < d.snapshot_at"
    within = wanted.active_within_days or (
        2 * settings.churn.horizon_days if settings.churn.kind == "inactivity" else None
    )
    if within:
        engine.create("lately", _active(engine, within))
        query += " SEMI JOIN lately l ON l.account_id = d.account_id AND l.snapshot_at = d.snapshot_at"
    engine.create("spine", query)
    return _count(engine, "spine")


def _nth_use(staged: Staged, nth: int) -> str:
    """The moment of an account's nth visit (event, where there are no sessions)."""
    units = "SELECT r.account_id, r.at FROM usage r"
    if staged.has("usage", "session_id"):
        known = "FROM usage r WHERE session_id IS NOT NULL GROUP BY account_id, session_id"
        units = f"SELECT account_id, MIN(r.at) AS at {known}"
    numbered = f"SELECT *, ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY u.at) AS nth FROM ({units}) u"
    return f"SELECT n.account_id, n.at FROM ({numbered}) n WHERE nth = {nth}"


def _often(staged: Staged, least: int) -> str:
    """Candidates with so many visits (or events), counted anew at each snapshot: versions come and go."""
    units = "COUNT(DISTINCT r.session_id)" if staged.has("usage", "session_id") else "COUNT(*)"
    return f"""SELECT d.account_id, d.snapshot_at FROM candidates d JOIN usage r ON r.account_id = d.account_id
               WHERE r.at < d.snapshot_at AND {KNOWN}
               GROUP BY d.account_id, d.snapshot_at HAVING {units} >= {least}"""


def _active(engine: Engine, days: int) -> str:
    """Accounts with a usage row aged at most `days` days, per snapshot."""
    dates = [row[0] for row in engine.rows("SELECT DISTINCT snapshot_at FROM candidates ORDER BY snapshot_at")]
    looked = [
        (t, (t - timedelta(days=back)).date()) for t in dates if isinstance(t, datetime) for back in range(1, days + 1)
    ]
    at, day = pa.array([t for t, _ in looked], pa.timestamp("us")), pa.array([d for _, d in looked], pa.date32())
    engine.register("looked_back", pa.table({"snapshot_at": at, "day": day}))
    within = "TRUE"
    if looked:
        first, last = min(day for _, day in looked), max(t for t, _ in looked)
        within = (
            f"r.at >= {engine.moment(datetime(first.year, first.month, first.day))} AND r.at < {engine.moment(last)}"
        )
    return f"""SELECT DISTINCT r.account_id, d.snapshot_at
               FROM looked_back d JOIN usage r ON CAST(r.at AS DATE) = d.day WHERE {within} AND {KNOWN}"""


def _require_renewals(staged: Staged) -> None:
    if not staged.has("subscriptions", "renews_at"):
        raise SourceError(
            "before_renewal_days needs `renews_at` mapped in [sources.subscriptions]: the day each term renews"
        )


def _count(engine: Engine, table: str) -> int:
    return int(str(engine.rows(f'SELECT COUNT(*) FROM "{table}"')[0][0]))
