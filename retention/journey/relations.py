"""On how many people an account rests (systems P5): never on a single champion."""

from retention.blocks import Block, Column, rows
from retention.journey.book import Book, Customer
from retention.journey.cells import ACCOUNT, OWNER

FROM_DAY = 366
"""Year 2 begins with month 13."""


def multithreading(book: Book) -> Block:
    """Customers from month 13: their people, and those who hang on one of them first."""
    asked, spoke = book.inputs.house.journey, _spoke(book)
    told = [
        (one.account_id, one.owner, one.number("users_84d"), None if spoke is None else spoke.get(one.account_id, 0),
         one.number("executive_contacts_364d"), one.number("top_user_share_84d"),
         _left(one), depends(one, asked.champion_share, asked.fewest_people), one.number("yearly_value"))
        for one in book.customers
        if one.age_days >= FROM_DAY
    ]  # fmt: skip
    told.sort(key=lambda row: (not row[7], -(row[8] or 0.0), row[0]))
    return Block(
        id="multithreading",
        title="How many people carry it",
        systems=("P5",),
        says="Customers from month 13. Depends on one: fewer than "
        f"{asked.fewest_people} people used it in 84 days, or one made more than {asked.champion_share:.0%} of the "
        "use.",
        columns=(
            ACCOUNT,
            OWNER,
            Column("people", "People in 84 days", "count"),
            Column("spoke", "Who answered in a year", "count"),
            Column("executives", "Executive contacts in a year", "count"),
            Column("top_share", "Use by the busiest", "share"),
            Column("champion_left", "Champion left lately", "flag"),
            Column("depends", "Depends on one", "flag"),
            Column("yearly_value", "Yearly value", "money"),
        ),
        rows=rows(told),
        account="account_id",
    )


def depends(one: Customer, champion_share: float, fewest: int) -> bool | None:
    """Whether an account hangs on one person; None where nobody tells persons apart."""
    people, top = one.number("users_84d"), one.number("top_user_share_84d")
    if people is None:
        return None
    return people < fewest or (top is not None and top > champion_share)


def _left(one: Customer) -> bool | None:
    left = one.number("champion_left")
    return None if left is None else left > 0


def _spoke(book: Book) -> dict[str, int] | None:
    """Different persons who gave feedback within 364 days."""
    if not book.inputs.has("feedback", "user_id"):
        return None
    found = book.inputs.rows(
        f"""SELECT account_id, COUNT(DISTINCT user_id) FROM known_feedback r WHERE kind <> 'survey_sent'
            AND r.at >= {book.inputs.moment} - INTERVAL 364 DAY GROUP BY account_id"""
    )
    return {str(account): int(str(n)) for account, n in found}
