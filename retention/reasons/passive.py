"""Passive churn: a customer by contract who no longer uses what they pay for (systems T2)."""

from typing import Any, cast

import numpy as np

from features.declare import text_literal
from retention.blocks import Block, Column, Value, rows
from retention.figures import Figure, median, share
from retention.inputs import Inputs
from retention.silence import WHOLE_BOOK, Threshold, by_segment, learn_inactivity, learned


def make(inputs: Inputs) -> list[Threshold]:
    """Make the table `passive_spells`; returns the thresholds of silence by segment, the whole book's first.

    One row a silence that reached its segment's threshold while its account was a customer: account_id, segment,
    began_at and left_at of the stint, used_at (the last use, or the beginning where there was none), since (the
    midnight at which it had lasted long enough), back_at (the next use of the stint; null: none).
    """
    thresholds = _thresholds(inputs)
    days = by_segment(thresholds)
    fallback = days.get(WHOLE_BOOK, inputs.house.reasons.passive_days)
    cases = " ".join(f"WHEN {text_literal(name)} THEN {n}" for name, n in days.items() if name != WHOLE_BOOK)
    limit = f"CASE a.segment {cases} ELSE {fallback} END" if cases else str(fallback)
    inputs.engine.create("passive_spells", _spells(limit, inputs.moment))
    return thresholds


def _thresholds(inputs: Inputs) -> list[Threshold]:
    """Those of `[churn] inactive_days`, or learned where it says nothing."""
    engine, settings, day = inputs.engine, inputs.settings, inputs.as_of
    if settings.churn.inactive_days is not None:
        return learn_inactivity(engine, inputs.staged, settings, day)
    return learned(engine, settings.churn.horizon_days, day)


def _spells(limit: str, moment: str) -> str:
    """Silences of each stint, its beginning (or that of the usage data) counting as a use.

    A stint that ended before the data began has none, and what lies after their end is no silence. LEAST and GREATEST
    pass over what is not known.
    """
    until = f"LEAST({moment}, (SELECT MAX(r.at) FROM known_usage r))"
    began = "GREATEST(began_at, (SELECT MIN(r.at) FROM known_usage r))"
    return f"""
        SELECT u.account_id, a.segment, u.began_at, u.used_at, u.back_at, u.ended_at AS left_at,
               CAST(CAST(u.used_at AS DATE) AS TIMESTAMP) + to_days(CAST({limit} AS INTEGER)) AS since
        FROM (SELECT d.account_id, d.began_at, d.ended_at, d.at AS used_at,
                     LEAD(d.at) OVER (PARTITION BY d.account_id, d.began_at ORDER BY d.at) AS back_at
              FROM (SELECT s.account_id, s.began_at, s.ended_at, r.at
                    FROM customer_spans s JOIN known_usage r ON r.account_id = s.account_id
                         AND r.at >= s.began_at AND (s.ended_at IS NULL OR r.at < s.ended_at)
                    UNION ALL SELECT account_id, began_at, ended_at, {began} FROM customer_spans) d) u
        LEFT JOIN known_accounts a ON a.account_id = u.account_id
        WHERE since < LEAST(u.back_at, u.ended_at, {until})"""


def followed(inputs: Inputs, thresholds: list[Threshold]) -> Block:
    """Threshold, how often passive churn became a loss, and how long before."""
    days, house, told = by_segment(thresholds), inputs.house, []
    look, fewest = house.reasons.look_back_days, house.programme.fewest
    spells = _first_spells(inputs, look)
    for segment in [None, *sorted({row["segment"] for row in spells} - {None})]:
        mine = [row for row in spells if segment in (None, row["segment"])]
        closed = [row for row in mine if row["is_closed"]]
        lead = np.array([row["lead_days"] for row in closed if row["is_lost"]], dtype=np.float64)
        told.append(
            (
                segment or "whole book",
                days.get(segment or WHOLE_BOOK, days.get(WHOLE_BOOK, house.reasons.passive_days)),
                sum(row["passive_now"] for row in mine),
                share(len(lead), len(closed), fewest=fewest),
                _anyone(inputs, look, segment),
                median(lead) if len(lead) >= fewest else Figure(None, len(lead)),
            )
        )
    return Block(
        id="passive",
        title="Passive churn, and how often a loss follows",
        systems=("T2",),
        says="A customer who used nothing for so many days is passive: from such a silence on, not coming back is the "
        f"likelier outcome. Lost: of those whose first silence began {look} days ago or more, who left within {look} "
        "days of it; beside it all customers over the same time.",
        columns=(
            Column("segment", "Segment"),
            Column("threshold", "Silent days", "days"),
            Column("now", "Passive now", "count"),
            Column("lost", f"Lost within {look} days", "share", has_interval=True),
            Column("anyone", "Of all customers", "share", has_interval=True),
            Column("lead", "Days from passive to loss", "days", has_interval=True),
        ),
        rows=rows(told),
    )


def _first_spells(inputs: Inputs, look: int) -> list[dict[str, Any]]:
    """One row a stint that was ever passive, about its first silence; `is_closed` once its days after are over."""
    days = f"INTERVAL {look} DAY"
    found: list[dict[str, Any]] = inputs.engine.query(
        f"""SELECT segment, since + {days} <= {inputs.moment} AS is_closed,
                   COALESCE(left_at <= since + {days}, FALSE) AS is_lost,
                   date_diff('day', since, left_at) AS lead_days,
                   BOOL_OR(back_at IS NULL AND left_at IS NULL) OVER stint AS passive_now
            FROM passive_spells WINDOW stint AS (PARTITION BY account_id, began_at)
            QUALIFY ROW_NUMBER() OVER (stint ORDER BY since) = 1"""
    ).to_pylist()
    return found


def _anyone(inputs: Inputs, days: int, segment: str | None) -> Figure:
    """Share of the customers of so many days ago who were lost since."""
    then = f"{inputs.moment} - INTERVAL {days} DAY"
    within = "TRUE" if segment is None else f"a.segment = {text_literal(segment)}"
    whole, part = inputs.rows(
        f"""SELECT COUNT(*), COUNT(*) FILTER (s.ended_at <= {inputs.moment})
            FROM customer_spans s LEFT JOIN known_accounts a USING (account_id)
            WHERE s.began_at < {then} AND (s.ended_at IS NULL OR s.ended_at > {then}) AND {within}"""
    )[0]
    return share(int(str(part)), int(str(whole)), fewest=inputs.house.programme.fewest)


def now(inputs: Inputs) -> Block:
    """The customers who are passive at the moment of the report."""
    found = inputs.rows(
        f"""SELECT p.account_id, p.segment, p.used_at, date_diff('day', p.since, {inputs.moment}), s.yearly_value
            FROM passive_spells p LEFT JOIN (
                SELECT account_id, yearly_value FROM score_history
                WHERE as_of = (SELECT MAX(as_of) FROM score_history)) s USING (account_id)
            WHERE back_at IS NULL AND left_at IS NULL
            ORDER BY s.yearly_value DESC NULLS LAST, p.used_at, p.account_id"""
    )
    return Block(
        id="passive_now",
        title="Customers who are passive now",
        systems=("T2",),
        says="Still customers, and silent beyond their segment's threshold. Those of the most value first.",
        columns=(
            Column("account_id", "Account"),
            Column("segment", "Segment"),
            Column("used_at", "Last used", "day"),
            Column("days", "Passive for", "days"),
            Column("yearly_value", "Value a year", "money"),
        ),
        rows=rows(cast("list[tuple[Value, ...]]", found)),
        account="account_id",
    )
