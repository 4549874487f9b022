"""What starts a message today: a signup, a silence, a win; and what the rewards cost (systems L2, L9, L16, L17)."""

from datetime import datetime, timedelta

from features.declare import text_literal
from retention.blocks import Block, Column, rows
from retention.journey.activity import is_silent
from retention.journey.book import Book
from retention.journey.cells import ACCOUNT, OWNER, SEGMENT
from retention.silence import Threshold

Trigger = tuple[str, str, datetime | None, str]
"""Account, kind (onboarding, re_engagement, referral), when it happened, why."""


def triggers(book: Book, silences: list[Threshold]) -> Block:
    """Every trigger that holds now, by kind."""
    people = {one.account_id: one for one in book.customers}
    found = [*signups(book), *silent(book, silences), *wins(book)]
    return Block(
        id="triggers",
        title="Triggers for messages",
        systems=("L2", "L9", "L16"),
        says="For the marketing tool (JSON: `keepwell measure --chapter journey --json`). onboarding: began within "
        f"{book.inputs.house.triggers.onboarding_days} days and is not activated. re_engagement: silent beyond the "
        f"segment's threshold. referral: a win within {book.inputs.house.triggers.win_days} days, nobody who was a "
        "detractor at the last answer.",
        columns=(
            ACCOUNT,
            OWNER,
            SEGMENT,
            Column("trigger", "Trigger"),
            Column("at", "When", "day"),
            Column("why", "Why"),
        ),
        rows=rows((a, people[a].owner, people[a].segment, kind, at, why) for a, kind, at, why in found if a in people),
        account="account_id",
    )


def signups(book: Book) -> list[Trigger]:
    """Who began lately and is not activated (systems L2)."""
    days, activated = book.inputs.house.triggers.onboarding_days, book.path.activated
    return [
        (one.account_id, "onboarding", one.began_at, "signed up")
        for one in book.customers
        if one.age_days <= days and activated not in one.reached and (book.watched_from or one.began_at) <= one.began_at
    ]


def silent(book: Book, silences: list[Threshold]) -> list[Trigger]:
    """Who is silent beyond the threshold (systems L9)."""
    told = []
    for one in book.customers:
        if silences and is_silent(one, silences):
            days = one.number("days_since_last_use")
            at = None if days is None else book.as_of - timedelta(days=int(days))
            told.append(
                (one.account_id, "re_engagement", at, "silent" if days is None else f"silent for {days:g} days")
            )
    return told


def wins(book: Book) -> list[Trigger]:
    """Who had a win lately: praise in a survey or review, a promoter, or an event of the company (systems L16)."""
    asked, praise = book.inputs.house.triggers, book.inputs.house.advocates
    since = f"r.at >= {book.inputs.moment} - INTERVAL {asked.win_days} DAY"
    good = f"""(kind = 'nps' AND score >= {praise.nps_from}) OR (kind = 'review' AND score >= {praise.review_from})
               OR (kind = 'csat' AND score >= 5)"""
    parts = [f"SELECT account_id, r.at AS won_at, kind AS why FROM known_feedback r WHERE {since} AND ({good})"]
    if asked.win_events:
        names = ", ".join(map(text_literal, asked.win_events))
        parts.append(f"SELECT account_id, r.at, event FROM known_usage r WHERE {since} AND event IN ({names})")
    found = book.inputs.rows(
        f"""SELECT account_id, MAX(won_at), ARG_MAX(why, won_at) FROM ({" UNION ALL ".join(parts)})
            GROUP BY account_id ORDER BY account_id"""
    )
    sour = {one.account_id for one in book.customers if (one.number("nps_last") or 10) <= 6}
    return [
        (str(account), "referral", at, f"a win: {why}")
        for account, at, why in found
        if isinstance(at, datetime) and str(account) not in sour
    ]


def rewards(book: Book) -> Block:
    """The rewards given, month by month, as a cost (systems L17)."""
    names = ", ".join(map(text_literal, book.inputs.house.triggers.reward_plays))
    found = book.inputs.rows(
        f"""SELECT CAST(DATE_TRUNC('month', r.at) AS DATE) AS month, play, COUNT(*), COUNT(DISTINCT account_id),
                   SUM(cost_cents) / 100.0 FROM known_interventions r
            WHERE play IN ({names}) AND arm = 'treated' GROUP BY month, play ORDER BY month, play"""
    )
    return Block(
        id="rewards",
        title="Rewards of referrals",
        systems=("L17",),
        says="Interventions that are rewards (reward_plays of retention.toml): how many, to how many, and their cost, "
        "which is the cost of referred customers.",
        columns=(
            Column("month", "Month", "month"),
            Column("reward", "Reward"),
            Column("given", "Given", "count"),
            Column("accounts", "Accounts", "count"),
            Column("cost", "Cost", "money"),
        ),
        rows=rows((m, p, n, a, None if c is None else float(str(c))) for m, p, n, a, c in found),
    )
