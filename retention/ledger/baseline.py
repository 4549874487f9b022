"""Where the company stands: retention, churn and lifetime value by segment and cohort, and where customers drop off."""

from collections.abc import Iterable

import numpy as np

from retention.blocks import Block, Chart, Column, Value, rows
from retention.figures import Figure, median, share
from retention.inputs import Inputs
from retention.ledger import rates
from retention.ledger.cohorts import repeated
from retention.ledger.periods import Accounts, Ledger, Period

MONTHS_SHOWN = 24
FEWEST_AT_RISK = 30
"""The drop-off point is looked for in months of tenure that so many customers were watched through."""
DAYS = {"up to 90 days": (0, 90), "91 to 365 days": (90, 365), "longer": (365, np.inf)}

VALUE = (
    Column("customers", "Customers", "count"),
    Column("retention", "Retention", "share", has_interval=True),
    Column("churn", "Churn", "share", has_interval=True),
    Column("monthly_churn", "Churn a month", "share", has_interval=True),
    Column("repeat_rate", "Bought again", "share", has_interval=True),
    Column("paid", "Paid a month", "money"),
    Column("ltv", "Lifetime value", "money", has_interval=True),
)


def by_segment(ledger: Ledger) -> Block:
    """Retention, churn and lifetime value, whole and by segment, the fastest churn first (systems M3, L11-L14)."""
    segments = sorted(ledger.accounts.by_segment().items(), key=lambda one: -(rates.logo_churn(one[1]).value or 0.0))
    groups = [("all", ledger.accounts), *(segments if len(segments) > 1 else ())]
    margin = ledger.inputs.house.money.gross_margin
    return Block(
        id="baseline",
        title="Baseline: retention, churn and lifetime value",
        systems=("M3", "L11", "L12", "L13", "L14", "R1"),
        says=f"Over {ledger.times}, the segment that churns fastest first. Customers: those of the beginning. Bought "
        "again: of all customers of the time, those with a second order or term by its end. Lifetime value is what a "
        f"customer pays a month x {margin:.0%} gross margin / churn a month.",
        columns=(Column("segment", "Segment"), *VALUE),
        rows=rows((name, *_value(ledger, found)) for name, found in groups),
        chart=Chart("bar", "segment", ("churn",)),
    )


def by_cohort(ledger: Ledger) -> Block:
    """The same by the half-year in which customers began (systems L11-L14)."""
    month = ledger.accounts.began_at.astype("datetime64[M]").astype(int)
    names = np.array([f"{1970 + m // 12}-H{1 + m % 12 // 6}" for m in month.tolist()], dtype=np.str_)
    cohorts = ((str(name), ledger.accounts.only(names == name)) for name in sorted(set(names.tolist())))
    return Block(
        id="value_by_cohort",
        title="Retention and lifetime value by cohort",
        systems=("L11", "L12", "L13", "L14"),
        says=f"The same over {ledger.times}, by the half-year in which customers began; those who began within the "
        "time count for what is told a month alone.",
        columns=(Column("cohort", "Began in"), *VALUE),
        rows=rows((name, *_value(ledger, found)) for name, found in cohorts),
    )


def repeat_rate(inputs: Inputs, found: Accounts, period: Period) -> Figure:
    """Customers with a second order or term by the period's end / customers of the period (systems L12)."""
    again = int(np.isin(found.account_id, repeated(inputs, period.until_at)).sum())
    return share(again, len(found.account_id), fewest=inputs.house.programme.fewest)


def _value(ledger: Ledger, found: Accounts) -> tuple[Value, ...]:
    house = ledger.inputs.house
    fewest = house.programme.fewest
    return (
        int(found.customer.sum()),
        rates.retention_rate(found, fewest),
        rates.logo_churn(found, fewest),
        rates.monthly_churn(found, fewest),
        repeat_rate(ledger.inputs, found, ledger.year),
        rates.paid_a_month(found),
        rates.ltv(found, house.money.gross_margin, fewest),
    )


def drop_off(ledger: Ledger) -> Block:
    """Losses by month of tenure, and the month in which most of those who reached it leave (systems M3)."""
    fewest, told = ledger.inputs.house.programme.fewest, []
    for month, watched, lost in ledger.inputs.rows(_by_tenure(ledger)):
        told.append((int(str(month)), int(str(watched)), share(int(str(lost)), int(str(watched)), fewest=fewest)))
    judged = [one for one in told if one[1] >= FEWEST_AT_RISK and one[2].value is not None]
    worst = max(judged, key=lambda one: one[2].value or 0.0)[0] if judged else None
    return Block(
        id="drop_off",
        title="Where customers drop off",
        systems=("M3",),
        says="Customers watched through a month of their first stint (1 is the first), and the share lost in it, over "
        "all the data. The drop-off point is the month with the highest share, of those with at least "
        f"{FEWEST_AT_RISK} customers.",
        columns=(
            Column("tenure_month", "Month of tenure", "count"),
            Column("customers", "Watched", "count"),
            Column("churn", "Lost in it", "share", has_interval=True),
            Column("is_drop_off", "Drop-off point", "flag"),
        ),
        rows=rows((month, n, lost, month == worst) for month, n, lost in told),
        chart=Chart("bar", "tenure_month", ("churn",)),
    )


def tenure(ledger: Ledger) -> Block:
    """How long customers had been customers when they were lost (systems R14)."""
    periods = [(ledger.times, ledger.year), *([("the year before", ledger.before)] if ledger.before else [])]
    return Block(
        id="tenure",
        title="Tenure at churn",
        systems=("R14",),
        says="Days from the account's beginning to its loss; of one who had come back, from the return. It should "
        "lengthen; a company that grows young accounts sees it shorten without any being worse off.",
        columns=(
            Column("time", "Lost in"),
            Column("lost", "Lost", "count"),
            Column("median", "Median tenure", "days", has_interval=True),
            *(Column(f"within_{i}", name.capitalize(), "share", has_interval=True) for i, name in enumerate(DAYS)),
        ),
        rows=rows((name, *_tenures(ledger, period)) for name, period in periods),
    )


def _tenures(ledger: Ledger, period: Period) -> Iterable[Value]:
    at, until = ledger.inputs.engine.moment(period.from_at), ledger.inputs.engine.moment(period.until_at)
    found = ledger.inputs.rows(
        f"""SELECT DATEDIFF('day', s.began_at, s.ended_at) FROM ({_TENURES}) s
            WHERE s.ended_at >= {at} AND s.ended_at < {until} ORDER BY 1"""
    )
    days = np.array([float(str(value)) for (value,) in found])
    within = [int(((days > low) & (days <= high)).sum()) for low, high in list(DAYS.values())[1:]]
    counts = [len(days) - sum(within), *within]
    fewest = ledger.inputs.house.programme.fewest
    middle = median(days) if len(days) >= fewest else Figure(None, len(days))
    return (len(days), middle, *(share(n, len(days), fewest=fewest) for n in counts))


_TENURES = """SELECT s.account_id, s.nth, s.ended_at,
                     CASE WHEN s.nth = 1 THEN LEAST(s.began_at, COALESCE(a.started_at, s.began_at))
                          ELSE s.began_at END AS began_at
              FROM customer_spans s LEFT JOIN known_accounts a ON a.account_id = s.account_id"""


def _by_tenure(ledger: Ledger) -> str:
    """Months of tenure (n - 1, n] that lie wholly in the closed months: customers at their start, lost by their end."""
    first, last = f"TIMESTAMP '{ledger.months[0]} 00:00:00'", ledger.inputs.engine.moment(ledger.year.until_at)
    start, end = "s.began_at + INTERVAL (n.month - 1) MONTH", "s.began_at + INTERVAL (n.month) MONTH"
    return f"""
        SELECT n.month, COUNT(*), COUNT(CASE WHEN s.ended_at <= {end} THEN 1 END)
        FROM (SELECT UNNEST(RANGE(1, {MONTHS_SHOWN + 1})) AS month) n
        JOIN ({_TENURES}) s ON s.nth = 1 AND {start} >= {first} AND {end} <= {last}
             AND (s.ended_at IS NULL OR s.ended_at > {start})
        GROUP BY n.month ORDER BY n.month"""
