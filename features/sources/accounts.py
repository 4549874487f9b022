"""When an account began, where no table says so: when its first subscription or usage was seen.

What was known then stays: an earlier row that arrives later adds a version and rewrites none.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from features.contracts import ACCOUNTS, SOURCES
from features.engine import Engine
from features.sources.memory import asked
from features.sources.staged import StagedSource

SEEN_IN = ("subscriptions", "usage")


def derive_accounts(engine: Engine, sources: dict[str, StagedSource]) -> StagedSource:
    """Make `accounts` of every account id seen in subscriptions or usage."""
    seen = [name for name in SEEN_IN if name in sources]
    _first_seen(engine, [sources[name] for name in seen])
    rest = ", ".join(
        f'CAST(NULL AS {kind}) AS "{column}"'
        for column, kind in ACCOUNTS.columns.items()
        if column not in ("account_id", "started_at")
    )
    following = "LEAD(known_at) OVER (PARTITION BY account_id ORDER BY known_at) AS superseded_at"
    engine.create("accounts", f"SELECT account_id, started_at, {rest}, known_at, {following} FROM _first_seen")
    place = f"first seen in {' and '.join(seen)}"
    told = StagedSource(
        name="accounts",
        place=place,
        columns={"account_id": place, "started_at": place},
        versioned=False,
        in_place=False,
        rows_read=0,
        rows_good=0,
        quarantined=(),
        first_at=None,
        last_at=None,
    )
    return _counted(engine, told)


def fill_started_at(engine: Engine, sources: dict[str, StagedSource]) -> StagedSource:
    """Give `accounts` without a start its first seen one, as known at each of the moments either changed.

    An account never seen has no start and is visible at no snapshot.
    """
    seen = [name for name in SEEN_IN if name in sources]
    _first_seen(engine, [sources[name] for name in seen])
    clocks = ("account_id", "started_at", "known_at", "superseded_at")
    columns = [column for column in engine.types("SELECT * FROM accounts") if column not in clocks]
    rest = "".join(f', a."{column}"' for column in columns)
    until = "LEAD(known_at) OVER (PARTITION BY account_id ORDER BY known_at) AS until"
    rows = f"""
    WITH changes AS (
        SELECT account_id, known_at FROM accounts
        UNION SELECT account_id, known_at FROM _first_seen SEMI JOIN accounts USING (account_id)
    ), seen AS (SELECT *, {until} FROM _first_seen)
    SELECT c.account_id, s.started_at{rest}, c.known_at,
           LEAD(c.known_at) OVER (PARTITION BY c.account_id ORDER BY c.known_at) AS superseded_at
    FROM changes c
    JOIN accounts a ON a.account_id = c.account_id
         AND a.known_at <= c.known_at AND (a.superseded_at IS NULL OR a.superseded_at > c.known_at)
    LEFT JOIN seen s ON s.account_id = c.account_id
         AND s.known_at <= c.known_at AND (s.until IS NULL OR s.until > c.known_at)
    """
    engine.create("_accounts", rows)
    kept = "SELECT * FROM _accounts WHERE started_at IS NOT NULL OR superseded_at IS NULL"
    engine.create("accounts", kept)
    engine.drop("_accounts")
    place = f"first seen in {' and '.join(seen)}"
    told = sources["accounts"]
    return _counted(engine, replace(told, columns=told.columns | {"started_at": place}), rows=told.rows_read)


def _first_seen(engine: Engine, sources: Iterable[StagedSource]) -> None:
    """`_first_seen(account_id, started_at, known_at)`: a row whenever an earlier start became known.

    Rows that become known on one day are one change, known when the earliest of them is.
    """
    parts = [_seen_by_day(source, engine) for source in sources]
    engine.create(
        "_first_seen",
        f"""
    WITH seen AS ({" UNION ALL ".join(parts)}),
    running AS (
        SELECT *, MIN(started_at) OVER (
            PARTITION BY account_id ORDER BY known_at, started_at
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS before FROM seen
    )
    SELECT account_id, MIN(started_at) AS started_at, known_at FROM running
    WHERE before IS NULL OR started_at < before GROUP BY account_id, known_at
    """,
    )


def _seen_by_day(source: StagedSource, engine: Engine) -> str:
    at = f'"{SOURCES[source.name].at}"'
    if not source.versioned:
        first = asked(
            engine, source.name, f"SELECT account_id, MIN({at}) AS first FROM {source.name} GROUP BY account_id"
        )
        return f"SELECT account_id, MIN(first) AS started_at, MIN(first) AS known_at FROM ({first}) GROUP BY account_id"
    day = "CAST(known_at - INTERVAL 1 MICROSECOND AS DATE)"
    return (
        f"SELECT account_id, MIN({at}) AS started_at, MIN_BY(known_at, ({at}, known_at)) AS known_at "
        f"FROM {source.name} GROUP BY account_id, {day}"
    )


def _counted(engine: Engine, told: StagedSource, rows: int | None = None) -> StagedSource:
    sql = "SELECT COUNT(DISTINCT account_id), MIN(started_at), MAX(started_at) FROM accounts"
    counted: list[Any] = engine.rows(sql)
    (count, first, last) = counted[0]
    return replace(told, rows_read=count if rows is None else rows, rows_good=count, first_at=first, last_at=last)
