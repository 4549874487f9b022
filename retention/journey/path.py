"""The path to value: milestones, time to each, where customers drop off, and who is stuck (systems S2, S3, L1, L3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np

from retention.blocks import Block, Chart, Column, rows
from retention.figures import median, share
from retention.journey.book import Book, Customer
from retention.journey.cells import ACCOUNT, OWNER, SEGMENT
from retention.survival import survival

LEARN_FROM = 20
"""A step's usual time is learned from at least so many customers who got through it; else `within_days` counts."""
DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Way:
    """How one stint went along the path: the moment of each step reached, None where it was not.

    A step is entered when all before it are reached, whatever their order in time: what was reached before that takes
    no time.
    """

    account_id: str
    segment: str | None
    began_at: datetime
    until: datetime
    is_lost: bool
    steps: tuple[datetime | None, ...]

    @cached_property
    def entered(self) -> tuple[datetime | None, ...]:
        """When each step was entered; None for a step that was not."""
        at: datetime | None = self.began_at
        found = []
        for reached in self.steps:
            found.append(at)
            at = None if at is None or reached is None else max(at, reached)
        return tuple(found)

    def days(self, step: int) -> float | None:
        """Days from entering a step to reaching it; None while it is not reached."""
        entered, reached = self.entered[step], self.steps[step]
        return None if entered is None or reached is None else max(0.0, (reached - entered).total_seconds() / DAY)

    def waiting(self, step: int) -> float | None:
        """Days in a step that is entered and not reached, until the moment or the loss."""
        entered = self.entered[step]
        if entered is None or self.steps[step] is not None:
            return None
        return max(0.0, (self.until - entered).total_seconds() / DAY)


def ways(book: Book) -> list[Way]:
    """First stints that the data show from their beginning."""
    if book.watched_from is None or not book.steps:
        return []
    columns = ", ".join(f"MAX(CASE WHEN r.milestone = '{step}' THEN r.reached_at END)" for step in book.steps)
    found = book.inputs.rows(
        f"""SELECT s.account_id, a.segment, s.began_at, COALESCE(s.ended_at, {book.inputs.moment}), s.ended_at,
                   {columns}
            FROM customer_spans s LEFT JOIN known_accounts a ON a.account_id = s.account_id
            LEFT JOIN journey_reached r ON r.account_id = s.account_id AND r.nth = s.nth
            WHERE s.nth = 1 AND s.began_at >= {book.inputs.engine.moment(book.watched_from)}
            GROUP BY s.account_id, a.segment, s.began_at, s.ended_at ORDER BY s.account_id"""
    )
    return [_way(row) for row in found]


def milestones(book: Book, found: Sequence[Way]) -> Block:
    """Each milestone of the path: who reached it, within its days, and how long it took (systems S2, L1, L3)."""
    told = []
    for i, step in enumerate(book.steps):
        within = book.milestones[step].within_days
        old = [way for way in found if (book.as_of - way.began_at).days >= within]
        days = [_since_begin(way, i) for way in old]
        in_time = sum(1 for day in days if day is not None and day <= within)
        happened = [day for way in found if (day := _since_begin(way, i)) is not None]
        waiting = [(way.until - way.began_at).total_seconds() / DAY for way in found if way.steps[i] is None]
        middle = survival(np.array(happened), np.array(waiting)).median
        told.append((book.milestones[step].title, step, len(happened), within,
                     share(in_time, len(old), fewest=book.inputs.house.programme.fewest), middle))  # fmt: skip
    return Block(
        id="milestones",
        title="Milestones to value",
        systems=("S2", "L1", "L3", "P3"),
        says="Over customers whose beginning the data show, lost ones included. In time: of those that began long "
        "enough ago, the share that reached it within its days. The median counts those not there yet as still on the "
        "way (Kaplan-Meier). First value: " + book.path.first_value + "; activation: " + book.path.activated + ".",
        columns=(
            Column("title", "Milestone"),
            Column("milestone", "Name"),
            Column("reached", "Reached by", "count"),
            Column("within_days", "To be within", "days"),
            Column("in_time", "In time", "share"),
            Column("median_days", "Median days to it", "days"),
        ),
        rows=rows(told),
    )


def time_to_value(book: Book, found: Sequence[Way]) -> Block:
    """How many reached the first value within a week, a month and a quarter, by segment (systems S2, P3)."""
    step = book.steps.index(book.path.first_value)
    segments = sorted({way.segment for way in found if way.segment})
    fewest = book.inputs.house.programme.fewest
    told = []
    for segment in (None, *segments):
        ones = [way for way in found if segment in (None, way.segment)]
        cells = []
        for within in (7, 30, 90):
            old = [way for way in ones if (book.as_of - way.began_at).days >= within]
            reached = sum(1 for way in old if (day := _since_begin(way, step)) is not None and day <= within)
            cells.append(share(reached, len(old), fewest=fewest))
        told.append((segment or "all", len(ones), *cells))
    return Block(
        id="time_to_value",
        title="Time to first value",
        systems=("S2", "P3"),
        says=f"{book.milestones[book.path.first_value].title}: the share of the customers that began long enough ago "
        "who had it within so many days. Value within the first week is the aim.",
        columns=(
            Column("segment", "Segment"),
            Column("customers", "Customers", "count"),
            Column("week", "Within 7 days", "share"),
            Column("month", "Within 30 days", "share"),
            Column("quarter", "Within 90 days", "share"),
        ),
        rows=rows(told),
    )


def steps(book: Book, found: Sequence[Way]) -> Block:
    """The path as a funnel: entered, reached, lost in it, and how long it takes (systems L3, S3)."""
    told = []
    for i, step in enumerate(book.steps):
        entered = [way for way in found if way.entered[i] is not None]
        through = [way for way in entered if way.steps[i] is not None]
        lost = sum(1 for way in entered if way.steps[i] is None and way.is_lost)
        dwell = np.array([day for way in through if (day := way.days(i)) is not None])
        limit, from_ = threshold(book, found, i)
        dropped = share(lost, len(entered), fewest=book.inputs.house.programme.fewest)
        told.append((step, len(entered), len(through), lost, dropped, median(dwell), limit, from_))
    return Block(
        id="steps",
        title="Steps of the path and where customers drop off",
        systems=("L3", "S3"),
        says="A step is entered when all before it are reached. Dropped off: lost as customers while in it. Stuck "
        f"from: the days by which {book.inputs.house.journey.stuck_quantile:.0%} "
        "of those who got through had, or as set.",
        columns=(
            Column("step", "Step"),
            Column("entered", "Entered", "count"),
            Column("through", "Got through", "count"),
            Column("lost", "Lost in it", "count"),
            Column("dropped", "Dropped off", "share"),
            Column("median_days", "Median days in it", "days"),
            Column("stuck_from", "Stuck from", "days"),
            Column("threshold_from", "Which is"),
        ),
        rows=rows(told),
        chart=Chart("bar", "step", ("entered", "through")),
    )


def threshold(book: Book, found: Sequence[Way], step: int) -> tuple[float, str]:
    """Days in a step from which a customer is stuck, and where the number comes from: set, learned or default."""
    milestone = book.milestones[book.steps[step]]
    if milestone.stuck_days is not None:
        return float(milestone.stuck_days), "set"
    dwell = [day for way in found if (day := way.days(step)) is not None]
    if len(dwell) < LEARN_FROM:
        return float(milestone.within_days), f"within_days (only {len(dwell)} to learn from)"
    return float(np.quantile(dwell, book.inputs.house.journey.stuck_quantile)), f"learned from {len(dwell)}"


def stuck(book: Book, found: Sequence[Way]) -> Block:
    """Customers in their first year who are longer in a step than others were, the longest first (systems S3)."""
    limits, setup = [threshold(book, found, i)[0] for i in range(len(book.steps))], _setup(book)
    told = []
    for one in book.customers:
        at = current_step(book, one)
        if at is None or one.age_days > book.inputs.house.journey.stuck_within_days:
            continue
        step, since = at
        if book.steps[step] not in setup:
            continue
        days = (book.as_of - since).total_seconds() / DAY
        if days > limits[step]:
            told.append((one.account_id, one.owner, one.segment, book.steps[step], since, int(days), limits[step],
                         days / limits[step] if limits[step] else None, one.number("yearly_value")))  # fmt: skip
    told.sort(key=lambda row: (-row[5], row[0]))
    return Block(
        id="stuck",
        title="Stuck in setup",
        systems=("S3", "D8"),
        says="Customers of at most "
        f"{book.inputs.house.journey.stuck_within_days} days who have been in a step of the path for longer than its "
        "threshold. Help them before they give up.",
        columns=(
            ACCOUNT,
            OWNER,
            SEGMENT,
            Column("step", "Stuck before"),
            Column("since", "Since", "day"),
            Column("days", "Days in it", "days"),
            Column("stuck_from", "Stuck from", "days"),
            Column("times", "Times the threshold", "number"),
            Column("yearly_value", "Yearly value", "money"),
        ),
        rows=rows(told),
        account="account_id",
    )


def current_step(book: Book, one: Customer) -> tuple[int, datetime] | None:
    """The first step that a customer has not reached, and when it was entered; None where all are reached."""
    since = one.began_at
    for i, step in enumerate(book.steps):
        reached = one.reached.get(step)
        if reached is None:
            return i, since
        since = max(since, reached)
    return None


def _setup(book: Book) -> tuple[str, ...]:
    """The steps of setup."""
    return book.path.steps[: book.path.steps.index(book.path.setup_until) + 1]


def _way(row: tuple[object, ...]) -> Way:
    account, segment, began, until, ended, *reached = row
    if not isinstance(began, datetime) or not isinstance(until, datetime):
        raise TypeError("a stint begins and is watched until a moment")
    return Way(
        account_id=str(account),
        segment=None if segment is None else str(segment),
        began_at=began,
        until=until,
        is_lost=ended is not None,
        steps=tuple(at if isinstance(at, datetime) else None for at in reached),
    )


def _since_begin(way: Way, step: int) -> float | None:
    at = way.steps[step]
    return None if at is None else (at - way.began_at).total_seconds() / DAY
