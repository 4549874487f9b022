"""What the rows of a stretch of usage are added up to, and how a snapshot reads its three last stretches. DuckDB only.

Ages and bits of days are counted back from the stretch's end. Types hold no more than 28 days: many stretches are in
memory at once.
"""

from dataclasses import dataclass

from features.catalogue import Catalogue

DAYS = 28
"""Days of a stretch."""
NEAR = ("s0", "s1", "s2")
"""A snapshot's three last stretches, the newest first."""
AMOUNTS = {"quantity": "usage.quantity", "value_cents": "usage.value"}
"""What an event can amount to, and the mapped column that it takes."""
DAY_BITS = "BIT_OR(CAST(1 AS INTEGER) << (r.age - 1)) AS day_bits"
"""SQL of when something happened, see `features.bits`."""


@dataclass(frozen=True)
class Sums:
    """What a catalogue wants of usage: its amounts, the number of kinds of event with features, whether it has visits.

    `rows` are always SQL of raw rows `r` with their `age`, of one stretch.
    """

    amounts: tuple[str, ...]
    kinds: int
    has_visits: bool

    @staticmethod
    def of(catalogue: Catalogue) -> "Sums":
        """What this catalogue's features are made of."""
        amounts = tuple(column for column, need in AMOUNTS.items() if catalogue.needs(need))
        return Sums(amounts, len(catalogue.vocabulary.event_names), catalogue.needs("usage.session_id"))

    def by_account(self, rows: str) -> str:
        """SQL of a row an account: how much, on which days, of which kinds."""
        columns = [DAY_BITS, "COUNT(*) AS events", "COUNT(CASE WHEN r.age <= 7 THEN 1 END) AS events_7"]
        for amount in self.amounts:
            last_7 = f"SUM(CASE WHEN r.age <= 7 THEN r.{amount} END)"
            columns += [f"SUM(r.{amount}) AS {amount}", f"{last_7} AS {amount}_7"]
        return f"""SELECT r.account_id, {", ".join(columns)}, CAST(SUM((r.age - 1) // 7) AS INTEGER) AS weeks,
                          BIT_OR(COALESCE(k.kind_bits, 0)) AS kind_bits
                   FROM {rows} LEFT JOIN event_kinds k ON r.event = k.event GROUP BY r.account_id"""

    def by_kind(self, rows: str) -> str:
        """SQL of a row an account, with a column a kind: the number of its events, and in the last five bits 31 - age.

        The age is that of the newest.
        """
        packed = ", ".join(f"MAX(CASE WHEN kind = {kind} THEN packed END) AS kind_{kind}" for kind in range(self.kinds))
        return f"""SELECT account_id, {packed}
                   FROM (SELECT r.account_id, k.kind, COUNT(*) * 32 + 31 - MIN(r.age) AS packed
                         FROM {rows} JOIN event_kinds k ON r.event = k.event
                         WHERE k.kind IS NOT NULL GROUP BY r.account_id, k.kind) GROUP BY account_id"""

    def by_person(self, rows: str) -> str:
        """SQL of a row a person: the age of their newest event, and their events."""
        return f"""SELECT account_id, user_id, MIN(age) AS age, COUNT(*) AS events
                   FROM {rows} WHERE user_id IS NOT NULL GROUP BY account_id, user_id"""

    def by_visit(self, rows: str) -> str:
        """SQL of a row a visit, and a row a day for what belongs to none."""
        money = "SUM(r.value_cents)" if "value_cents" in self.amounts else "NULL"
        return f"""SELECT r.account_id, r.session_id IS NOT NULL AS is_visit, r.age, COUNT(*) AS events,
                          CAST({money} AS BIGINT) AS value_cents
                   FROM {rows} GROUP BY r.account_id, r.session_id, r.age"""

    def for_year(self, rows: str, visits: str | None = None) -> str:
        """SQL of a row an account with what the year needs, from a table `by_visit` if there is any."""
        if not self.has_visits:
            return f"SELECT r.account_id, COUNT(*) AS events, {DAY_BITS} FROM {rows} GROUP BY r.account_id"
        return f"""
            SELECT r.account_id, CAST(SUM(r.events) AS BIGINT) AS events,
                   COUNT(CASE WHEN r.is_visit THEN 1 END) AS visits,
                   CAST(SUM(CASE WHEN r.is_visit THEN r.value_cents END) AS BIGINT) AS value_cents, {DAY_BITS}
            FROM {visits or f"({self.by_visit(rows)})"} r GROUP BY r.account_id"""

    def near_events(self) -> list[str]:
        """SQL of the columns of `scans.events`, from what `by_account` gave for the three last stretches."""
        weeks = (f"COALESCE({s}_weeks + {DAYS // 7 * i} * {s}_events, 0)" for i, s in enumerate(NEAR))
        newest = [f"{s}_newest + {DAYS * i}" for i, s in enumerate(NEAR)]
        oldest = [f"{s}_oldest + {DAYS * i}" for i, s in enumerate(NEAR)]
        kinds = [f"COALESCE({s}_kind_bits, 0)" for s in NEAR]
        return [
            *(column for amount in ("events", *self.amounts) for column in _windows(amount)),
            f"COALESCE({', '.join(newest)}) AS newest",
            f"COALESCE({', '.join(reversed(oldest))}) AS oldest",
            f"{' + '.join(weeks)} AS weeks",
            *(f"COALESCE({s}_day_bits, 0) AS day_bits_{i + 1}" for i, s in enumerate(NEAR)),
            f"{kinds[0]} AS kind_bits_28",
            f"{' | '.join(kinds)} AS kind_bits_84",
        ]

    def near_kinds(self) -> list[str]:
        """SQL of the columns of `scans.kinds`, from what `by_kind` gave for the three last stretches."""
        return [column for kind in range(self.kinds) for column in _unpacked(kind)]


def _windows(amount: str) -> list[str]:
    """SQL of an amount in each of `scans.usage.WINDOWS`."""
    parts = [f"COALESCE({s}_{amount}, 0)" for s in NEAR]
    return [
        f"COALESCE({NEAR[0]}_{amount}_7, 0) AS {amount}_7",
        f"{parts[0]} AS {amount}_28",
        f"{parts[1]} AS {amount}_29_56",
        f"{' + '.join(parts)} AS {amount}_84",
    ]


def _unpacked(kind: int) -> list[str]:
    """SQL of the columns about a kind of event, see `Sums.by_kind`."""
    packed = [f"{s}_kind_{kind}" for s in NEAR]
    events = [f"COALESCE({number} >> 5, 0)" for number in packed]
    newest = [f"{31 + DAYS * i} - ({number} & 31)" for i, number in enumerate(packed)]
    return [
        f"{events[0]} AS kind_{kind}_28",
        f"{events[1]} AS kind_{kind}_29_56",
        f"{' + '.join(events)} AS kind_{kind}_84",
        f"COALESCE({', '.join(newest)}) AS kind_{kind}_newest",
    ]
