"""Old scores on the pages: said where they are older than the cadence, and nowhere else."""

from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from serving.api import Facts, ModelHolder, create_app, open_context
from serving.pages import routes
from serving.store import accounts

MADE = datetime(2026, 2, 9)
"""When the last run of the seeded store was made."""


@pytest.fixture
def page_after(store, policy, tokens):
    """The text of a page so many days after the scores were made, at a company that scores weekly, red ones daily."""

    def page(days, path):
        now = MADE + timedelta(days=days)
        facts, models = Facts("A company", "b2b"), ModelHolder(policy.bands)
        opening = open_context(store, models, policy, facts, secret=b"s" * 32, clock=lambda: now)
        with TestClient(create_app(lambda: opening, pages=routes())) as client:
            client.post("/login", data={"key": tokens["read"]})
            return client.get(path).text

    return page


@pytest.fixture(scope="module")
def named(store):
    """An account of each tier."""
    with store.read() as db:
        return {
            score.tier: score.account_id
            for score in accounts.page(db, limit=200).accounts
            if "/" not in score.account_id
        }


@pytest.mark.parametrize(
    ("days", "tier", "is_old"),
    [
        pytest.param(1, "red", False, id="red, on the day"),
        pytest.param(2, "red", True, id="red, the day after"),
        pytest.param(2, "green", False, id="green, within the week"),
        pytest.param(8, "green", True, id="green, after the week"),
    ],
)
def test_an_account_page_says_that_its_score_is_old(page_after, named, days, tier, is_old):
    page = page_after(days, f"/accounts/{named[tier]}")
    assert ("Old score" in page) == is_old
    assert (f"older than the cadence of {'1 day' if tier == 'red' else '7 days'}" in page) == is_old


def test_the_portfolio_says_that_all_its_scores_are_old(page_after):
    assert "These scores are old" not in page_after(7, "/")
    assert "These scores are old: older than the cadence of 7 days" in page_after(8, "/")
