"""The first 90 days: who is at risk in them, and whether what is looked at did tell who left (systems P3, D8)."""

from collections.abc import Mapping, Sequence

from retention.blocks import Block, Column, rows
from retention.figures import share
from retention.journey.book import Book, Customer
from retention.journey.cells import ACCOUNT, OWNER, SEGMENT
from retention.journey.checklist import Checklist
from retention.journey.way import Way

FIRST_DAYS, YEAR = 90, 365


def first_days(book: Book, lists: Mapping[str, list[Checklist]]) -> Block:
    """Customers in their first 90 days, those at most risk first."""
    told = []
    for one in book.customers:
        if one.age_days > FIRST_DAYS:
            continue
        missed, due = _missed(book, one)
        held = next((held for held in lists[one.account_id] if held.opened.phase.from_day == 1), None)
        plan = next((c.is_done for c in held.checks if c.id.endswith(".success_plan")), None) if held else None
        told.append((one.account_id, one.owner, one.segment, one.age_days, one.reached.get(book.path.first_value),
                     one.number("users_84d"), one.number("seat_use_28d"), plan, held.complete if held else None,
                     len(missed) / due if due else None, "; ".join(missed)))  # fmt: skip
    told.sort(key=lambda row: (-(row[9] or 0.0), -row[3], row[0]))
    return Block(
        id="onboarding",
        title="The first 90 days",
        systems=("P3", "D8"),
        says="Customers in their first 90 days. Risk: of the milestones of the path that are due by now, the share "
        "that is missed. Success criteria: the 90-day plan is agreed (ticked by hand).",
        columns=(
            ACCOUNT,
            OWNER,
            SEGMENT,
            Column("age_days", "Day", "days"),
            Column("first_value_at", "First value", "day"),
            Column("people", "End users active", "count"),
            Column("seat_use", "Seats used", "share"),
            Column("has_plan", "Success criteria", "flag"),
            Column("complete", "Checklist", "share"),
            Column("risk", "Risk", "share"),
            Column("missed", "Missed"),
        ),
        rows=rows(told),
        account="account_id",
    )


def evidence(book: Book, found: Sequence[Way]) -> Block:
    """Whether milestones in time told who stayed: lost within the first year, by milestone (systems P3)."""
    told, fewest = [], book.inputs.house.programme.fewest
    for i, step in enumerate(book.steps):
        within = book.milestones[step].within_days
        old = [way for way in found if (book.as_of - way.began_at).days >= YEAR]
        old = [way for way in old if (way.until - way.began_at).days >= within]
        for is_in_time, label in ((True, "in time"), (False, "late or never")):
            ones = [way for way in old if _in_time(way, i, within) == is_in_time]
            lost = sum(1 for way in ones if way.is_lost and (way.until - way.began_at).days < YEAR)
            told.append((step, label, len(ones), share(lost, len(ones), fewest=fewest)))
    return Block(
        id="onboarding_evidence",
        title="What onboarding told of the first year",
        systems=("P3",),
        says="Customers who began a year ago or longer and were still there when the milestone was due: the share "
        "lost within their first year. Observed, not an experiment: who is in time may differ in other ways.",
        columns=(
            Column("milestone", "Milestone"),
            Column("when", "Reached"),
            Column("customers", "Customers", "count"),
            Column("lost", "Lost in year 1", "share"),
        ),
        rows=rows(told),
    )


def _missed(book: Book, one: Customer) -> tuple[list[str], int]:
    """Milestones of the path that are due and not reached, in words, and how many are due."""
    due = [step for step in book.steps if one.age_days >= book.milestones[step].within_days]
    return [book.milestones[step].title for step in due if step not in one.reached], len(due)


def _in_time(way: Way, step: int, within: int) -> bool:
    at = way.steps[step]
    return at is not None and (at - way.began_at).days < within
