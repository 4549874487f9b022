"""Little use, judged by what is usual in the same phase (systems P4)."""

import numpy as np

from retention.blocks import Block, Column, rows
from retention.journey.book import Book, Customer
from retention.journey.cells import ACCOUNT, OWNER
from retention.journey.checklist import open_phases


def low_lines(book: Book) -> Block:
    """What is little use in each phase: the line under which the least active of the phase lie (systems P4)."""
    told = []
    for name, ones in by_phase(book).items():
        line = low_line(book, ones)
        below = sum(1 for one in ones if is_low(one, line))
        told.append((book.inputs.house.phases[name].title, len(ones), line, below))
    return Block(
        id="low_lines",
        title="Little use, by phase",
        systems=("P4",),
        says="Each phase has its own line: the days of use in 28 under which the least active "
        f"{book.inputs.house.journey.low_line:.0%} of its customers lie. What is little in month 2 is not "
        "what is little in year 3.",
        columns=(
            Column("phase", "Phase"),
            Column("customers", "Customers", "count"),
            Column("line", "Days of use in 28, line", "days"),
            Column("below", "Below it", "count"),
        ),
        rows=rows(told),
    )


def low_use(book: Book) -> Block:
    """The customers under the line of their phase (systems P4)."""
    told = []
    for name, ones in by_phase(book).items():
        line = low_line(book, ones)
        told += [
            (one.account_id, one.owner, book.inputs.house.phases[name].title, one.age_days,
             one.number("active_days_28d"), line, one.number("is_engaged") == 1, one.number("yearly_value"))
            for one in ones
            if is_low(one, line)
        ]  # fmt: skip
    told.sort(key=lambda row: (-(row[7] or 0.0), row[0]))
    return Block(
        id="low_use",
        title="Less active than others in the phase",
        systems=("P4",),
        says="Customers under the line of their phase, the most valuable first. Months 3 to 12 are where use fades "
        "unseen.",
        columns=(
            ACCOUNT,
            OWNER,
            Column("phase", "Phase"),
            Column("age_days", "Days as a customer", "days"),
            Column("active_days", "Days of use in 28", "days"),
            Column("line", "Line", "days"),
            Column("is_engaged", "Engaged", "flag"),
            Column("yearly_value", "Yearly value", "money"),
        ),
        rows=rows(told),
        account="account_id",
    )


def by_phase(book: Book) -> dict[str, list[Customer]]:
    """Current customers by the phase of their age, in the phases' order."""
    found: dict[str, list[Customer]] = {}
    for one in book.customers:
        for opened in open_phases(book, one):
            if opened.phase.from_day is not None:
                found.setdefault(opened.name, []).append(one)
    return {name: found[name] for name in book.inputs.house.phases if name in found}


def low_line(book: Book, ones: list[Customer]) -> float | None:
    """The line of a phase; None for fewer customers than are told."""
    days = [value for one in ones if (value := one.number("active_days_28d")) is not None]
    few = len(days) < book.inputs.house.programme.fewest
    return None if few else float(np.quantile(days, book.inputs.house.journey.low_line))


def is_low(one: Customer, line: float | None) -> bool:
    """Whether a customer lies under a line."""
    days = one.number("active_days_28d")
    return line is not None and days is not None and days < line
