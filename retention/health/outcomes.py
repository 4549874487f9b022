"""What became of scored accounts: who at risk really left, how long it took, and what was seen before."""

import numpy as np

from retention.blocks import Block, Chart, Column, rows
from retention.figures import share
from retention.health.book import tiers
from retention.inputs import Inputs
from retention.survival import Survival, survival

BEFORE_DAYS = (30, 60, 90)
RUN_AGE_DAYS = 35
"""A run up to so many days older than the date in question still tells how an account stood then."""


def conversion(inputs: Inputs) -> Block:
    """Of the accounts first seen in a tier, how many left within the horizon (systems R7)."""
    days, fewest = inputs.settings.gap_days, inputs.house.programme.fewest
    found = inputs.rows(
        f"""WITH firsts AS (
                SELECT account_id, tier, MIN(as_of) AS at FROM score_history WHERE tier IS NOT NULL
                GROUP BY ALL HAVING MIN(as_of) + INTERVAL {days} DAY <= {inputs.moment})
            SELECT tier, COUNT(DISTINCT c.account_id), COUNT(DISTINCT f.account_id)
            FROM firsts f LEFT JOIN churn_events c ON c.account_id = f.account_id
                 AND c.at > f.at AND c.at <= f.at + INTERVAL {days} DAY
            GROUP BY tier"""
    )
    counted = {str(tier): (int(str(lost)), int(str(n))) for tier, lost, n in found}
    told = [(tier, share(*counted.get(tier, (0, 0)), fewest=fewest)) for tier in tiers(inputs)]
    return Block(
        id="conversion",
        title="From a tier to lost",
        systems=("R7",),
        says=f"Accounts by the first kept run that saw them in a tier: the share lost within the {days} days after "
        "it. Runs whose window has not closed are left out.",
        columns=(Column("tier", "Tier"), Column("lost", "Lost", "share", has_interval=True)),
        rows=rows(told),
        chart=Chart("bar", "tier", ("lost",)),
    )


def time_to_risk(inputs: Inputs) -> Block:
    """Days from healthy to at risk (systems R15) and from at risk to lost (systems R12)."""
    order = tiers(inputs)
    best, worst = order[-1].replace("'", "''"), order[0].replace("'", "''")
    curves = {
        f"{best} to {worst}": _to_risk(inputs, best, worst),
        f"{worst} to lost": _to_loss(inputs, worst),
    }
    told = [(name, found.median, found.at(30), found.at(90), found.events, found.n) for name, found in curves.items()]
    return Block(
        id="time_to_risk",
        title="Time to risk, and from risk to lost",
        systems=("R12", "R15"),
        says="Kaplan and Meier's estimate from the kept runs; accounts to which it has not happened count for as "
        "long as they were watched. An account that recovers is watched no longer on the way to lost. Longer "
        "is better.",
        columns=(
            Column("way", "Way"),
            Column("median", "Days, median", "days", has_interval=True),
            Column("at_30", "Not yet after 30 days", "share", has_interval=True),
            Column("at_90", "Not yet after 90 days", "share", has_interval=True),
            Column("events", "Happened", "count"),
            Column("accounts", "Accounts", "count"),
        ),
        rows=rows(told),
    )


def seen_before(inputs: Inputs) -> Block:
    """How lost accounts stood 30, 60 and 90 days before (systems H6, Q2 and Q3 of what users complain about)."""
    order, told = tiers(inputs), []
    for days in BEFORE_DAYS:
        found = inputs.rows(
            f"""SELECT tier, COUNT(*) FROM (
                    SELECT c.account_id, c.at, MAX_BY(s.tier, s.as_of) AS tier
                    FROM churn_events c JOIN score_history s ON s.account_id = c.account_id
                         AND s.as_of <= c.at - INTERVAL {days} DAY
                         AND s.as_of > c.at - INTERVAL {days + RUN_AGE_DAYS} DAY
                    WHERE s.tier IS NOT NULL GROUP BY ALL) GROUP BY tier"""
        )
        counted = {str(tier): int(str(n)) for tier, n in found}
        whole = sum(counted.values())
        told.append(
            (days, *(share(counted.get(tier, 0), whole, fewest=inputs.house.programme.fewest) for tier in order))
        )
    return Block(
        id="seen_before",
        title="How lost accounts stood before",
        systems=("R7", "H6"),
        says="Lost accounts that a kept run had scored so many days before (or up to five weeks earlier): the "
        "share in each tier then. Those that were in the best tier left without a warning.",
        columns=(
            Column("days", "Days before", "days"),
            *(Column(f"tier_{tier}", tier, "share", has_interval=True) for tier in order),
        ),
        rows=rows(told),
    )


def _to_risk(inputs: Inputs, best: str, worst: str) -> Survival:
    """From the first run that saw an account in the best tier to the first later one that saw it in the worst."""
    return _curve(
        inputs,
        f"""SELECT f.at, MIN(s.as_of) FILTER (s.tier = '{worst}') AS happened_at, MAX(s.as_of) AS watched_until
            FROM (SELECT account_id, MIN(as_of) AS at FROM score_history WHERE tier = '{best}' GROUP BY account_id) f
            JOIN score_history s ON s.account_id = f.account_id AND s.as_of > f.at GROUP BY f.account_id, f.at""",
    )


def _to_loss(inputs: Inputs, worst: str) -> Survival:
    """From the first run that saw an account in the worst tier to its loss; watched until it was better again."""
    return _curve(
        inputs,
        f"""SELECT f.at, c.at AS happened_at,
                   COALESCE(MIN(s.as_of) FILTER (s.tier <> '{worst}'), {inputs.moment}) AS watched_until
            FROM (SELECT account_id, MIN(as_of) AS at FROM score_history WHERE tier = '{worst}' GROUP BY account_id) f
            LEFT JOIN score_history s ON s.account_id = f.account_id AND s.as_of > f.at
            LEFT JOIN (SELECT account_id, MIN(r.at) AS at FROM churn_events r GROUP BY account_id) c
                 ON c.account_id = f.account_id AND c.at > f.at
            GROUP BY f.account_id, f.at, c.at""",
    )


def _curve(inputs: Inputs, cases: str) -> Survival:
    """The curve of cases (at, happened_at or null, watched_until); what happened after the watch did not happen."""
    found = inputs.rows(
        f"""SELECT DATEDIFF('day', k.at, LEAST(COALESCE(happened_at, watched_until), watched_until)),
                   happened_at IS NOT NULL AND happened_at <= watched_until
            FROM ({cases}) k"""
    )
    happened = np.array([float(str(days)) for days, did in found if did])
    return survival(happened, np.array([float(str(days)) for days, did in found if not did]))
