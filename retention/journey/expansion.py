"""Who is ready for more: the signal, and the gate of health and realised value (systems S7, S8, A13, G4)."""

from datetime import datetime

from features.declare import text_literal
from retention.blocks import Block, Column, rows
from retention.conditions import Test
from retention.journey.book import Book, Customer
from retention.journey.cells import ACCOUNT, OWNER, SEGMENT

Intent = dict[str, tuple[int, str, datetime]]
"""By account: how often, which event last, and when."""


def intents(book: Book) -> Intent:
    """Events of the last days that say a customer wants more, by account; empty where retention.toml names none."""
    asked = book.inputs.house.expansion
    if not asked.upgrade_events:
        return {}
    names = ", ".join(map(text_literal, asked.upgrade_events))
    found = book.inputs.rows(
        f"""SELECT r.account_id, COUNT(*), ARG_MAX(r.event, r.at), MAX(r.at) FROM known_usage r
            JOIN customer_spans s ON s.account_id = r.account_id AND s.ended_at IS NULL
            WHERE r.event IN ({names}) AND r.at >= {book.inputs.moment} - INTERVAL {asked.upgrade_days} DAY
            GROUP BY r.account_id ORDER BY r.account_id"""
    )
    return {str(a): (int(str(n)), str(event), at) for a, n, event, at in found if isinstance(at, datetime)}


def signals(book: Book, one: Customer, wanted: Intent) -> list[str]:
    """What says that a customer is ready for more, in words; empty where nothing does."""
    asked, use = book.inputs.house.expansion, one.number("seat_use_28d")
    found = []
    if use is not None and use >= asked.seats_from:
        found.append("seats used up")
    if one.account_id in wanted:
        found.append(f"tried {wanted[one.account_id][1]}")
    return found


def gate(book: Book, one: Customer) -> list[str]:
    """What is missing before more may be offered, in words; empty when the gate is open."""
    condition = book.inputs.house.expansion.gate
    if one.holds(condition):
        return []
    missing = [_words(test, one) for test in condition.all if not test.holds(one.number(test.feature))]
    if condition.any and not any(test.holds(one.number(test.feature)) for test in condition.any):
        missing.append("none of: " + ", ".join(_words(test, one) for test in condition.any))
    return missing


def expansion(book: Book, wanted: Intent) -> Block:
    """Customers with a signal: those whose gate is open first, then the most valuable (systems S7, A13, G4)."""
    told = []
    for one in book.customers:
        why = signals(book, one, wanted)
        if why:
            missing = gate(book, one)
            told.append((one.account_id, one.owner, one.segment, not missing, "; ".join(why),
                         one.number("seat_use_28d"), one.number("users_28d"), one.number("seats"),
                         one.number("health_score"), one.reached.get(book.path.first_value), "; ".join(missing),
                         one.number("yearly_value")))  # fmt: skip
    told.sort(key=lambda row: (not row[3], -(row[11] or 0.0), row[0]))
    return Block(
        id="expansion",
        title="Expansion",
        systems=("S7", "A13", "G4"),
        says=f"Customers whose active people fill {book.inputs.house.expansion.seats_from:.0%} of their seats or who "
        "tried what their plan has not. Ready: healthy, and value is realised (gate of retention.toml); the others "
        "are not to be asked yet, and why.",
        columns=(
            ACCOUNT,
            OWNER,
            SEGMENT,
            Column("is_ready", "Ready", "flag"),
            Column("signal", "Signal"),
            Column("seat_use", "Seats used", "share"),
            Column("users_28d", "People in 28 days", "count"),
            Column("seats", "Seats", "count"),
            Column("health_score", "Health", "points"),
            Column("first_value_at", "First value", "day"),
            Column("missing", "What is missing"),
            Column("yearly_value", "Yearly value", "money"),
        ),
        rows=rows(told),
        account="account_id",
    )


def upgrade_intent(book: Book, wanted: Intent) -> Block:
    """The events of upgrade intent, the newest first (systems S8)."""
    owners = {one.account_id: one.owner for one in book.customers}
    told = [(account, owners.get(account), event, n, at) for account, (n, event, at) in wanted.items()]
    told.sort(key=lambda row: (row[4], row[0]), reverse=True)
    return Block(
        id="upgrade_intent",
        title="Upgrade intent",
        systems=("S8",),
        says=f"Events of the last {book.inputs.house.expansion.upgrade_days} days that say a customer wants more: "
        f"{', '.join(book.inputs.house.expansion.upgrade_events)}.",
        columns=(
            ACCOUNT,
            OWNER,
            Column("event", "Last event"),
            Column("times", "Times", "count"),
            Column("last_at", "Last", "day"),
        ),
        rows=rows(told),
        account="account_id",
    )


def goals(book: Book) -> Block:
    """What persons told of the goals that customers reach (systems S6)."""
    told = [
        (one.account_id, one.owner, one.number("goal_attainment"), one.number("is_engaged"), one.number("health_score"))
        for one in book.customers
        if one.number("goal_attainment") is not None
    ]
    told.sort(key=lambda row: (row[2], row[0]))
    return Block(
        id="goals",
        title="Goals reached",
        systems=("S6",),
        says="Share of the goals they bought for that customers reach, as told by `keepwell facts set ACCOUNT "
        "goal_attainment`; the least first. Use without goals is not value.",
        columns=(
            ACCOUNT,
            OWNER,
            Column("goal_attainment", "Goals reached", "share"),
            Column("is_engaged", "Engaged (1) or not", "number"),
            Column("health_score", "Health", "points"),
        ),
        rows=rows(told),
        account="account_id",
    )


def _words(test: Test, one: Customer) -> str:
    known = one.number(test.feature)
    bounds = (("above", test.above), ("at least", test.at_least), ("below", test.below), ("at most", test.at_most))
    asked = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
    return f"{test.feature.replace('_', ' ')} is {'not known' if known is None else f'{known:g}'}, {asked} asked"
