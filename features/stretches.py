"""Usage in stretches of 28 days: each is added up once, for all snapshots that see the whole of it.

A stretch ends at a snapshot or whole stretches away from one. Where several snapshots lie so, as on a grid of 28 days,
they share their stretches: three hold what features of 84 days look at, 13 the year. A year whose stretches few share
is made of those of the first snapshot and of the raw rows at its two ends. Only rows without versions can be added up
beforehand: they are known when they happen.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from features.catalogue import Catalogue
from features.dialect import quoted
from features.engine import Engine
from features.replacing import drop_others
from features.sums import DAYS, NEAR, Sums

RECENT = 84
"""Days that features of single events, people and visits look back."""
ENOUGH = 10
"""A year has so many stretches besides those of its last 84 days; its two ends together are as long as one."""
LONGEST = 364
"""Days of usage that any feature looks back."""


class Stretches:
    """The stretches of one engine's usage rows, made as they are asked for.

    `start` is where the stretches end of a year that has none of its own. `file` names the Parquet file that keeps the
    year's part of the stretch [begin, end) from one run to the next, where any does.
    """

    def __init__(
        self,
        engine: Engine,
        days: Sequence[datetime],
        start: datetime,
        catalogue: Catalogue,
        file: Callable[[datetime, datetime], Path] | None = None,
    ) -> None:
        self._engine, self._start, self._file = engine, start, file
        self._sums = Sums.of(catalogue)
        self._together = Counter(self._place(day) for day in days)
        self._is_alone = len(days) == 1
        self._tables: dict[tuple[str, datetime], str] = {}

    def are_shared(self, day: datetime) -> bool:
        """Whether another snapshot sees stretches of this one's."""
        return self._together[self._place(day)] > 1

    def forget(self, day: datetime) -> None:
        """Drop what no snapshot from this one on sees."""
        for what, end in list(self._tables):
            if end <= day - timedelta(days=LONGEST if what == "year" else RECENT):
                self._engine.run(f"DROP TABLE {self._tables.pop((what, end))}")

    def recent(self, what: str, day: datetime) -> str:
        """SQL of the `people` or `visits` of a snapshot's last 84 days.

        A row is about one stretch; ages are counted back from the stretch's end, which is `days` before the snapshot.
        """
        parts = [
            f"SELECT *, {days} AS days FROM {self._table(what, day - timedelta(days=days))}"
            for days in range(0, RECENT, DAYS)
        ]
        return " UNION ALL ".join(parts)

    def events(self, day: datetime) -> str:
        """SQL of the usage of each account's last 84 days, see `scans.events`."""
        return self._near("accounts", day, self._sums.near_events())

    def kinds(self, day: datetime) -> str:
        """SQL of how often each account had each kind of event in its last 84 days, see `scans.kinds`."""
        return self._near("kinds", day, self._sums.near_kinds())

    def _near(self, what: str, day: datetime, columns: Sequence[str]) -> str:
        """SQL of a snapshot's accounts and of columns over their rows in its three last stretches."""
        tables = {s: self._table(what, day - timedelta(days=DAYS * i)) for i, s in enumerate(NEAR)}
        joins = [f"LEFT JOIN {table} {s} ON {s}.account_id = w.account_id" for s, table in tables.items()]
        return f"""SELECT w.account_id, w.snapshot_at, {", ".join(columns)} FROM wanted w {" ".join(joins)}
                   WHERE w.snapshot_at = {self._engine.moment(day)}"""

    def year(self, day: datetime) -> str:
        """SQL of the usage in [day - 364 days, day): rows of each account to be added up, see `scans.year`."""
        first, end = day - timedelta(days=LONGEST), day
        if not self._has_own_year(day):
            end -= timedelta(days=(day - self._start).days % DAYS)
        begin = end - timedelta(days=(end - first).days // DAYS * DAYS)
        ends = [begin + timedelta(days=n) for n in range(DAYS, (end - begin).days + 1, DAYS)]
        if self._sums.has_visits and end == day and self.are_shared(day):
            self.recent("visits", day)  # the year is added up from what the last 84 days need anyway
        parts = [(e, f"({self._kept(e)})" if self._is_alone else self._table("year", e)) for e in ends]
        parts += [(e, f"({self._added_up(b, e)})") for b, e in ((first, begin), (end, day)) if b < e]
        rows = " UNION ALL ".join(f"SELECT *, {_moved((day - e).days)} FROM {part}" for e, part in parts)
        weeks = " + ".join(
            f"CASE WHEN (day_bits * days_on) & {127 << 7 * i} <> 0 THEN {1 << i} ELSE 0 END" for i in range(5)
        )
        return f"""
            SELECT account_id, {self._engine.moment(day)} AS snapshot_at, SUM(events) AS events, SUM(visits) AS visits,
                   SUM(value_cents) AS value_cents, MIN(newest + days) AS newest, MAX(oldest + days) AS oldest,
                   BIT_OR(({weeks}) * weeks_on) AS week_bits
            FROM ({rows}) GROUP BY account_id"""

    def _has_own_year(self, day: datetime) -> bool:
        """Whether its stretches are shared by so many that adding up a whole year more is less than all their ends."""
        return self._together[self._place(day)] > ENOUGH

    def _place(self, day: datetime) -> int:
        """Days on the same place are whole stretches away from each other."""
        return (day - self._start).days % DAYS

    def _kept(self, end: datetime) -> str:
        """SQL of the year's part of a stretch, which is read from its file where it has one."""
        begin = end - timedelta(days=DAYS)
        rows = self._added_up(begin, end)
        if self._file is None:
            return rows
        file = self._file(begin, end)
        if not file.exists():
            self._engine.save(rows, file)
            drop_others(file)
        return f"SELECT * FROM read_parquet('{quoted(str(file))}')"

    def _table(self, what: str, end: datetime) -> str:
        """The table of a stretch, made when it is first asked for."""
        if (what, end) not in self._tables:
            name = f"{what}_{end:%Y%m%d}"
            self._engine.hold(name, self._rows(what, end))
            self._tables[what, end] = name
        return self._tables[what, end]

    def _rows(self, what: str, end: datetime) -> str:
        """SQL of what a table of a stretch holds."""
        if what == "year":
            return self._kept(end)
        sums = self._sums
        added_up = {
            "accounts": sums.by_account,
            "kinds": sums.by_kind,
            "people": sums.by_person,
            "visits": sums.by_visit,
        }
        return added_up[what](self._raw(end - timedelta(days=DAYS), end))

    def _added_up(self, begin: datetime, end: datetime) -> str:
        """SQL of usage in [begin, end), at most 28 days, for the year; from other tables of the stretch if any."""
        there = self._tables if end - begin == timedelta(days=DAYS) else {}
        accounts, visits = there.get(("accounts", end)), there.get(("visits", end))
        return self._sums.for_year(self._raw(begin, end), accounts=accounts, visits=visits)

    def _raw(self, begin: datetime, end: datetime) -> str:
        """Usage rows `r` in [begin, end) with their `age`, counted back from the end."""
        first, last = self._engine.moment(begin), self._engine.moment(end)
        age = self._engine.days_between('u."at"', last)
        return f"""(SELECT *, CAST({age} AS INTEGER) AS age FROM "usage" u
                    WHERE u."at" >= {first} AND u."at" < {last}) r"""


def _moved(days: int) -> str:
    """SQL of the days from a stretch's end to the snapshot, and of the factors that move its bits on by them.

    One moves them by the days within a week, the other the bits of weeks by whole weeks.
    """
    return ", ".join(
        f"CAST({value} AS BIGINT) AS {name}"
        for name, value in (("days", days), ("days_on", 1 << days % 7), ("weeks_on", 1 << days // 7))
    )
