"""The path to value: milestones, time to each, where customers drop off, and who is stuck (systems S2, S3, L1, L3)."""

from collections.abc import Sequence

import numpy as np

from retention.blocks import Block, Chart, Column, rows
from retention.figures import median, share
from retention.journey.book import Book
from retention.journey.cells import ACCOUNT, OWNER, SEGMENT
from retention.journey.way import DAY, Way, current_step, threshold
from retention.survival import survival


def milestones(book: Book, found: Sequence[Way]) -> Block:
    """Each milestone of the path: who reached it, within its days, and how long it took (systems S2, L1, L3)."""
    told = []
    for i, step in enumerate(book.steps):
        within = book.milestones[step].within_days
        old = [way for way in found if (book.as_of - way.began_at).days >= within]
        days = [way.from_begin(i) for way in old]
        in_time = sum(1 for day in days if day is not None and day <= within)
        happened = [day for way in found if (day := way.from_begin(i)) is not None]
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
            reached = sum(1 for way in old if (day := way.from_begin(step)) is not None and day <= within)
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


def _setup(book: Book) -> tuple[str, ...]:
    """The steps of setup."""
    return book.path.steps[: book.path.steps.index(book.path.setup_until) + 1]
