"""Terms that came to their end: how many were renewed, and what became of renewals that were discounted."""

import numpy as np

from retention.blocks import Block, Column, rows
from retention.figures import UNKNOWN, Figure, difference, ratio, share
from retention.inputs import Inputs
from retention.ledger.periods import Ledger, Period, compared

LATER_DAYS = 182
"""So long after a renewal its account is looked at again."""


def make(inputs: Inputs) -> None:
    """Make `term_ends`: account_id, due_at, is_renewed, billing_period, segment, next_discount.

    A term comes to its end on the day it renews, or when the customer leaves before. Replaced before that day, by an
    upgrade, it does not come to an end. Renewed: another term follows within the grace days, or it runs on.
    """
    grace = inputs.settings.churn.grace_days if inputs.settings.churn.kind == "contract" else 0
    inputs.engine.create(
        "term_ends",
        f"""SELECT t.*, COALESCE(a.segment, '(none)') AS segment FROM (
                SELECT e.account_id, e.started_at, e.billing_period, n.account_id IS NOT NULL AS is_renewed,
                       CASE WHEN n.account_id IS NULL THEN e.ended_at
                            ELSE COALESCE(e.renews_at, e.ended_at) END AS due_at,
                       MIN(n.started_at) AS next_at, ARG_MIN(n.discount, n.started_at) AS next_discount, e.ended_at
                FROM known_subscriptions e LEFT JOIN known_subscriptions n
                     ON n.account_id = e.account_id AND e.ended_at IS NOT NULL AND n.started_at > e.started_at
                     AND n.started_at <= e.ended_at + INTERVAL {grace} DAY
                     AND (n.ended_at IS NULL OR n.ended_at > e.ended_at)
                WHERE e.ended_at IS NOT NULL
                GROUP BY e.account_id, e.started_at, e.billing_period, e.renews_at, e.ended_at, n.account_id
                UNION ALL
                SELECT account_id, started_at, billing_period, TRUE, renews_at, NULL, NULL, NULL
                FROM known_subscriptions WHERE ended_at IS NULL AND renews_at IS NOT NULL) t
            LEFT JOIN known_accounts a ON a.account_id = t.account_id
            WHERE t.due_at IS NOT NULL AND (t.ended_at IS NULL OR t.ended_at >= t.due_at)""",
    )


def renewal_rate(inputs: Inputs, period: Period, where: str = "TRUE") -> Figure:
    """Terms renewed / terms that came to their end within the period; the interval is over accounts, not terms."""
    if not inputs.has("subscriptions"):
        return UNKNOWN
    at, until = inputs.engine.moment(period.from_at), inputs.engine.moment(period.until_at)
    found = inputs.rows(
        f"""SELECT COUNT(CASE WHEN is_renewed THEN 1 END), COUNT(*) FROM term_ends
            WHERE due_at >= {at} AND due_at < {until} AND {where} GROUP BY account_id ORDER BY account_id"""
    )
    if len(found) < inputs.house.programme.fewest:
        return Figure(None, len(found))
    renewed, ended = (np.array([float(str(row[i])) for row in found]) for i in (0, 1))
    rate = ratio(renewed, ended)
    return Figure(rate.value, int(ended.sum()), rate.low, rate.high)


def block(ledger: Ledger) -> Block:
    """Renewal rates by billing period and segment, now and the year before."""
    inputs, told = ledger.inputs, []
    for title, where in _cuts(inputs):
        now = renewal_rate(inputs, ledger.year, where)
        before = renewal_rate(inputs, ledger.before, where) if ledger.before else UNKNOWN
        told.append((title, now.n, now, *compared(ledger, now, before)))
    return Block(
        id="renewals",
        title="Renewals",
        systems=("S14", "A14"),
        says=f"Terms that came to their end in {ledger.times}, renewed or not. Monthly terms renew twelve times a "
        "year, so their rate is close to 1 where that of yearly terms is not: look at them apart.",
        columns=(
            Column("terms", "Terms"),
            Column("ended", "Came to an end", "count"),
            Column("renewal_rate", "Renewal rate", "share", has_interval=True),
            *ledger.beside,
        ),
        rows=rows(told),
    )


def _cuts(inputs: Inputs) -> list[tuple[str, str]]:
    cuts = [("all", "TRUE")]
    for column in ("billing_period", "segment"):
        found = inputs.rows(f"SELECT DISTINCT {column} FROM term_ends WHERE {column} IS NOT NULL ORDER BY 1")
        names = [str(name) for (name,) in found]
        if len(names) > 1:
            cuts += [(name, f"{column} = '{name.replace(chr(39), chr(39) * 2)}'") for name in names]
    return cuts


def discounts(ledger: Ledger) -> Block:
    """What became of accounts that renewed with a discount, and of those that renewed without (systems G8)."""
    fewest = ledger.inputs.house.programme.fewest
    found = ledger.inputs.rows(
        f"""SELECT COALESCE(f.next_discount, 0) > 0, COUNT(*), COUNT(e.account_id)
            FROM (SELECT * FROM term_ends WHERE is_renewed AND next_at IS NOT NULL
                  QUALIFY ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY next_at) = 1) f
            LEFT JOIN churn_events e ON e.account_id = f.account_id AND e.at > f.next_at
                 AND e.at <= f.next_at + INTERVAL {LATER_DAYS} DAY
            WHERE f.next_at + INTERVAL {LATER_DAYS} DAY <= {ledger.inputs.engine.moment(ledger.year.until_at)}
            GROUP BY 1"""
    )
    counts = {bool(given): (int(str(n)), int(str(lost))) for given, n, lost in found}
    rates = {given: share(lost, n, fewest=fewest) for given, (n, lost) in counts.items()}
    given, full = rates.get(True, UNKNOWN), rates.get(False, UNKNOWN)
    told = [
        ("renewed with a discount", *counts.get(True, (0, 0)), given),
        ("renewed without", *counts.get(False, (0, 0)), full),
        ("difference", None, None, difference(given, full)),
    ]
    return Block(
        id="discount_masking",
        title="Do discounts at renewal hide a problem?",
        systems=("G8",),
        says=f"Each account's first renewal that lies at least {LATER_DAYS} days before the end of the last month, and "
        f"whether it was lost within {LATER_DAYS} days after. Above zero, discounted renewals left more often.",
        columns=(
            Column("renewal", "Renewal"),
            Column("accounts", "Accounts", "count"),
            Column("lost", "Lost later", "count"),
            Column("churn", "Lost of them", "share", has_interval=True),
        ),
        rows=rows(told),
        notes=(
            "It cannot say that a discount makes customers leave or stay: those in doubt are the ones who get it. "
            "Only a discount given by lot could.",
        ),
    )
