"""Who to ask for a reference or a referral, with the evidence (systems S10, L15)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retention.blocks import Block, Column, rows
from retention.inputs import Inputs
from retention.journey.cells import ACCOUNT, OWNER, SEGMENT
from retention.journey.numbers import Numbers

if TYPE_CHECKING:
    from retention.journey.book import Book

Array = NDArray[np.float64]
DETRACTOR = 6
DAYS_A_WEEK = 7


@dataclass(frozen=True, kw_only=True)
class Advocate:
    """The evidence: events (visits, where they are told apart) a week, how steady they are, and what was said."""

    level: float | None
    variation: float | None
    why: str


def find(inputs: Inputs, numbers: Mapping[str, Numbers]) -> dict[str, Advocate]:
    """The advocates among the current customers, by account.

    B2C: who buys often, or said so. Else: whose use is high and steady. Nobody who was a detractor at the last answer,
    or whose tier is known and not the best.
    """
    weeks = _weeks(inputs)
    test = _b2c if inputs.settings.company.business_model == "b2c" else _steady
    levels = np.array([weeks[account][0] for account in numbers if account in weeks])
    found = {}
    for account, one in numbers.items():
        if (one.get("nps_last") or 10) <= DETRACTOR or one.get("is_green") == 0:
            continue
        level, variation = weeks.get(account, (None, None))
        why = test(inputs, one, level, variation, levels)
        if why:
            found[account] = Advocate(level=level, variation=variation, why=why)
    return found


def block(book: "Book") -> Block:
    """The advocates, the busiest first."""
    asked = book.inputs.house.advocates
    told = [
        (one.account_id, one.owner, one.segment, one.advocate.why, one.advocate.level, one.advocate.variation,
         one.number("nps_last"), one.number("health_score"))
        for one in book.customers
        if one.advocate
    ]  # fmt: skip
    told.sort(key=lambda row: (-(row[4] or 0.0), row[0]))
    return Block(
        id="advocates",
        title="Advocates to ask",
        systems=("S10", "L15"),
        says=f"Customers whose use over {asked.weeks} weeks is high (busier than {asked.level:.0%} of the book) and "
        f"steady (variation at most {asked.most_variation:g}), or in b2c who buy often or praise. Nobody who was a "
        "detractor at the last answer or is known not to be green.",
        columns=(
            ACCOUNT,
            OWNER,
            SEGMENT,
            Column("why", "Why"),
            Column("level", "Use a week", "number"),
            Column("variation", "Variation of the weeks", "number"),
            Column("nps_last", "Last NPS", "points"),
            Column("health_score", "Health", "points"),
        ),
        rows=rows(told),
        account="account_id",
    )


def _steady(inputs: Inputs, one: Numbers, level: float | None, variation: float | None, levels: Array) -> str:
    asked = inputs.house.advocates
    if level is None or variation is None or level <= 0 or level < np.quantile(levels, asked.level):
        return ""
    return "steady, high use" if variation <= asked.most_variation else ""


def _b2c(inputs: Inputs, one: Numbers, level: float | None, variation: float | None, levels: Array) -> str:
    asked = inputs.house.advocates
    why = []
    if level is not None and level > 0 and level >= np.quantile(levels, asked.often):
        why.append("buys often")
    if (one.get("nps_last") or 0) >= asked.nps_from or (one.get("review_last") or 0) >= asked.review_from:
        why.append("praises")
    return ", ".join(why)


def _weeks(inputs: Inputs) -> dict[str, tuple[float, float | None]]:
    """Mean and variation (standard deviation over mean) of the weeks back from the moment, zero weeks counted.

    Only of accounts that are customers for so long.
    """
    if not inputs.has("usage"):
        return {}
    n = inputs.house.advocates.weeks
    unit = "DISTINCT session_id" if inputs.has("usage", "session_id") else "*"
    unit = unit if inputs.settings.company.business_model == "b2c" else "*"
    age = f"DATEDIFF('day', CAST(r.at AS DATE), CAST({inputs.moment} AS DATE))"
    found = inputs.rows(
        f"""SELECT s.account_id, SUM(u.uses), SUM(u.uses * u.uses) FROM customer_spans s JOIN (
                SELECT account_id, week, COUNT({unit}) AS uses
                FROM (SELECT account_id, session_id, ({age} - 1) // {DAYS_A_WEEK} AS week FROM known_usage r)
                WHERE week < {n} GROUP BY account_id, week) u ON u.account_id = s.account_id
            WHERE s.ended_at IS NULL AND DATEDIFF('day', s.began_at, {inputs.moment}) >= {n * DAYS_A_WEEK}
            GROUP BY s.account_id"""
    )
    return {str(account): _spread(float(str(total)), float(str(squares)), n) for account, total, squares in found}


def _spread(total: float, squares: float, n: int) -> tuple[float, float | None]:
    mean = total / n
    variance = max(squares - total * total / n, 0.0) / (n - 1)
    return mean, variance**0.5 / mean if mean else None
