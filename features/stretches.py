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
AMOUNTS = {"quantity": "usage.quantity", "value_cents": "usage.value"}
"""What an event can amount to, and the mapped column that it takes."""


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
        self._kinds, self._has_sessions = len(catalogue.vocabulary.event_names), catalogue.needs("usage.session_id")
        self._amounts = [column for column, need in AMOUNTS.items() if catalogue.needs(need)]
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
        """SQL of the `people` or `visits` of a snapshot's last 84 days, see `_recent`.

        A row is about one stretch; ages are counted back from the stretch's end, which is `days` before the snapshot.
        """
        parts = [
            f"SELECT *, {days} AS days FROM {self._table(what, day - timedelta(days=days))}"
            for days in range(0, RECENT, DAYS)
        ]
        return " UNION ALL ".join(parts)

    def events(self, day: datetime) -> str:
        """SQL of the usage of each account's last 84 days, see `scans.events`."""
        amounts = ("events", *self._amounts)
        weeks = " + ".join(f"COALESCE(s{i}.weeks + {DAYS // 7 * i} * s{i}.events, 0)" for i in range(3))
        columns = [
            *(column for amount in amounts for column in _windows(amount)),
            f"COALESCE({', '.join(f's{i}.newest + {DAYS * i}' for i in range(3))}) AS newest",
            f"COALESCE({', '.join(f's{i}.oldest + {DAYS * i}' for i in (2, 1, 0))}) AS oldest",
            f"{weeks} AS weeks",
            *(f"COALESCE(s{i}.day_bits, 0) AS day_bits_{i + 1}" for i in range(3)),
            "COALESCE(s0.kind_bits, 0) AS kind_bits_28",
            f"{' | '.join(f'COALESCE(s{i}.kind_bits, 0)' for i in range(3))} AS kind_bits_84",
        ]
        return self._beside("cells", day, columns)

    def kinds(self, day: datetime) -> str:
        """SQL of how often each account had each kind of event in its last 84 days, see `scans.kinds`."""
        return self._beside("kinds", day, [column for kind in range(self._kinds) for column in _unpacked(kind)])

    def _beside(self, what: str, day: datetime, columns: Sequence[str]) -> str:
        """SQL of a snapshot's accounts and of columns over their rows `s0`, `s1`, `s2` in its three last stretches."""
        tables = [self._table(what, day - timedelta(days=days)) for days in range(0, RECENT, DAYS)]
        joins = [f"LEFT JOIN {table} s{i} ON s{i}.account_id = w.account_id" for i, table in enumerate(tables)]
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
            self._engine.hold(name, self._kept(end) if what == "year" else self._recent(what, end))
            self._tables[what, end] = name
        return self._tables[what, end]

    def _recent(self, what: str, end: datetime) -> str:
        """What happened in a stretch, by account (`cells`, `kinds`), person or visit."""
        rows = self._raw(end - timedelta(days=DAYS), end)
        match what:
            case "kinds":
                packed = ", ".join(
                    f"MAX(CASE WHEN kind = {kind} THEN packed END) AS kind_{kind}" for kind in range(self._kinds)
                )
                return f"""SELECT account_id, {packed}
                           FROM (SELECT r.account_id, k.kind, COUNT(*) * 32 + 31 - MIN(r.age) AS packed
                                 FROM {rows} JOIN event_kinds k ON r.event = k.event
                                 WHERE k.kind IS NOT NULL GROUP BY r.account_id, k.kind) GROUP BY account_id"""
            case "people":
                return f"""SELECT account_id, user_id, MIN(age) AS age, COUNT(*) AS events
                           FROM {rows} WHERE user_id IS NOT NULL GROUP BY account_id, user_id"""
            case "visits":
                return self._visits(rows)
        amounts = [
            f"SUM(r.{amount}) AS {amount}, SUM(CASE WHEN r.age <= 7 THEN r.{amount} END) AS {amount}_7"
            for amount in self._amounts
        ]
        columns = [SEEN, "COUNT(*) AS events", "COUNT(CASE WHEN r.age <= 7 THEN 1 END) AS events_7", *amounts]
        return f"""SELECT r.account_id, {", ".join(columns)}, CAST(SUM((r.age - 1) // 7) AS INTEGER) AS weeks,
                          BIT_OR(COALESCE(k.kind_bits, 0)) AS kind_bits
                   FROM {rows} LEFT JOIN event_kinds k ON r.event = k.event GROUP BY r.account_id"""

    def _added_up(self, begin: datetime, end: datetime) -> str:
        """Usage in [begin, end), at most 28 days, one row an account; ages and bits are counted back from the end."""
        rows, is_whole = self._raw(begin, end), end - begin == timedelta(days=DAYS)
        nothing = "CAST(0 AS TINYINT) AS visits, CAST(NULL AS TINYINT) AS value_cents"
        if not self._has_sessions and is_whole and (cells := self._tables.get(("cells", end))):
            return f"SELECT account_id, events, {nothing}, newest, oldest, day_bits FROM {cells}"
        if not self._has_sessions:
            return f"SELECT r.account_id, COUNT(*) AS events, {nothing}, {SEEN} FROM {rows} GROUP BY r.account_id"
        visits = self._tables.get(("visits", end)) if is_whole else None
        return f"""
            SELECT r.account_id, CAST(SUM(r.events) AS BIGINT) AS events,
                   COUNT(CASE WHEN r.is_visit THEN 1 END) AS visits,
                   CAST(SUM(CASE WHEN r.is_visit THEN r.value_cents END) AS BIGINT) AS value_cents, {SEEN}
            FROM {visits or f"({self._visits(rows)})"} r GROUP BY r.account_id"""

    def _visits(self, rows: str) -> str:
        """SQL of the visits among raw rows, and a row a day for what belongs to none."""
        money = "SUM(r.value_cents)" if "value_cents" in self._amounts else "NULL"
        return f"""SELECT r.account_id, r.session_id IS NOT NULL AS is_visit, r.age, COUNT(*) AS events,
                          CAST({money} AS BIGINT) AS value_cents
                   FROM {rows} GROUP BY r.account_id, r.session_id, r.age"""

    def _raw(self, begin: datetime, end: datetime) -> str:
        """Usage rows `r` in [begin, end) with their `age`, counted back from the end."""
        first, last = self._engine.moment(begin), self._engine.moment(end)
        age = self._engine.days_between('u."at"', last)
        return f"""(SELECT *, CAST({age} AS INTEGER) AS age FROM "usage" u
                    WHERE u."at" >= {first} AND u."at" < {last}) r"""


SEEN = """CAST(MIN(r.age) AS TINYINT) AS newest, CAST(MAX(r.age) AS TINYINT) AS oldest,
          BIT_OR(CAST(1 AS INTEGER) << (r.age - 1)) AS day_bits"""
"""SQL of when something happened in a stretch, in types that hold no more than 28 days: many of them are in memory."""


def _windows(amount: str) -> list[str]:
    """SQL of an amount in the four windows of `scans.WINDOWS`, from that of each stretch, newest stretch first."""
    parts = [f"COALESCE(s{i}.{amount}, 0)" for i in range(3)]
    return [
        f"COALESCE(s0.{amount}_7, 0) AS {amount}_7",
        f"{parts[0]} AS {amount}_28",
        f"{parts[1]} AS {amount}_29_56",
        f"{' + '.join(parts)} AS {amount}_84",
    ]


def _unpacked(kind: int) -> list[str]:
    """SQL of the columns about a kind of event, from how its events of each stretch are packed, newest stretch first.

    A number packs how many there are and 31 less the age of the newest: the latter in its last five bits.
    """
    packed = [f"s{i}.kind_{kind}" for i in range(3)]
    events = [f"COALESCE({number} >> 5, 0)" for number in packed]
    newest = [f"{31 + DAYS * i} - ({number} & 31)" for i, number in enumerate(packed)]
    return [
        f"{events[0]} AS kind_{kind}_28",
        f"{events[1]} AS kind_{kind}_29_56",
        f"{' + '.join(events)} AS kind_{kind}_84",
        f"COALESCE({', '.join(newest)}) AS kind_{kind}_newest",
    ]


def _moved(days: int) -> str:
    """SQL of the days from a stretch's end to the snapshot, and of the factors that move its bits on by them.

    One moves them by the days within a week, the other the bits of weeks by whole weeks.
    """
    return ", ".join(
        f"CAST({value} AS BIGINT) AS {name}"
        for name, value in (("days", days), ("days_on", 1 << days % 7), ("weeks_on", 1 << days // 7))
    )
