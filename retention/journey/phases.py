"""How far the checklists of the phases are, item by item, and what is overdue where (systems R23-R26, D8)."""

from collections.abc import Iterable, Mapping

import numpy as np

from retention.blocks import Block, Column, rows
from retention.figures import Array, mean, share
from retention.journey.book import Book
from retention.journey.cells import ACCOUNT, OWNER
from retention.journey.checklist import Check, Checklist


def phases(book: Book, lists: Mapping[str, list[Checklist]]) -> Block:
    """How far the checklists of each phase are."""
    told = []
    for name, phase in book.inputs.house.phases.items():
        held = [one for ones in lists.values() for one in ones if one.opened.name == name]
        if held:
            complete = _array(one.complete for one in held)
            overdue = sum(len(one.overdue) for one in held)
            behind = share(sum(1 for one in held if one.overdue), len(held), fewest=book.inputs.house.programme.fewest)
            kept = mean(_array(one.kept for one in held))
            told.append((phase.title, len(held), mean(complete), kept, overdue, behind))
    return Block(
        id="phases",
        title="Checklists by phase",
        systems=("R23", "R24", "R25", "R26", "D8"),
        says="How far the customers that are in a phase now are with its checklist. Complete: of the items to be "
        "reached once, those that are. Kept up: of those that can lapse, those that hold. Overdue: items whose day has "
        "passed, those lapsed that are to be kept up included.",
        columns=(
            Column("phase", "Phase"),
            Column("customers", "Customers", "count"),
            Column("complete", "Complete", "share"),
            Column("kept", "Kept up", "share"),
            Column("overdue", "Overdue items", "count"),
            Column("behind", "Customers with one", "share"),
        ),
        rows=rows(told),
    )


def items(book: Book, lists: Mapping[str, list[Checklist]]) -> Block:
    """Every item: who says it, how many have it, how many are late."""
    held: dict[str, list[Check]] = {}
    for ones in lists.values():
        for one in ones:
            for check in one.checks:
                held.setdefault(check.id, []).append(check)
    told = []
    for name, phase in book.inputs.house.phases.items():
        for key, item in phase.items.items():
            checks = [check for check in held.get(f"{name}.{key}", []) if check.is_done is not None]
            if checks:
                done, late = sum(1 for c in checks if c.is_done), sum(1 for c in checks if c.is_overdue)
                told.append((f"{name}.{key}", item.title, item.by, "kept up" if item.stands else "once", item.due_day,
                             share(done, len(checks), fewest=book.inputs.house.programme.fewest), late))  # fmt: skip
    never = sorted({check.id for checks in held.values() for check in checks if not check.is_used})
    return Block(
        id="items",
        title="Checklist items",
        systems=("R23", "R24", "R25", "R26"),
        says="Over the customers that are in the phase now. By hand: ticked by `keepwell checklist tick`; an item "
        "that nobody ever ticked for anybody is never overdue. Due: days after the phase began.",
        columns=(
            Column("item", "Item"),
            Column("title", "What"),
            Column("by", "Told by"),
            Column("kind", "Kind"),
            Column("due_day", "Due on day", "days"),
            Column("done", "Done", "share"),
            Column("overdue", "Overdue", "count"),
        ),
        rows=rows(told),
        notes=(f"Nobody has ticked so far: {', '.join(never)}.",) if never else (),
    )


def overdue(book: Book, lists: Mapping[str, list[Checklist]]) -> Block:
    """Accounts with overdue items, the most first."""
    told = []
    for one in book.customers:
        for held in lists[one.account_id]:
            late = held.overdue
            if late:
                what = "; ".join(check.item.title for check in late)
                told.append((one.account_id, one.owner, held.opened.phase.title, held.complete, len(late), what))
    told.sort(key=lambda row: (-row[4], row[0]))
    return Block(
        id="overdue",
        title="Overdue items by account",
        systems=("R23", "R24", "R25", "R26", "D8"),
        says="Customers with items of their phase's checklist whose day has passed.",
        columns=(
            ACCOUNT,
            OWNER,
            Column("phase", "Phase"),
            Column("complete", "Complete", "share"),
            Column("items", "Overdue items", "count"),
            Column("what", "Which"),
        ),
        rows=rows(told),
        account="account_id",
    )


def _array(values: Iterable[float | None]) -> Array:
    """NaN where not known."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
