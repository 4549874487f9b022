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

import pyarrow as pa

from features import bits
from features.catalogue import Catalogue
from features.dialect import quoted
from features.engine import Engine
from features.laid import Order, numbers
from features.replacing import drop_others
from features.sums import DAYS, NEAR, Sums
from features.years import YEAR, Share, added_up

RECENT = 84
"""Days that features of single events, people and visits look back."""
ENOUGH = 10
"""A year has so many stretches besides those of its last 84 days; its two ends together are as long as one."""
LONGEST = 364
"""Days of usage that any feature looks back."""


class Stretches:
    """The stretches of one engine's usage rows, made as they are asked for.

    `days` are the snapshots and `accounts` all of theirs. `start` is where the stretches end of a year that has none of
    its own. `file` names the Parquet file that keeps the year's part of the stretch [begin, end) from one run to the
    next, where any does.
    """

    def __init__(
        self,
        engine: Engine,
        days: Sequence[datetime],
        accounts: pa.Array,
        start: datetime,
        catalogue: Catalogue,
        file: Callable[[datetime, datetime], Path] | None = None,
    ) -> None:
        self._engine, self._start, self._file = engine, start, file
        self._sums = Sums.of(catalogue)
        self._together = Counter(self._place(day) for day in days)
        self._order = Order(accounts)
        self._tables: dict[tuple[str, datetime], str] = {}
        self._laid: dict[tuple[str, datetime], pa.Table] = {}
        self._years: dict[datetime, Share] = {}

    def are_shared(self, day: datetime) -> bool:
        """Whether another snapshot sees stretches of this one's."""
        return self._together[self._place(day)] > 1

    def forget(self, day: datetime) -> None:
        """Drop what no snapshot from this one on sees."""
        near, year = day - timedelta(days=RECENT), day - timedelta(days=LONGEST)
        self._laid = {key: laid for key, laid in self._laid.items() if key[1] > near}
        self._years = {end: share for end, share in self._years.items() if end > year}
        for key in [key for key in self._tables if key[1] <= near]:
            self._engine.run(f"DROP TABLE {self._tables.pop(key)}")

    def recent(self, what: str, day: datetime) -> str:
        """SQL of the `people` or `visits` of a snapshot's last 84 days.

        A row is about one stretch; ages are counted back from the stretch's end, which is `days` before the snapshot.
        """
        parts = [
            f"SELECT *, {days} AS days FROM {self._table(what, day - timedelta(days=days))}"
            for days in range(0, RECENT, DAYS)
        ]
        return " UNION ALL ".join(parts)

    def lay(self, scans: Sequence[str], day: datetime, wanted: pa.Array, first: int) -> pa.Table:
        """What some wide scans are made of (`made_of`) of each account; those wanted numbered, see `Order.numbered`."""
        columns: dict[str, pa.Array] = {}
        for scan in scans:
            columns |= added_up(self._shares(day)) if scan == "year" else self._near(scan, day)
        return self._order.numbered(wanted, day, first, columns)

    def made_of(self, scan: str) -> list[str]:
        """SQL of the columns of a wide scan, over what `lay` has laid."""
        if scan == "year":
            return list(YEAR)
        return self._sums.near_events() if scan == "events" else self._sums.near_kinds()

    def _near(self, scan: str, day: datetime) -> dict[str, pa.Array]:
        """What the last three stretches hold of each account."""
        near = {s: self._in_order(scan, day - timedelta(days=DAYS * i)) for i, s in enumerate(NEAR)}
        return {f"{s}_{name}": part[name] for s, part in near.items() for name in part.column_names}

    def _shares(self, day: datetime) -> list[tuple[Share, int]]:
        """The parts of [day - 364 days, day): whole stretches, and raw rows at both ends of a year that has none."""
        first, end = day - timedelta(days=LONGEST), day
        if not self._has_own_year(day):
            end -= timedelta(days=(day - self._start).days % DAYS)
        begin = end - timedelta(days=(end - first).days // DAYS * DAYS)
        ends = [begin + timedelta(days=n) for n in range(DAYS, (end - begin).days + 1, DAYS)]
        if self._sums.has_visits and end == day and self.are_shared(day):
            self.recent("visits", day)  # the year is added up from what the last 84 days need anyway
        parts = [(self._year(e), e) for e in ends]
        parts += [(Share(self._lay(self._added_up(b, e))), e) for b, e in ((first, begin), (end, day)) if b < e]
        return [(share, (day - e).days) for share, e in sorted(parts, key=lambda part: part[1])]

    def _year(self, end: datetime) -> Share:
        """The year's part of a stretch; where nothing keeps it, of what the last 84 days need anyway."""
        if end not in self._years:
            near = None if self._sums.has_visits or self._file else self._laid.get(("events", end))
            self._years[end] = Share(near.select(["events", "day_bits"]) if near else self._lay(self._kept(end)))
        return self._years[end]

    def _in_order(self, scan: str, end: datetime) -> pa.Table:
        """What a stretch holds for a scan, of each account; with ages where there are bits of days."""
        if (scan, end) not in self._laid:
            rows = self._raw(end - timedelta(days=DAYS), end)
            laid = self._lay(self._sums.by_account(rows) if scan == "events" else self._sums.by_kind(rows))
            self._laid[scan, end] = _with_ages(laid) if scan == "events" else laid
        return self._laid[scan, end]

    def _lay(self, rows: str) -> pa.Table:
        return self._order.lay(self._engine.query(rows))

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
            name, rows = f"{what}_{end:%Y%m%d}", self._raw(end - timedelta(days=DAYS), end)
            self._engine.hold(name, self._sums.by_person(rows) if what == "people" else self._sums.by_visit(rows))
            self._tables[what, end] = name
        return self._tables[what, end]

    def _added_up(self, begin: datetime, end: datetime) -> str:
        """SQL of usage in [begin, end), at most 28 days, for the year; from the stretch's visits if they are there."""
        visits = self._tables.get(("visits", end)) if end - begin == timedelta(days=DAYS) else None
        return self._sums.for_year(self._raw(begin, end), visits)

    def _raw(self, begin: datetime, end: datetime) -> str:
        """Usage rows `r` in [begin, end) with their `age`, counted back from the end."""
        first, last = self._engine.moment(begin), self._engine.moment(end)
        age = self._engine.days_between('u."at"', last)
        return f"""(SELECT *, CAST({age} AS INTEGER) AS age FROM "usage" u
                    WHERE u."at" >= {first} AND u."at" < {last}) r"""


def _with_ages(laid: pa.Table) -> pa.Table:
    """With the ages of the newest and the oldest day of each account."""
    days = numbers(laid["day_bits"].combine_chunks())
    for name, age in (("newest", bits.newest(days)), ("oldest", bits.oldest(days))):
        laid = laid.append_column(name, pa.array(age, mask=days == 0))
    return laid
