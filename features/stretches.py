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

DAYS = 28
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
        self._kinds, self._has_sessions = len(catalogue.vocabulary.event_names), catalogue.counts_visits
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
        """SQL of the `cells`, `kinds`, `people` or `visits` of a snapshot's last 84 days, see `_recent`.

        A row is about one stretch; ages and bits are counted back from the stretch's end, which is `days` before the
        snapshot.
        """
        parts = [
            f"SELECT *, {days} AS days FROM {self._table(what, day - timedelta(days=days))}"
            for days in range(0, RECENT, DAYS)
        ]
        return " UNION ALL ".join(parts)

    def kinds(self, day: datetime) -> str:
        """SQL of how often each account had each kind of event in its last 84 days, see `scans.kinds`."""
        tables = [self._table("kinds", day - timedelta(days=days)) for days in range(0, RECENT, DAYS)]
        joins = [f"LEFT JOIN {table} k{i} ON k{i}.account_id = w.account_id" for i, table in enumerate(tables)]
        columns = [column for kind in range(self._kinds) for column in _unpacked(kind, len(tables))]
        return f"""SELECT w.account_id, w.snapshot_at, {", ".join(columns)} FROM wanted w {" ".join(joins)}
                   WHERE w.snapshot_at = {self._engine.moment(day)}"""

    def year(self, day: datetime) -> str:
        """SQL of the usage in [day - 364 days, day): rows of each account to be added up, see `scans.year`."""
        first, end = day - timedelta(days=LONGEST), day
        if not self._has_own_year(day):
            end -= timedelta(days=(day - self._start).days % DAYS)
        begin = end - timedelta(days=(end - first).days // DAYS * DAYS)
        ends = [begin + timedelta(days=n) for n in range(DAYS, (end - begin).days + 1, DAYS)]
        if self._has_sessions and end == day and self.are_shared(day):
            self.recent("visits", day)  # the year is added up from what the last 84 days need anyway
        parts = [(e, f"({self._kept(e)})" if self._is_alone else self._table("year", e)) for e in ends]
        parts += [(e, f"({self._added_up(b, e)})") for b, e in ((first, begin), (end, day)) if b < e]
        rows = " UNION ALL ".join(f"SELECT *, {_moved((day - e).days)} FROM {part}" for e, part in parts)
        weeks = " + ".join(
            f"CASE WHEN (day_bits * days_on) & {127 << 7 * i} <> 0 THEN {1 << i} ELSE 0 END" for i in range(5)
        )
        return f"""
            SELECT account_id, {self._engine.moment(day)} AS snapshot_at, events, visits, value_cents,
                   newest + days AS newest, oldest + days AS oldest, ({weeks}) * weeks_on AS week_bits
            FROM ({rows})"""

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
            self._engine.hold(name, self._kept(end) if what == "year" else self._recent(what, end))
            self._tables[what, end] = name
        return self._tables[what, end]

    def _recent(self, what: str, end: datetime) -> str:
        """What happened in a stretch: by kind of event, person or visit, or in its last week and before (`cells`)."""
        rows = self._raw(end - timedelta(days=DAYS), end)
        match what:
            case "kinds":
                packed = ", ".join(
                    f"MAX(CASE WHEN kind = {kind} THEN packed END) AS kind_{kind}" for kind in range(self._kinds)
                )
                return f"""SELECT account_id, {packed}
                           FROM (SELECT r.account_id, k.kind, COUNT(*) * 32 + 31 - MIN(a.age) AS packed
                                 FROM {rows} JOIN event_kinds k ON r.event = k.event
                                 WHERE k.kind IS NOT NULL GROUP BY r.account_id, k.kind) GROUP BY account_id"""
            case "people":
                return f"""SELECT r.account_id, r.user_id, MIN(a.age) AS age, COUNT(*) AS events
                           FROM {rows} WHERE r.user_id IS NOT NULL GROUP BY r.account_id, r.user_id"""
            case "visits":
                return _visits(rows)
        last = _narrow(age="MIN(a.age)", oldest="MAX(a.age)", day_bits="BIT_OR(a.day_bits_1)")
        return f"""SELECT r.account_id, {last}, COUNT(*) AS events, CAST(SUM(a.week) AS BIGINT) AS weeks,
                          SUM(r.quantity) AS quantity, CAST(SUM(r.value_cents) AS BIGINT) AS value_cents,
                          BIT_OR(COALESCE(k.kind_bits, 0)) AS kind_bits
                   FROM {rows} LEFT JOIN event_kinds k ON r.event = k.event GROUP BY r.account_id, a.age <= 7"""

    def _added_up(self, begin: datetime, end: datetime) -> str:
        """Usage in [begin, end), at most 28 days, one row an account; ages and bits are counted back from the end."""
        rows, is_whole = self._raw(begin, end), end - begin == timedelta(days=DAYS)
        last = _narrow(newest="MIN(a.age)", oldest="MAX(a.age)", day_bits="BIT_OR(a.day_bits_1)")
        nothing = "CAST(0 AS TINYINT) AS visits, CAST(NULL AS TINYINT) AS value_cents"
        if not self._has_sessions and is_whole and (cells := self._tables.get(("cells", end))):
            return f"""
                SELECT account_id, CAST(SUM(events) AS BIGINT) AS events, {nothing},
                       {_narrow(newest="MIN(age)", oldest="MAX(oldest)", day_bits="BIT_OR(day_bits)")}
                FROM {cells} GROUP BY account_id"""
        if not self._has_sessions:
            return f"SELECT account_id, COUNT(*) AS events, {nothing}, {last} FROM {rows} GROUP BY account_id"
        visits = self._tables.get(("visits", end)) if is_whole else None
        return f"""
            SELECT account_id, CAST(SUM(events) AS BIGINT) AS events, COUNT(CASE WHEN is_visit THEN 1 END) AS visits,
                   CAST(SUM(CASE WHEN is_visit THEN value_cents END) AS BIGINT) AS value_cents, {last}
            FROM {visits or f"({_visits(rows)})"} r JOIN ages a ON a.age = r.age GROUP BY account_id"""

    def _raw(self, begin: datetime, end: datetime) -> str:
        """Usage rows `r` in [begin, end) beside their age `a`, counted back from the end."""
        first, last = self._engine.moment(begin), self._engine.moment(end)
        age = self._engine.days_between('r."at"', last)
        return (
            f"""(SELECT * FROM "usage" u WHERE u."at" >= {first} AND u."at" < {last}) r JOIN ages a ON a.age = {age}"""
        )


def _narrow(*, day_bits: str, **ages: str) -> str:
    """SQL of ages of at most 28 days and of so many bits, in types that hold no more: many stretches are in memory."""
    columns = [f"CAST({sql} AS TINYINT) AS {name}" for name, sql in ages.items()]
    return ", ".join([*columns, f"CAST({day_bits} AS INTEGER) AS day_bits"])


def _unpacked(kind: int, stretches: int) -> list[str]:
    """SQL of the columns about a kind of event, from how its events of each stretch are packed, newest stretch first.

    A number packs how many there are and 31 less the age of the newest: the latter in its last five bits.
    """
    packed = [f"k{i}.kind_{kind}" for i in range(stretches)]
    events = [f"COALESCE({number} >> 5, 0)" for number in packed]
    newest = [f"{31 + DAYS * i} - ({number} & 31)" for i, number in enumerate(packed)]
    return [
        f"{events[0]} AS events_28_{kind}",
        f"{events[1]} AS before_28_{kind}",
        f"{' + '.join(events)} AS events_84_{kind}",
        f"COALESCE({', '.join(newest)}) AS newest_{kind}",
    ]


def _visits(rows: str) -> str:
    """SQL of the visits among raw rows, and a row a day for what belongs to none."""
    return f"""SELECT r.account_id, r.session_id IS NOT NULL AS is_visit, a.age, COUNT(*) AS events,
                      CAST(SUM(r.value_cents) AS BIGINT) AS value_cents
               FROM {rows} GROUP BY r.account_id, r.session_id, a.age"""


def _moved(days: int) -> str:
    """SQL of the days from a stretch's end to the snapshot, and of the factors that move its bits on by them.

    One moves them by the days within a week, the other the bits of weeks by whole weeks.
    """
    return ", ".join(
        f"CAST({value} AS BIGINT) AS {name}"
        for name, value in (("days", days), ("days_on", 1 << days % 7), ("weeks_on", 1 << days // 7))
    )
