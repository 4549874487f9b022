"""Churn and money month by month, by segment and by reason, each against the year before (systems R1)."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from retention.blocks import Block, Chart, Column, Value, rows
from retention.figures import UNKNOWN, Figure, difference, ratio, share
from retention.ledger.periods import MONEY, NO_SEGMENT, YEAR, Ledger, Period, compared, shifted

NO_REASON = "(none told)"


@dataclass
class Month:
    """Customers and money of a month: `customers` at its beginning, `lost` of them, `ended` all losses.

    `moved` holds begin, loss (churn and contraction) and the other parts of every account with money.
    """

    customers: int = 0
    lost: int = 0
    ended: int = 0
    won: int = 0
    back: int = 0
    begins: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    sums: dict[str, float | None] = field(default_factory=dict)

    def churn(self, fewest: int) -> Figure:
        """Logo churn of the month."""
        return share(self.lost, self.customers, fewest=fewest)

    def revenue_churn(self, fewest: int) -> Figure:
        """Revenue churn of the month; not known where money is not."""
        begin = np.array(self.begins)
        if len(begin) < fewest or np.isnan(begin).any():
            return UNKNOWN
        return ratio(np.array(self.losses), begin)


def months(ledger: Ledger) -> dict[str | None, dict[date, Month]]:
    """Every closed month by segment; None is the whole book."""
    found: dict[str | None, dict[date, Month]] = defaultdict(lambda: defaultdict(Month))
    first, last = ledger.months[0], ledger.months[-1]
    for segment, month, customers, lost, ended, won, back in ledger.inputs.rows(_logos(first, last)):
        for one in (found[None][month], found[segment][month]):  # type: ignore[index]
            one.customers, one.lost = one.customers + int(str(customers)), one.lost + int(str(lost))
            one.ended, one.won, one.back = (
                one.ended + int(str(ended)),
                one.won + int(str(won)),
                one.back + int(str(back)),
            )
    query = f"""SELECT COALESCE(a.segment, '{NO_SEGMENT}') AS segment, m.month, begin_cents / 100.0 AS begins,
                       (churn_cents + contraction_cents) / 100.0 AS losses
                FROM movements m LEFT JOIN known_accounts a ON a.account_id = m.account_id
                WHERE m.month >= DATE '{first}' AND m.month <= DATE '{last}' AND begin_cents IS DISTINCT FROM 0
                ORDER BY m.month, m.account_id"""
    for row in ledger.inputs.engine.query(query).to_pylist():
        for one in (found[None][row["month"]], found[row["segment"]][row["month"]]):
            one.begins.append(np.nan if row["begins"] is None else float(row["begins"]))
            one.losses.append(np.nan if row["losses"] is None else float(row["losses"]))
    return found


def churn(ledger: Ledger, found: dict[str | None, dict[date, Month]]) -> Block:
    """Logo and revenue churn a month, and against the same month a year before."""
    whole = found[None]
    told = [(month, one.customers, one.won, one.back, one.ended, *_rates(ledger, whole, month))
            for month, one in _in_order(ledger, whole)]  # fmt: skip
    return Block(
        id="churn_by_month",
        title="Churn by month",
        systems=("R1", "R2", "R3"),
        says="Customers at the month's beginning, those won for the first time, won back and lost within it. Churn "
        "counts losses of the customers of the beginning. On the year: against the same month a year before.",
        columns=(
            Column("month", "Month", "month"),
            Column("customers", "Customers", "count"),
            Column("won", "Won", "count"),
            Column("won_back", "Won back", "count"),
            Column("lost", "Lost", "count"),
            *_RATES,
        ),
        rows=rows(told),
        chart=Chart("line", "month", ("churn", "revenue_churn")),
    )


def by_segment(ledger: Ledger, found: dict[str | None, dict[date, Month]]) -> Block | None:
    """The same by segment; None where there is one segment alone."""
    names = sorted(name for name in found if name is not None)
    if len(names) < 2:
        return None
    told = [
        (month, name, found[name][month].customers, found[name][month].ended, *_rates(ledger, found[name], month))
        for month in ledger.months
        for name in names
    ]
    return Block(
        id="churn_by_segment_month",
        title="Churn by segment and month",
        systems=("R1",),
        says="As above, by the segment that the account has now. The segments' customers and losses add up to the "
        "book's.",
        columns=(
            Column("month", "Month", "month"),
            Column("segment", "Segment"),
            Column("customers", "Customers", "count"),
            Column("lost", "Lost", "count"),
            *_RATES,
        ),
        rows=rows(told),
        chart=Chart("line", "month", ("churn",), by="segment"),
    )


def money(ledger: Ledger) -> Block:
    """Recurring revenue month by month; every row adds up."""
    sums = ", ".join(f"SUM({name}_cents) / 100.0" for name in MONEY)
    found = ledger.inputs.rows(
        f"""SELECT month, {sums} FROM movements WHERE month >= DATE '{ledger.months[0]}'
            GROUP BY month ORDER BY month"""
    )
    what = "Recurring revenue a month" if ledger.money == "terms" else "Money of the month's orders"
    return Block(
        id="money",
        title=what,
        systems=("R1", "X22"),
        says="Begin + new + won back + expansion - contraction - churn = end, to the cent. Won back: customers lost "
        "before. A customer held who pays less contracts; one who left takes all of it along.",
        columns=(
            Column("month", "Month", "month"),
            *(Column(name, title, "money") for name, title in zip(MONEY, _PARTS, strict=True)),
        ),
        rows=rows((month, *(float(str(value)) for value in parts)) for month, *parts in found),
        chart=Chart("stacked", "month", MONEY[1:-1]),
    )


def by_reason(ledger: Ledger) -> Block:
    """Losses by the reason told, of the last year and the year before."""
    now, before = _reasons(ledger, ledger.year), _reasons(ledger, ledger.before) if ledger.before else {}
    fewest = ledger.inputs.house.programme.fewest
    n, n_before = sum(one[0] for one in now.values()), sum(one[0] for one in before.values())
    told: list[tuple[Value, ...]] = []
    for reason in sorted({*now, *before}, key=lambda name: (-now.get(name, (0,))[0], name)):
        (lost, cents), (lost_before, _) = now.get(reason, (0, 0)), before.get(reason, (0, 0))
        part, part_before = share(lost, n, fewest=fewest), share(lost_before, n_before, fewest=fewest)
        earlier: tuple[Value, ...] = (lost_before, *compared(ledger, part, part_before)) if ledger.before else ()
        told.append((reason, lost, part, None if cents is None else cents / 100, *earlier))
    return Block(
        id="churn_by_reason",
        title="Churn by reason",
        systems=("R1",),
        says=f"All losses of {ledger.times} by the reason that was told, and their share of the losses. Lost a month: "
        "what they had paid a month before they left.",
        columns=(
            Column("reason", "Reason"),
            Column("lost", "Lost", "count"),
            Column("share", "Of all losses", "share", has_interval=True),
            Column("money", "Lost a month", "money"),
            *((Column("lost_before", "Lost the year before", "count"), *ledger.beside) if ledger.before else ()),
        ),
        rows=rows(told),
        chart=Chart("bar", "reason", ("lost", "lost_before") if ledger.before else ("lost",)),
    )


def reasons_by_month(ledger: Ledger) -> Block:
    """Losses by reason a month, and against a year before."""
    found = ledger.inputs.rows(
        f"""SELECT CAST(DATE_TRUNC('month', e.at) AS DATE), COALESCE(e.reason, '{NO_REASON}'), COUNT(*)
            FROM churn_events e GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"""
    )
    counts = {(month, reason): int(str(n)) for month, reason, n in found}
    first = ledger.months[0]
    told = []
    for (month, reason), n in counts.items():
        if not isinstance(month, date) or not first <= month <= ledger.months[-1]:
            continue
        ago = shifted(month, -YEAR)
        before = counts.get((ago, reason), 0) if ago >= first else None
        told.append((month, str(reason), n, before, None if before is None else n - before))
    return Block(
        id="reasons_by_month",
        title="Losses by reason and month",
        systems=("R1",),
        says="Losses counted by month and reason told, and those of the same month a year before.",
        columns=(
            Column("month", "Month", "month"),
            Column("reason", "Reason"),
            Column("lost", "Lost", "count"),
            Column("before", "A year before", "count"),
            Column("change", "Change", "count"),
        ),
        rows=rows(told),
        chart=Chart("stacked", "month", ("lost",), by="reason"),
    )


_PARTS = ("Begin", "New", "Won back", "Expansion", "Contraction", "Churn", "End")
_RATES = (
    Column("churn", "Churn", "share", has_interval=True),
    Column("change", "On the year", "share", has_interval=True),
    Column("revenue_churn", "Revenue churn", "share", has_interval=True),
    Column("revenue_change", "On the year", "share", has_interval=True),
)


def _rates(ledger: Ledger, found: dict[date, Month], month: date) -> tuple[Value, ...]:
    fewest, ago = ledger.inputs.house.programme.fewest, shifted(month, -YEAR)
    now, before = found[month], found[ago] if ago in found else Month()
    lost, paid = now.churn(fewest), now.revenue_churn(fewest)
    return lost, difference(lost, before.churn(fewest)), paid, difference(paid, before.revenue_churn(fewest))


def _in_order(ledger: Ledger, found: dict[date, Month]) -> list[tuple[date, Month]]:
    return [(month, found[month]) for month in ledger.months]


def _logos(first: date, last: date) -> str:
    """Customers at a month's beginning, those of them lost in it, all lost in it, begun for the first time, back."""
    start, end = "n.month", "n.month + INTERVAL 1 MONTH"
    at_start = f"s.began_at < {start} AND (s.ended_at IS NULL OR s.ended_at >= {start})"
    return f"""
        SELECT COALESCE(a.segment, '{NO_SEGMENT}') AS segment, CAST(n.month AS DATE) AS month,
               COUNT(CASE WHEN {at_start} THEN 1 END), COUNT(CASE WHEN {at_start} AND s.ended_at < {end} THEN 1 END),
               COUNT(CASE WHEN s.ended_at >= {start} AND s.ended_at < {end} THEN 1 END),
               COUNT(CASE WHEN s.began_at >= {start} AND s.nth = 1 THEN 1 END),
               COUNT(CASE WHEN s.began_at >= {start} AND s.nth > 1 THEN 1 END)
        FROM months n JOIN customer_spans s ON s.began_at < {end} AND (s.ended_at IS NULL OR s.ended_at >= {start})
        LEFT JOIN known_accounts a ON a.account_id = s.account_id
        WHERE n.month >= DATE '{first}' AND n.month <= DATE '{last}' GROUP BY 1, 2"""


def _reasons(ledger: Ledger, period: Period) -> dict[str, tuple[int, int | None]]:
    at, until = ledger.inputs.engine.moment(period.from_at), ledger.inputs.engine.moment(period.until_at)
    found = ledger.inputs.rows(
        f"""SELECT COALESCE(e.reason, '{NO_REASON}'), COUNT(*), SUM(e.monthly_cents) FROM churn_events e
            WHERE e.at >= {at} AND e.at < {until} GROUP BY 1"""
    )
    return {str(reason): (int(str(n)), None if cents is None else int(str(cents))) for reason, n, cents in found}
