"""Cases: one a play episode of an account, with what was known before it and what became of the account.

    play_cases(account_id, begun_at, play, owner, driver, arm, is_treated, plays, kinds, cost_cents, unpriced,
               closes_at, is_customer, is_closed, lost_at, is_saved, yearly_cents, as_of, segment, tier,
               risk_level, scored_driver, stays)

A case begins with an account's first play, carried out or held out; plays begun on the account within `outcome_days`
of that belong to it, so an account is saved or lost once in a window, and its windows do not overlap. `arm` is what
was drawn: holdout where the play was recorded as held out or Keepwell had drawn the account before. `is_treated` is
what was done; `kinds` counts the different plays of a case. An account is saved that is not lost, for whatever
reason, in (begun_at, begun_at + outcome_days]. A case is closed when everything about that window is
known. `stays` is the chance to stay that the last score before gave, `scored_driver` its driver.
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from typing import Any

import pyarrow as pa

from retention.inputs import FLAG, MOMENT, TEXT, Inputs
from retention.ledger.lifetimes import observed_until

WHOLE = pa.int64()
EPISODES = pa.schema(
    {
        "account_id": TEXT,
        "begun_at": MOMENT,
        "play": TEXT,
        "owner": TEXT,
        "driver": TEXT,
        "arm": TEXT,
        "is_treated": FLAG,
        "plays": WHOLE,
        "kinds": WHOLE,
        "cost_cents": WHOLE,
        "unpriced": WHOLE,
    }
)
SPEND_DAYS = 84
"""Spending and invoices are read over so many days before a case and stretched to a year."""


def make(inputs: Inputs) -> None:
    """Make the table `play_cases` of all plays that are known."""
    plays = inputs.rows(
        """SELECT r.account_id, r.at, r.play, r.owner, r.driver, r.arm, r.cost_cents FROM known_interventions r
           ORDER BY r.account_id, r.at, r.play, r.arm, r.owner, r.driver, r.cost_cents"""
    )
    length = timedelta(days=inputs.house.programme.outcome_days)
    inputs.engine.register("_episodes", pa.Table.from_pylist(list(_episodes(plays, length)), schema=EPISODES))
    inputs.engine.create("_begun", _drawn("_episodes"))
    follow(inputs, "_begun", "play_cases")


def follow(inputs: Inputs, begun: str, name: str) -> None:
    """Make a table of cases from moments of accounts: what was known before each, and what became of it."""
    days, churn = inputs.house.programme.outcome_days, inputs.settings.churn
    stays = days / churn.horizon_days
    inputs.engine.create("_dated", _dated(begun, days))
    inputs.engine.create(
        name,
        f"""SELECT c.*, v.yearly_cents, s.as_of, COALESCE(s.segment, a.segment) AS segment, s.tier,
                   s.risk_level, s.driver AS scored_driver,
                   POWER(1 - s.churn_probability, {stays}) AS stays,
                   c.is_customer AND c.closes_at <= {settled_until(inputs)} AS is_closed, c.lost_at IS NULL AS is_saved
            FROM _dated c
            LEFT JOIN ({_worth(inputs)}) v USING (account_id, begun_at)
            LEFT JOIN (SELECT account_id, MAX(segment) AS segment FROM known_accounts GROUP BY account_id) a
                 USING (account_id)
            ASOF LEFT JOIN score_history s ON c.account_id = s.account_id AND c.begun_at >= s.as_of
            ORDER BY c.account_id, c.begun_at""",
    )


def settled_until(inputs: Inputs) -> str:
    """SQL of the moment up to which every loss is known: a contract's end is one only after its grace days."""
    churn = inputs.settings.churn
    grace = churn.grace_days if churn.kind == "contract" else 0
    return f"{inputs.engine.moment(observed_until(inputs))} - INTERVAL {grace} DAY"


def _episodes(plays: list[tuple[Any, ...]], length: timedelta) -> Iterator[dict[str, Any]]:
    """Plays in order of account and time, gathered into episodes; the first play gives its name, owner and arm."""
    for account, of_account in groupby(plays, key=lambda row: row[0]):
        episode: list[tuple[Any, ...]] = []
        for row in of_account:
            if episode and row[1] >= episode[0][1] + length:
                yield _episode(account, episode)
                episode = []
            episode.append(row)
        yield _episode(account, episode)


def _episode(account: str, plays: list[tuple[Any, ...]]) -> dict[str, Any]:
    _, at, play, owner, driver, arm, _ = plays[0]
    done = [row for row in plays if row[5] == "treated"]
    known = [row[6] for row in plays if row[6] is not None]
    return {
        "account_id": account,
        "begun_at": at,
        "play": play,
        "owner": owner,
        "driver": driver,
        "arm": arm,
        "is_treated": bool(done),
        "plays": len(plays),
        "kinds": len({row[2] for row in plays}),
        "cost_cents": sum(known) if known else None,
        "unpriced": sum(row[6] is None for row in done),
    }


def _drawn(episodes: str) -> str:
    """Episodes with the arm that Keepwell had drawn before them, where it had."""
    return f"""SELECT e.* REPLACE (CASE WHEN h.account_id IS NULL THEN e.arm ELSE 'holdout' END AS arm)
               FROM {episodes} e LEFT JOIN holdout_history h
                    ON h.account_id = e.account_id AND h.arm = 'holdout' AND h.at <= e.begun_at"""


def _dated(begun: str, days: int) -> str:
    """When each case closes, whether the account was a customer then, and when it was lost within the window."""
    closes = f"c.begun_at + INTERVAL {days} DAY"
    return f"""
        SELECT c.*, {closes} AS closes_at, l.lost_at,
               EXISTS (SELECT 1 FROM customer_spans s WHERE s.account_id = c.account_id AND s.began_at <= c.begun_at
                       AND (s.ended_at IS NULL OR s.ended_at > c.begun_at)) AS is_customer
        FROM {begun} c
        LEFT JOIN (SELECT c.account_id, c.begun_at, MIN(e.at) AS lost_at FROM {begun} c JOIN churn_events e
                   ON e.account_id = c.account_id AND e.at > c.begun_at AND e.at <= {closes} GROUP BY ALL) l
             USING (account_id, begun_at)"""


def _worth(inputs: Inputs) -> str:
    """A year's money of each case's account as it was then: running terms, else spending, else invoices."""
    since = f"c.begun_at - INTERVAL {SPEND_DAYS} DAY"
    found = []
    if inputs.has("subscriptions", "mrr"):
        found.append(
            """SELECT c.account_id, c.begun_at, 12 * SUM(t.mrr_cents) AS cents FROM _dated c JOIN known_subscriptions t
               ON t.account_id = c.account_id AND t.started_at <= c.begun_at
               AND (t.ended_at IS NULL OR t.ended_at > c.begun_at)
               GROUP BY ALL"""
        )
    for source, money in (("usage", "value"), ("invoices", "amount")):
        if inputs.has(source, money):
            found.append(
                f"""SELECT c.account_id, c.begun_at, SUM(t.{money}_cents) * 365 / {SPEND_DAYS} AS cents
                    FROM _dated c JOIN known_{source} t
                    ON t.account_id = c.account_id AND t.at >= {since} AND t.at < c.begun_at GROUP BY ALL"""
            )
    ranked = " UNION ALL ".join(f"SELECT *, {rank} AS rank FROM ({query})" for rank, query in enumerate(found))
    ranked = ranked or "SELECT account_id, begun_at, CAST(NULL AS DOUBLE) AS cents, 0 AS rank FROM _dated"
    return f"""SELECT account_id, begun_at, ARG_MIN(cents, rank) FILTER (cents IS NOT NULL) AS yearly_cents
               FROM ({ranked}) GROUP BY account_id, begun_at"""
