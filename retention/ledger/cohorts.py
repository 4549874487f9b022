"""Cohorts: what became of customers who began, or did something again, in the same month (systems R21, L10)."""

from collections import defaultdict
from datetime import datetime

import numpy as np

from retention.blocks import Block, Chart, Column, Value, rows
from retention.figures import UNKNOWN, Figure, difference, share
from retention.inputs import Inputs
from retention.ledger.periods import Ledger, Texts

SHOWN = (1, 3, 6, 12, 18, 24)
LATER = 3
"""Customers who did it again are compared with the others so many months later."""
FIRST = "SELECT account_id, began_at AS at_moment FROM customer_spans WHERE nth = 1"


def by_start(ledger: Ledger) -> Block:
    """Kept customers of each acquisition month, after 1 to 24 months (systems R21)."""
    return _table(
        ledger,
        FIRST,
        id_="cohorts",
        title="Cohorts by month of acquisition",
        systems=("R21", "R1"),
        says="Customers who began in the month, and the share who are customers so many months after their own "
        "beginning (one who left and came back counts while back). Told when all of the cohort have had the time.",
    )


def by_repeat(ledger: Ledger) -> Block:
    """The same from the second order, or term, on (systems L10)."""
    what = repeat_name(ledger.inputs)
    return _table(
        ledger,
        f"SELECT account_id, at_moment FROM ({actions(ledger.inputs)}) WHERE action_nth = 2",
        id_="repeat_cohorts",
        title=f"Cohorts by month of the {what}",
        systems=("L10",),
        says=f"Customers whose {what} fell in the month, and the share who are customers so many months after it.",
    )


def curves(ledger: Ledger) -> Block:
    """Customers and revenue kept, month by month, by quarter of acquisition (systems R21)."""
    counts: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    for month, after, n, kept in ledger.inputs.rows(_kept(ledger, FIRST, tuple(range(25)))):
        one = counts[_quarter(month), int(str(after))]
        one[0], one[1] = one[0] + int(str(n)), one[1] + int(str(kept))
    sizes = {name: n for (name, after), (n, _) in counts.items() if after == 0}
    money, fewest = _money(ledger), ledger.inputs.house.programme.fewest
    told = [
        (name, after, n, share(kept, n, fewest=fewest), money.get((name, after)))
        for (name, after), (n, kept) in sorted(counts.items())
        if n == sizes[name]
    ]
    return Block(
        id="cohort_curves",
        title="Retention curves by quarter of acquisition",
        systems=("R21",),
        says="Customers kept so many months after each one's beginning; revenue kept is what they pay at the end of "
        "the month against what they paid at the end of the month they began in. Told when all of a quarter had the "
        "time.",
        columns=(
            Column("cohort", "Began in"),
            Column("months", "Months after", "count"),
            Column("customers", "Customers", "count"),
            Column("kept", "Kept", "share", has_interval=True),
            Column("revenue_kept", "Revenue kept", "share"),
        ),
        rows=rows(told),
        chart=Chart("line", "months", ("kept",), by="cohort"),
    )


def repeat(ledger: Ledger) -> Block | None:
    """Whether those who did it again early stay more often than those who did not; None where all did (systems L10)."""
    what, fewest, cells = repeat_name(ledger.inputs), ledger.inputs.house.programme.fewest, {}
    for again, n, kept in ledger.inputs.rows(_again(ledger)):
        cells[bool(again)] = share(int(str(kept)), int(str(n)), fewest=fewest)
    did, not_ = cells.get(True, UNKNOWN), cells.get(False, UNKNOWN)
    if did.value is None or not_.value is None:
        return None
    told: list[tuple[Value, ...]] = [
        (f"{what} within {LATER} months", did.n, did),
        ("none by then", not_.n, not_),
        ("difference", None, difference(did, not_)),
    ]
    return Block(
        id="repeat",
        title=f"Does a {what} mark those who stay?",
        systems=("L10", "L12"),
        says=f"Customers who began in the data and were customers {LATER} months on, by whether they had a {what} "
        f"by then; kept: still customers {LATER} months after that. A mark, not a cause.",
        columns=(
            Column("group", "Group"),
            Column("customers", "Customers", "count"),
            Column("kept", "Kept", "share", has_interval=True),
        ),
        rows=rows(told),
    )


def repeat_name(inputs: Inputs) -> str:
    """What doing it again is, in words."""
    return "second term" if inputs.settings.churn.kind == "contract" else "second order"


def actions(inputs: Inputs) -> str:
    """SQL of the first two orders (visits), or terms, of every account: account_id, at_moment, action_nth."""
    if inputs.settings.churn.kind == "contract" or not inputs.has("usage"):
        source = "SELECT DISTINCT account_id, started_at AS at_moment FROM known_subscriptions"
    else:
        visit = "session_id" if inputs.has("usage", "session_id") else "CAST(r.at AS DATE)"
        source = f"SELECT account_id, MIN(r.at) AS at_moment FROM known_usage r GROUP BY account_id, {visit}"
    return f"""SELECT *, ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY at_moment) AS action_nth FROM ({source})
               QUALIFY action_nth <= 2"""


def repeated(inputs: Inputs, until: datetime) -> Texts:
    """The accounts that had done it twice before a moment."""
    found = inputs.rows(
        f"SELECT account_id FROM ({actions(inputs)}) WHERE action_nth = 2 AND at_moment < {inputs.engine.moment(until)}"
    )
    return np.array([str(account) for (account,) in found], dtype=np.str_)


def _table(ledger: Ledger, starts: str, *, id_: str, title: str, systems: tuple[str, ...], says: str) -> Block:
    fewest, cells, sizes = ledger.inputs.house.programme.fewest, {}, {}
    for month, after, n, kept in ledger.inputs.rows(_kept(ledger, starts, (0, *SHOWN))):
        sizes[month] = int(str(n))
        cells[month, int(str(after))] = share(int(str(kept)), int(str(n)), fewest=fewest)
    known = [after for after in SHOWN if any((month, after) in cells for month in sizes)]
    return Block(
        id=id_,
        title=title,
        systems=systems,
        says=says,
        columns=(
            Column("month", "Month", "month"),
            Column("customers", "Customers", "count"),
            *(Column(f"after_{after}", f"After {after} months", "share", has_interval=True) for after in known),
        ),
        rows=rows(
            (month, sizes[month], *(cells.get((month, after), Figure(None, sizes[month])) for after in known))
            for month in sorted(sizes, key=str)
        ),
        chart=Chart("line", "month", tuple(f"after_{after}" for after in known[:3])) if known else None,
    )


def _kept(ledger: Ledger, starts: str, after: tuple[int, ...]) -> str:
    """Cohort month, months after, customers, and those of them who are customers then; only where all had the time."""
    first, last = ledger.months[0], ledger.inputs.engine.moment(ledger.year.until_at)
    then = "f.at_moment + INTERVAL (n.after) MONTH"
    return f"""
        SELECT CAST(DATE_TRUNC('month', f.at_moment) AS DATE) AS month, n.after, COUNT(DISTINCT f.account_id),
               COUNT(DISTINCT s.account_id)
        FROM ({starts}) f JOIN (SELECT UNNEST({list(after)}) AS after) n
             ON DATE_TRUNC('month', f.at_moment) + INTERVAL (n.after + 1) MONTH <= {last}
        LEFT JOIN customer_spans s ON s.account_id = f.account_id AND s.began_at <= {then}
             AND (s.ended_at IS NULL OR s.ended_at > {then})
        WHERE f.at_moment >= TIMESTAMP '{first} 00:00:00' AND f.at_moment < {last}
        GROUP BY 1, 2 ORDER BY 1, 2"""


def _money(ledger: Ledger) -> dict[tuple[str, int], float | None]:
    """Revenue of a quarter's customers so many months after the month they began in, over that of that month's end."""
    found = ledger.inputs.rows(
        f"""SELECT f.month, DATEDIFF('month', f.month, b.month) AS after, SUM(b.cents)
            FROM (SELECT account_id, CAST(DATE_TRUNC('month', at_moment) AS DATE) AS month FROM ({FIRST})) f
            JOIN balances b ON b.account_id = f.account_id AND b.month >= f.month
            WHERE f.month >= DATE '{ledger.months[0]}' GROUP BY 1, 2 ORDER BY 1, 2"""
    )
    sums: dict[tuple[str, int], float] = defaultdict(float)
    for month, after, cents in found:
        sums[_quarter(month), int(str(after))] += float("nan") if cents is None else float(str(cents))
    told: dict[tuple[str, int], float | None] = {}
    for (name, after), cents in sums.items():
        first = sums[name, 0]
        told[name, after] = cents / first if first > 0 else None
    return told


def _again(ledger: Ledger) -> str:
    """Per group (did it again or not): customers that many months on, and those kept for as long again."""
    first, last = ledger.months[0], ledger.inputs.engine.moment(ledger.year.until_at)
    middle, later = (f"f.at_moment + INTERVAL {months} MONTH" for months in (LATER, 2 * LATER))
    runs = "{s}.account_id = f.account_id AND {s}.began_at <= {at} AND ({s}.ended_at IS NULL OR {s}.ended_at > {at})"
    return f"""
        SELECT a.at_moment IS NOT NULL AND a.at_moment <= {middle} AS again, COUNT(DISTINCT f.account_id),
               COUNT(DISTINCT k.account_id)
        FROM ({FIRST}) f
        JOIN customer_spans s ON {runs.format(s="s", at=middle)}
        LEFT JOIN customer_spans k ON {runs.format(s="k", at=later)}
        LEFT JOIN (SELECT * FROM ({actions(ledger.inputs)}) WHERE action_nth = 2) a ON a.account_id = f.account_id
        WHERE f.at_moment >= TIMESTAMP '{first} 00:00:00' AND {later} <= {last} GROUP BY 1"""


def _quarter(month: object) -> str:
    year, number = str(month)[:4], int(str(month)[5:7])
    return f"{year}-Q{(number + 2) // 3}"
