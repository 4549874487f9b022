"""Small companies whose customers' ways can be read from the rows."""

from datetime import datetime, timedelta

import pytest

from retention.inputs import Standards
from retention.journey.book import look

STANDARDS = Standards(tiers=("green", "yellow", "red"), touch_every_days={"high": 7, "low": 30}, renewal_days=(90, 30))


@pytest.fixture
def looked(measured):
    """The book of a company of literal rows, by the standards of a policy."""

    def make(as_of="2025-01-01", *, standards=STANDARDS, **given):
        inputs = measured(as_of, **given)
        object.__setattr__(inputs, "standards", standards)
        return look(inputs)

    return make


@pytest.fixture
def term():
    """A contract from a day on for so many days, open-ended."""

    def make(account, start, days=365, seats=10, **more):
        begin = datetime.fromisoformat(start)
        renews = begin + timedelta(days=days)
        return {"account_id": account, "started_at": begin, "renews_at": renews, "mrr": 100.0, "seats": seats, **more}

    return make


@pytest.fixture
def uses():
    """Usage of an account on given days: events by one person."""

    def make(account, days, events=("login",), user="u1"):
        return [
            {"account_id": account, "user_id": user, "session_id": f"{account}{day}", "event": event,
             "at": datetime.fromisoformat(day) + timedelta(hours=9, minutes=minute)}
            for day in days
            for minute, event in enumerate(events)
        ]  # fmt: skip

    return make
