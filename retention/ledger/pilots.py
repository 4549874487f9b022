"""A pilot against the rest of the book and against itself before (systems M6)."""

from datetime import datetime, timedelta

from retention.blocks import Block, Column, Value, rows
from retention.figures import Figure, difference, share
from retention.inputs import Inputs
from retention.ledger.lifetimes import observed_until
from retention.sections import Pilot

DAY = timedelta(days=1)


def block(inputs: Inputs, name: str, pilot: Pilot) -> Block:
    """Churn of the pilot and of the rest, since it began and over as many days before; and the difference of both."""
    since = datetime(pilot.from_day.year, pilot.from_day.month, pilot.from_day.day)
    until = observed_until(inputs)
    groups = ((pilot.title, _members(pilot)), ("all others", f"NOT ({_members(pilot)})"))
    before = [_churn(inputs, where, since - (until - since), since) for _, where in groups]
    now = [_churn(inputs, where, since, until) for _, where in groups]
    change = [difference(one, was) for one, was in zip(now, before, strict=True)]
    told: list[tuple[Value, ...]] = [
        (title, now[i].n, before[i], now[i], change[i]) for i, (title, _) in enumerate(groups)
    ]
    told.append(("pilot against others", None, *(difference(pair[0], pair[1]) for pair in (before, now, change))))
    return Block(
        id=f"pilot_{name}",
        title=f"Pilot: {pilot.title}",
        systems=("M6",),
        says=f"Customers at the beginning lost in the {(until - since) // DAY} days since {pilot.from_day}, and in as "
        "many before. The last cell is the pilot's change against that of the others: below zero, it kept more. The "
        "group was picked, not drawn by lot, so what else sets it apart is in here too.",
        columns=(
            Column("group", "Group"),
            Column("customers", "Customers", "count"),
            Column("before", "Churn before", "share", has_interval=True),
            Column("now", "Churn since", "share", has_interval=True),
            Column("change", "Change", "share", has_interval=True),
        ),
        rows=rows(told),
    )


def _members(pilot: Pilot) -> str:
    if pilot.segment is not None:
        return "COALESCE(a.segment, '') = '{}'".format(pilot.segment.replace("'", "''"))
    names = ", ".join("'{}'".format(name.replace("'", "''")) for name in pilot.accounts)
    return f"s.account_id IN ({names})"


def _churn(inputs: Inputs, where: str, since: datetime, until: datetime) -> Figure:
    at, end = inputs.engine.moment(since), inputs.engine.moment(until)
    n, lost = inputs.rows(
        f"""SELECT COUNT(*), COUNT(CASE WHEN s.ended_at < {end} THEN 1 END) FROM customer_spans s
            LEFT JOIN known_accounts a ON a.account_id = s.account_id
            WHERE s.began_at < {at} AND (s.ended_at IS NULL OR s.ended_at >= {at}) AND {where}"""
    )[0]
    return share(int(str(lost)), int(str(n)), fewest=inputs.house.programme.fewest)
