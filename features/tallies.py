"""What a snapshot was computed from, told by a fingerprint: it changes when rows arrive, leave or change that it sees.

The rows of every source are counted and their hashes summed by the day on which they became visible. A snapshot sees
the days before it; of usage without a second clock, those of the year before it.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime, timedelta

from features.contracts import SOURCES
from features.engine import Engine
from features.sources import Staged
from features.sources.memory import asked
from features.stretches import LONGEST

READ = ("accounts", "subscriptions", "usage", "feedback", "support", "touchpoints", "invoices")
"""Sources that features read."""

Tally = tuple[datetime, int, int]
"""A day, the number of its rows, and the sum of their hashes."""


def tally(engine: Engine, staged: Staged, source: str) -> list[Tally]:
    """The rows of a source by the day on which they became visible, in order of days."""
    contract = SOURCES[source]
    columns = [contract.staged_name(column) for column in contract.columns]
    if source == "accounts":
        columns += staged.attributes
    hashed = engine.key_hash([*(f'r."{column}"' for column in columns), "r.known_at", "r.superseded_at"])
    visible = f'GREATEST(COALESCE(r."{contract.at}", r.known_at), r.known_at)'
    total = f"CAST(SUM({hashed} // 65536) AS DECIMAL(38,0))"
    by_day = f"""SELECT DATE_TRUNC('day', {visible}) AS day, COUNT(*) AS n, {total} AS total
                 FROM "{source}" r GROUP BY 1"""
    if staged.sources[source].in_place:
        by_day = asked(engine, source, by_day)
    rows = engine.rows(f"SELECT day, SUM(n), CAST(SUM(total) AS VARCHAR) FROM ({by_day}) GROUP BY day ORDER BY day")
    return [(day, int(str(n)), int(str(total))) for day, n, total in rows if isinstance(day, datetime)]


def tallies(engine: Engine, staged: Staged) -> dict[str, list[Tally]]:
    """The tallies of every source that features read."""
    return {source: tally(engine, staged, source) for source in READ if source in staged.sources}


def fingerprint(tallied: list[Tally], begin: datetime, end: datetime) -> str:
    """Of one source's rows that became visible on the days in [begin, end)."""
    first, last = (bisect_left(tallied, at, key=lambda one: one[0]) for at in (begin, end))
    return hashlib.sha256(repr(tallied[first:last]).encode()).hexdigest()[:20]


def fingerprints(
    engine: Engine, staged: Staged, tallied: dict[str, list[Tally]], days: Iterable[datetime], spine: str = "spine"
) -> dict[datetime, str]:
    """By snapshot what its features are computed from: rows that it sees, and the accounts it is about."""
    accounts = engine.rows(
        f"SELECT snapshot_at, COUNT(*), CAST(SUM({engine.key_hash(['account_id'])} // 65536) AS VARCHAR) "
        f"FROM {spine} GROUP BY snapshot_at"
    )
    about = {day: (n, total) for day, n, total in accounts}
    found = {}
    for day in days:
        parts = [repr(about.get(day))]
        for source, of_source in tallied.items():
            yearly = source == "usage" and not staged.versioned("usage")
            since = day - timedelta(days=LONGEST) if yearly else datetime.min
            parts.append(source + fingerprint(of_source, since, day))
        found[day] = hashlib.sha256(repr(parts).encode()).hexdigest()[:20]
    return found
