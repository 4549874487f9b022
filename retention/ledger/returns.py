"""Customers won back (systems X21), and what customers held came to pay more (systems X22)."""

import numpy as np

from retention.blocks import Block, Column, Value, rows
from retention.figures import UNKNOWN, Figure, ratio, share
from retention.ledger.periods import Accounts, Ledger, Period, compared

BACK_DAYS = 90
OFTEN = 0.5


def reactivation_rate(ledger: Ledger, period: Period) -> Figure:
    """Customers lost in the period who came back within it / losses of the period."""
    return _back(ledger, period, f"e.returned_at < {ledger.inputs.engine.moment(period.until_at)}")


def expansion_rate(found: Accounts, fewest: int) -> Figure:
    """Revenue that customers of the beginning added in the period / their revenue at its beginning."""
    held = found.only(found.customer | (found.begin > 0))
    if len(held.begin) < fewest or np.isnan(held.begin).any():
        return Figure(None, len(held.begin))
    return ratio(held.expansion, held.begin)


def won_back(ledger: Ledger) -> Block:
    """How many of those lost came back."""
    before = ledger.before
    soon = f"e.returned_at <= e.at + INTERVAL {BACK_DAYS} DAY"
    watched = f"e.at + INTERVAL {BACK_DAYS} DAY <= {ledger.inputs.engine.moment(ledger.year.until_at)}"
    told: list[tuple[Value, ...]] = []
    for title, returned, where in (
        (f"within {ledger.times}", None, "TRUE"),
        (f"within {BACK_DAYS} days of the loss", soon, watched),
    ):
        values = [
            reactivation_rate(ledger, period) if returned is None else _back(ledger, period, returned, where)
            for period in (ledger.year, *([before] if before else ()))
        ]
        told.append((title, values[0].n, values[0], *compared(ledger, values[0], values[-1])))
    return Block(
        id="reactivation",
        title="Customers won back",
        systems=("X21",),
        says=f"Of the losses of {ledger.times}, those who came back. One lost late in it had little time to: the "
        f"second row has only losses that {BACK_DAYS} days have passed since.",
        columns=(
            Column("came_back", "Came back"),
            Column("lost", "Lost", "count"),
            Column("rate", "Came back of them", "share", has_interval=True),
            *ledger.beside,
        ),
        rows=rows(told),
        notes=_short_horizon(ledger, told[-1][2]),
    )


def _short_horizon(ledger: Ledger, soon: Value) -> tuple[str, ...]:
    """A word where most of those called lost soon come back by themselves."""
    churn = ledger.inputs.settings.churn
    if churn.kind != "inactivity" or not isinstance(soon, Figure) or (soon.low or 0.0) <= OFTEN:
        return ()
    return (
        f"Most of those called lost come back: a silence of {churn.horizon_days} days ([churn] horizon_days) is short "
        "here, and churn counts many who only paused.",
    )


def expansion(ledger: Ledger) -> Block:
    """Expansion revenue, whole and by segment."""
    fewest = ledger.inputs.house.programme.fewest
    groups = [("all", ledger.accounts), *ledger.accounts.by_segment().items()]
    then = ledger.accounts_before.by_segment() if ledger.accounts_before else {}
    told = []
    for name, found in groups if len(groups) > 2 else groups[:1]:
        earlier = ledger.accounts_before if name == "all" else then.get(name)
        now = expansion_rate(found, fewest)
        before = expansion_rate(earlier, fewest) if earlier else UNKNOWN
        more = share(int((found.expansion > 0).sum()), int(found.customer.sum()), fewest=fewest)
        told.append((name, int(found.customer.sum()), float(np.sum(found.expansion)), more, now,
                     *compared(ledger, now, before)))  # fmt: skip
    return Block(
        id="expansion",
        title="Expansion revenue",
        systems=("X22",),
        says=f"What customers held paid more a month at the end of {ledger.times} than at its beginning, how many of "
        "the customers of the beginning that were, and its share of the revenue of the beginning.",
        columns=(
            Column("segment", "Segment"),
            Column("customers", "Customers", "count"),
            Column("expansion", "Added a month", "money"),
            Column("accounts", "Customers who did", "share", has_interval=True),
            Column("rate", "Of the beginning", "share", has_interval=True),
            *ledger.beside,
        ),
        rows=rows(told),
    )


def _back(ledger: Ledger, period: Period, returned: str, where: str = "TRUE") -> Figure:
    at, until = ledger.inputs.engine.moment(period.from_at), ledger.inputs.engine.moment(period.until_at)
    found = ledger.inputs.rows(
        f"""SELECT COUNT(CASE WHEN {returned} THEN 1 END), COUNT(*) FROM churn_events e
            WHERE e.at >= {at} AND e.at < {until} AND {where}"""
    )[0]
    return share(int(str(found[0])), int(str(found[1])), fewest=ledger.inputs.house.programme.fewest)
