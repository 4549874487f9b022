"""A year of usage in stretches of 28 days: each is added up once, for all snapshots that see the whole of it.

Stretches are counted from the first snapshot. One that lies whole stretches away from it, as on a grid of 28 days, sees
13 of them; what another sees of the two at the ends of its year is added up from the raw rows. Only rows without
versions can be added up beforehand: they are known when they happen.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from features.dialect import quoted
from features.engine import Engine
from features.replacing import drop_others

DAYS = 28
TABLE = "usage_stretches"
COLUMNS = "events BIGINT, visits BIGINT, value_cents BIGINT, newest INTEGER, oldest INTEGER, day_bits BIGINT"


@dataclass
class Stretches:
    """The stretches of one engine's usage rows, numbered from `start`.

    `file` names the Parquet file that keeps the stretch [begin, end) from one run to the next, where any does.
    """

    engine: Engine
    start: datetime
    has_sessions: bool
    file: Callable[[datetime, datetime], Path] | None = None
    held: set[int] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.engine.run(f"CREATE OR REPLACE TABLE {TABLE} (stretch INTEGER, account_id VARCHAR, {COLUMNS})")

    def seen(self, day: datetime, days: int) -> str:
        """SQL of the usage in [day - days, day): rows of each account to be added up, see `scans.year`.

        Stretches that lie within and are not there yet are added up now.
        """
        first = day - timedelta(days=days)
        inside = range(-((self.start - first).days // DAYS), (day - self.start).days // DAYS)
        self._hold(inside)
        moved = [f"SELECT {n} AS stretch, {_moved((day - self._begin(n + 1)).days)}" for n in inside]
        parts = [
            f"""SELECT s.* EXCLUDE (stretch), o.days, o.days_on, o.weeks_on
                FROM {TABLE} s JOIN ({" UNION ALL ".join(moved)}) o ON o.stretch = s.stretch"""
        ]
        for begin, end in ((first, self._begin(inside.start)), (self._begin(inside.stop), day)):
            if begin < end:
                parts.append(f"SELECT *, {_moved((day - end).days)} FROM ({self._added_up(begin, end)})")
        weeks = " + ".join(
            f"CASE WHEN (day_bits * days_on) & {127 << 7 * i} <> 0 THEN {1 << i} ELSE 0 END" for i in range(5)
        )
        return f"""
            SELECT account_id, {self.engine.moment(day)} AS snapshot_at, events, visits, value_cents,
                   newest + days AS newest, oldest + days AS oldest, ({weeks}) * weeks_on AS week_bits
            FROM ({" UNION ALL ".join(parts)})"""

    def _hold(self, wanted: range) -> None:
        for number in (n for n in wanted if n not in self.held):
            begin, end = self._begin(number), self._begin(number + 1)
            rows = self._added_up(begin, end)
            if self.file:
                file = self.file(begin, end)
                if not file.exists():
                    self.engine.save(rows, file)
                    drop_others(file)
                rows = f"SELECT * FROM read_parquet('{quoted(str(file))}')"
            self.engine.append(TABLE, f"SELECT {number}, * FROM ({rows})")
            self.held.add(number)

    def _added_up(self, begin: datetime, end: datetime) -> str:
        """Usage in [begin, end), at most 28 days, one row an account; ages and bits are counted back from the end."""
        age = self.engine.days_between('r."at"', self.engine.moment(end))
        within = f'r."at" >= {self.engine.moment(begin)} AND r."at" < {self.engine.moment(end)}'
        rows = f'"usage" r JOIN ages a ON a.age = {age} WHERE {within}'
        last = "MIN(age) AS newest, MAX(age) AS oldest, BIT_OR(day_bits) AS day_bits"
        if not self.has_sessions:
            return f"""
                SELECT account_id, COUNT(*) AS events, CAST(0 AS BIGINT) AS visits, CAST(NULL AS BIGINT) AS value_cents,
                       {last.replace("age", "a.age").replace("day_bits)", "a.day_bits_1)")}
                FROM {rows} GROUP BY account_id"""
        visit = """SELECT r.account_id, r.session_id, a.age, COUNT(*) AS events, SUM(r.value_cents) AS value_cents,
                          BIT_OR(a.day_bits_1) AS day_bits"""
        return f"""
            SELECT account_id, CAST(SUM(events) AS BIGINT) AS events, COUNT(session_id) AS visits,
                   CAST(SUM(CASE WHEN session_id IS NOT NULL THEN value_cents END) AS BIGINT) AS value_cents, {last}
            FROM ({visit} FROM {rows} GROUP BY r.account_id, r.session_id, a.age) GROUP BY account_id"""

    def _begin(self, number: int) -> datetime:
        return self.start + timedelta(days=DAYS * number)


def _moved(days: int) -> str:
    """SQL of the days from a stretch's end to the snapshot, and of the factors that move its bits on by them.

    One moves them by the days within a week, the other the bits of weeks by whole weeks.
    """
    return ", ".join(
        f"CAST({value} AS BIGINT) AS {name}"
        for name, value in (("days", days), ("days_on", 1 << days % 7), ("weeks_on", 1 << days // 7))
    )
