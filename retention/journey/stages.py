"""In which stage each customer is, and the joined view of its adoption, support and commercial state."""

from collections.abc import Mapping

from retention.blocks import Block, Chart, Column, Value, rows
from retention.figures import Figure, share
from retention.journey.book import Book, Customer
from retention.journey.cells import ACCOUNT, OWNER, SEGMENT
from retention.journey.checklist import Checklist
from retention.journey.expansion import Intent, gate, intents, signals
from retention.journey.renewals import window
from retention.journey.touches import due_at
from retention.journey.way import current_step


def stages(book: Book) -> Block:
    """How many customers are in each stage (systems S1)."""
    names = list(dict.fromkeys(rule.name for rule in book.inputs.house.stages[book.business_model]))
    if book.business_model == "saas":
        names.append(names.pop(0))  # the renewal is asked first and comes last
    held = {name: [one for one in book.customers if one.stage == name] for name in names}
    return Block(
        id="stages",
        title="Lifecycle stages",
        systems=("S1", "M2"),
        says=f"Every current customer is in exactly one stage of the {book.business_model} model, that of the first "
        "rule of retention.toml that holds. Green: in the best tier at the newest kept score.",
        columns=(
            Column("stage", "Stage"),
            Column("customers", "Customers", "count"),
            Column("share", "Share", "share"),
            Column("green", "Of them green", "share"),
            Column("yearly_value", "Yearly value", "money"),
        ),
        rows=rows(
            (name, len(ones), share(len(ones), len(book.customers)), _green(ones), _value(ones))
            for name, ones in held.items()
        ),
        chart=Chart("bar", "stage", ("customers",)),
    )


def accounts(book: Book) -> Block:
    """One row a customer: adoption, support and commercial state side by side (systems G3)."""
    return Block(
        id="accounts",
        title="Every account, joined",
        systems=("G3",),
        says="One row a current customer, as known at the moment: its use, its support and its contract together.",
        columns=(
            ACCOUNT,
            OWNER,
            SEGMENT,
            Column("stage", "Stage"),
            Column("health_score", "Health", "points"),
            Column("tier", "Tier"),
            Column("risk_level", "Risk level"),
            Column("users_28d", "People in 28 days", "count"),
            Column("seat_use", "Seats used", "share"),
            Column("active_days", "Days of use in 28", "days"),
            Column("tickets_open", "Open tickets", "count"),
            Column("escalations", "Escalations in 84 days", "count"),
            Column("yearly_value", "Yearly value", "money"),
            Column("days_to_renewal", "Days to renewal", "days"),
        ),
        rows=rows(
            (one.account_id, one.owner, one.segment, one.stage, one.number("health_score"), one.tier, one.risk_level,
             one.number("users_28d"), one.number("seat_use_28d"), one.number("active_days_28d"),
             one.number("tickets_open"), one.number("escalations_84d"), one.number("yearly_value"),
             one.number("days_to_renewal"))
            for one in book.customers
        ),
        account="account_id",
    )  # fmt: skip


def positions(book: Book, lists: Mapping[str, list[Checklist]]) -> Block:
    """One row a customer: how far it is on its way, and what it is ready for (systems S1, S4)."""
    wanted = intents(book)
    return Block(
        id="positions",
        title="Where each account is",
        systems=("S1", "S4", "D8"),
        says="Engaged: the engagement milestone of the path holds now, over whole weeks; first: when it was first "
        f"reached. Core features: {', '.join(book.core) or 'not told'}. Ready for more: only with a signal.",
        columns=(
            ACCOUNT,
            OWNER,
            Column("stage", "Stage"),
            Column("age_days", "Days as a customer", "days"),
            Column("next_step", "Next step"),
            Column("is_engaged", "Engaged", "flag"),
            Column("engaged_at", "First", "day"),
            Column("phases", "Phases"),
            Column("complete", "Checklist", "share"),
            Column("overdue", "Overdue items", "count"),
            Column("window", "Renewal window", "days"),
            Column("expansion", "Ready for more"),
            Column("is_advocate", "Advocate", "flag"),
            Column("next_touch_at", "Next touch due", "day"),
        ),
        rows=rows(_position(book, one, lists[one.account_id], wanted) for one in book.customers),
        account="account_id",
    )


def _position(book: Book, one: Customer, held: list[Checklist], wanted: Intent) -> tuple[Value, ...]:
    step, signs = current_step(book, one), signals(book, one, wanted)
    done, whole = sum(part.done for part in held), sum(part.whole for part in held)
    return (
        one.account_id, one.owner, one.stage, one.age_days, book.steps[step[0]] if step else None,
        _flag(one.number("is_engaged")), one.reached.get(book.path.engaged),
        ", ".join(part.opened.phase.title for part in held) or None, done / whole if whole else None,
        sum(len(part.overdue) for part in held), window(book, one),
        ("not yet" if gate(book, one) else "yes") if signs else None, one.advocate is not None, due_at(book, one),
    )  # fmt: skip


def _green(ones: list[Customer]) -> Figure:
    known = [one.number("is_green") for one in ones if one.number("is_green") is not None]
    return share(sum(1 for green in known if green), len(known))


def _value(ones: list[Customer]) -> float | None:
    known = [value for one in ones if (value := one.number("yearly_value")) is not None]
    return sum(known) if known else None


def _flag(number: float | None) -> bool | None:
    return None if number is None else number >= 1
