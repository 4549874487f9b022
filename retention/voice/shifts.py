"""Accounts whose answers moved between promoter, passive and detractor, and what such moves foretold."""

from datetime import datetime

from retention.blocks import Block, Column, rows
from retention.figures import Figure, median, numbers, share
from retention.inputs import Inputs
from retention.voice.scores import CLASS, NPS

RECENT_DAYS = 182
DEFAULT_LEAD_DAYS = 182
"""Two quarters: what is usual between a shift and the loss, where the data do not tell (systems A4)."""
WATCH_DAYS = 364
"""A shift is followed for so long; later losses are not laid at its door."""

SHIFTS = f"""
    SELECT s.* FROM (
        SELECT r.account_id, r.at, {CLASS} AS class, LAG({CLASS}) OVER w AS before, ROW_NUMBER() OVER w AS nth
        FROM known_feedback r WHERE {NPS} WINDOW w AS (PARTITION BY account_id ORDER BY r.at, row_id)) s
    WHERE nth > 1"""


def make(inputs: Inputs) -> None:
    """Make the table `shifts`: each NPS answer after an account's first, with the class before, and the next loss."""
    inputs.engine.create(
        "shifts",
        f"""SELECT s.*, MIN(c.at) AS lost_at
            FROM ({SHIFTS}) s LEFT JOIN churn_events c
                 ON c.account_id = s.account_id AND c.at >= s.at AND c.at < s.at + INTERVAL {WATCH_DAYS} DAY
            GROUP BY ALL""",
    )


def foretold(inputs: Inputs) -> Block:
    """By move: how many of these accounts left within a year, and how long after (systems A4)."""
    found = inputs.rows(
        f"""SELECT before, class, COUNT(*) FILTER (lost_at IS NOT NULL), COUNT(*),
                   LIST(DATEDIFF('day', s.at, lost_at)) FILTER (lost_at IS NOT NULL)
            FROM shifts s WHERE s.at < {inputs.moment} - INTERVAL {WATCH_DAYS} DAY
            GROUP BY ALL ORDER BY before DESC, class DESC"""
    )
    told = [
        (before, now, share(int(str(lost)), int(str(n)), fewest=inputs.house.programme.fewest), lead_of(days))
        for before, now, lost, n, days in found
    ]
    return Block(
        id="shifts_foretold",
        title="What a move between NPS classes foretold",
        systems=("A4",),
        says=f"Pairs of consecutive answers at least {WATCH_DAYS} days ago: the share lost within {WATCH_DAYS} days "
        "of the later answer, and the median days until then. An account with several answers counts for "
        "each.",
        columns=(
            Column("before", "From"),
            Column("class", "To"),
            Column("lost", "Lost within a year", "share", has_interval=True),
            Column("lead_days", "Days until lost, median", "days", has_interval=True),
        ),
        rows=rows(told),
    )


def recent(inputs: Inputs) -> Block:
    """Accounts that moved down lately, with the quarter in which such accounts were lost (systems A4)."""
    falls = "(before = 'promoter' AND class <> 'promoter') OR (before = 'passive' AND class = 'detractor')"
    days, is_learned = _usual_lead(inputs, falls)
    found = inputs.rows(
        f"""SELECT account_id, s.at, before, class, s.at + INTERVAL {round(days)} DAY AS risk_at
            FROM shifts s WHERE ({falls}) AND lost_at IS NULL AND s.at >= {inputs.moment} - INTERVAL {RECENT_DAYS} DAY
            ORDER BY s.at DESC, account_id"""
    )
    basis = (
        "learned from earlier falls here" if is_learned else "the customary two quarters; too few losses to learn it"
    )
    return Block(
        id="shifts_recent",
        title="Accounts whose answers fell",
        systems=("A4",),
        says=f"Falls of the last {RECENT_DAYS} days. The risk quarter lies {round(days)} days after the answer "
        f"({basis}).",
        columns=(
            Column("account_id", "Account"),
            Column("at", "Answered", "day"),
            Column("before", "From"),
            Column("class", "To"),
            Column("quarter", "Quarter", "text"),
            Column("risk_quarter", "Risk by", "text"),
        ),
        rows=rows((a, at, was, now, quarter_of(at), quarter_of(risk)) for a, at, was, now, risk in found),
        account="account_id",
    )


def quarter_of(moment: object) -> str:
    """A moment's quarter, such as 2025-Q2."""
    assert isinstance(moment, datetime)
    return f"{moment.year}-Q{(moment.month + 2) // 3}"


def lead_of(days: object) -> Figure:
    """Median of a list of days out of the engine; not known where it is empty."""
    return median(numbers(days))


def _usual_lead(inputs: Inputs, falls: str) -> tuple[float, bool]:
    """Median days from a fall to the loss, and whether at least `fewest` losses told it."""
    learned = lead_of(
        [
            d
            for (d,) in inputs.rows(
                f"SELECT DATEDIFF('day', s.at, lost_at) FROM shifts s WHERE ({falls}) AND lost_at IS NOT NULL"
            )
        ]
    )
    if learned.value is None or (learned.n or 0) < inputs.house.programme.fewest:
        return float(DEFAULT_LEAD_DAYS), False
    return learned.value, True
