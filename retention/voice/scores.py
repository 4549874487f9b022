"""NPS, CSAT and effort scores: by quarter, by segment, by account."""

import numpy as np

from retention.blocks import Block, Chart, Column, rows
from retention.figures import UNKNOWN, Figure, mean, numbers
from retention.inputs import Inputs

CLASS = "CASE WHEN score >= 9 THEN 'promoter' WHEN score >= 7 THEN 'passive' ELSE 'detractor' END"
"""Promoters 9-10, passives 7-8, detractors 0-6 (systems A3)."""
NPS = "kind = 'nps' AND score IS NOT NULL"
ROLLING_DAYS = 364
WORTH = {"promoter": 100.0, "passive": 0.0, "detractor": -100.0}


def nps(classes: list[str]) -> Figure:
    """Net promoter score in points: 100 x (share of promoters - share of detractors), over answers.

    It is the mean of +100, 0 and -100 over the answers, and has that mean's interval.
    """
    return mean(np.array([WORTH[name] for name in classes], dtype=np.float64)) if classes else UNKNOWN


def overall(inputs: Inputs) -> Figure:
    """NPS over all answers of the last 364 days."""
    since = f"r.at >= {inputs.moment} - INTERVAL {ROLLING_DAYS} DAY"
    return nps([str(name) for (name,) in inputs.rows(f"SELECT {CLASS} FROM known_feedback r WHERE {NPS} AND {since}")])


def by_quarter(inputs: Inputs) -> Block:
    """NPS and CSAT a quarter (systems A1, A3, R17)."""
    found = inputs.rows(
        f"""SELECT DATE_TRUNC('quarter', r.at) AS quarter, LIST({CLASS}) FILTER ({NPS}),
                   LIST(CAST(score AS DOUBLE)) FILTER (kind = 'csat' AND score IS NOT NULL),
                   COUNT(DISTINCT account_id) FILTER ({NPS})
            FROM known_feedback r GROUP BY ALL ORDER BY quarter"""
    )
    told = []
    for quarter, classes, csat, accounts in found:
        held = _texts(classes)
        parts = [held.count(name) / len(held) if held else None for name in WORTH]
        told.append((quarter, nps(held), *parts, mean(numbers(csat)), accounts))
    return Block(
        id="nps",
        title="NPS and satisfaction by quarter",
        systems=("A1", "A3", "R17", "A14"),
        says="NPS is the share of answers of 9-10 minus that of 0-6, in points, over all answers of the quarter; "
        "the last quarter may still run. CSAT is the mean of answers from 1 to 5.",
        columns=(
            Column("quarter", "Quarter", "month"),
            Column("nps", "NPS", "points", has_interval=True),
            Column("promoters", "Promoters", "share"),
            Column("passives", "Passives", "share"),
            Column("detractors", "Detractors", "share"),
            Column("csat", "CSAT", "number", has_interval=True),
            Column("accounts", "Accounts that answered", "count"),
        ),
        rows=rows(told),
        chart=Chart("line", "quarter", ("nps",)),
    )


def by_segment(inputs: Inputs) -> Block:
    """NPS of the last 364 days by segment (systems A1)."""
    found = inputs.rows(
        f"""SELECT COALESCE(a.segment, '(none)') AS segment, LIST({CLASS}), COUNT(DISTINCT f.account_id)
            FROM known_feedback f JOIN known_accounts a USING (account_id)
            WHERE {NPS} AND f.at >= {inputs.moment} - INTERVAL {ROLLING_DAYS} DAY
            GROUP BY ALL ORDER BY segment"""
    )
    return Block(
        id="nps_by_segment",
        title="NPS by segment",
        systems=("A1",),
        says=f"Over all answers of the last {ROLLING_DAYS} days.",
        columns=(
            Column("segment", "Segment"),
            Column("nps", "NPS", "points", has_interval=True),
            Column("accounts", "Accounts that answered", "count"),
        ),
        rows=rows((segment, nps(_texts(classes)), accounts) for segment, classes, accounts in found),
    )


def by_account(inputs: Inputs) -> Block:
    """Each account's answers of the last 364 days and the class of the newest (systems A1, A3)."""
    found = inputs.rows(
        f"""SELECT account_id, COUNT(*), AVG(CAST(score AS DOUBLE)), CAST(MAX_BY(score, (r.at, row_id)) AS DOUBLE),
                   MAX_BY({CLASS}, (r.at, row_id)), MAX(r.at)
            FROM known_feedback r WHERE {NPS} AND r.at >= {inputs.moment} - INTERVAL {ROLLING_DAYS} DAY
            GROUP BY account_id ORDER BY AVG(score), account_id"""
    )
    return Block(
        id="nps_by_account",
        title="NPS by account",
        systems=("A1", "A3"),
        says=f"Answers of the last {ROLLING_DAYS} days, the unhappiest first. A passive that nobody engages is a "
        "hidden risk.",
        columns=(
            Column("account_id", "Account"),
            Column("answers", "Answers", "count"),
            Column("mean", "Mean answer", "number"),
            Column("last", "Newest answer", "number"),
            Column("class", "Class"),
            Column("at", "Answered", "day"),
        ),
        rows=rows(found),
        account="account_id",
    )


def _texts(held: object) -> list[str]:
    return [str(value) for value in held] if isinstance(held, list) else []
