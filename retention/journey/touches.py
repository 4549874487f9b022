"""Who is to be contacted next: by risk level, phase and segment, and the business reviews (systems D12, S9)."""

from datetime import datetime, timedelta

from retention.blocks import Block, Column, rows
from retention.journey.book import Book, Customer
from retention.journey.cells import ACCOUNT, OWNER, SEGMENT
from retention.journey.checklist import open_phases


def every_days(book: Book, one: Customer) -> tuple[float, str] | None:
    """The shortest cadence that holds for a customer, in days, and where it comes from; None where none does.

    From the policy's risk level, the phase's and the segment's of retention.toml.
    """
    house, found = book.inputs.house, []
    by_level = book.inputs.standards.touch_every_days
    if one.risk_level is not None and one.risk_level in by_level:
        found.append((by_level[one.risk_level], f"{one.risk_level} risk"))
    for opened in open_phases(book, one):
        if opened.phase.touch_every_days:
            found.append((float(opened.phase.touch_every_days), opened.phase.title.lower()))
    if one.segment is not None and one.segment in house.journey.touch_by_segment:
        found.append((float(house.journey.touch_by_segment[one.segment]), f"segment {one.segment}"))
    return min(found, default=None)


def due_at(book: Book, one: Customer) -> datetime | None:
    """When the next touch is due: the cadence after the last one; None without contacts or cadence."""
    cadence = every_days(book, one)
    return one.touch_since + timedelta(days=cadence[0]) if cadence and one.touch_since else None


def touches(book: Book) -> Block:
    """The touches that are due within a week or overdue, the latest first."""
    told = []
    for one in book.customers:
        cadence, due = every_days(book, one), due_at(book, one)
        if cadence and due and due < book.as_of + timedelta(days=7):
            late = (book.as_of - due).days
            told.append((one.account_id, one.owner, one.touched_at, cadence[0], cadence[1], due, late,
                         one.risk_level, one.number("yearly_value")))  # fmt: skip
    told.sort(key=lambda row: (-row[6], row[0]))
    return Block(
        id="touches_due",
        title="Next touches due",
        systems=("D12",),
        says="Customers whose next touch is overdue or due within seven days. The cadence is the shortest of the "
        "policy's risk level (touch_every_days in policy.toml), and of the phase and the segment (retention.toml). A "
        "touch is any contact or play; that the champion left is none.",
        columns=(
            ACCOUNT,
            OWNER,
            Column("touched_at", "Last touch", "day"),
            Column("every_days", "Every", "days"),
            Column("because", "Because of"),
            Column("due_at", "Due", "day"),
            Column("late_days", "Days overdue", "days"),
            Column("risk_level", "Risk level"),
            Column("yearly_value", "Yearly value", "money"),
        ),
        rows=rows(told),
        account="account_id",
    )


def reviews(book: Book) -> Block:
    """Customers whose business review is due (systems S9)."""
    days = book.inputs.house.journey.review_every_days
    told = []
    for one in book.customers:
        due = one.review_since and one.review_since + timedelta(days=days)
        if due and due <= book.as_of:
            told.append((one.account_id, one.owner, one.segment, one.reviewed_at, due, (book.as_of - due).days,
                         one.number("goal_attainment"), one.number("yearly_value")))  # fmt: skip
    told.sort(key=lambda row: (-(row[7] or 0.0), -row[5], row[0]))
    return Block(
        id="reviews_due",
        title="Business reviews due",
        systems=("S9",),
        says=f"Customers without a business review within {days} days, the most valuable first. Bring the road map and "
        "the goals they bought for.",
        columns=(
            ACCOUNT,
            OWNER,
            SEGMENT,
            Column("reviewed_at", "Last review", "day"),
            Column("due_at", "Due", "day"),
            Column("late_days", "Days overdue", "days"),
            Column("goal_attainment", "Goals reached", "share"),
            Column("yearly_value", "Yearly value", "money"),
        ),
        rows=rows(told),
        account="account_id",
    )
