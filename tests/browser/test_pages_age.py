"""Old scores on the pages: said where they are older than the cadence, and nowhere else."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from serving.api import Facts, ModelHolder, create_app, open_context
from serving.pages import routes
from serving.store import accounts, runs, signs
from serving.store.tables import score_details
from serving.store.tables import signs as sign_table

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


@pytest.mark.system("C4")
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


@pytest.mark.system("W14")
def test_a_warning_past_its_deadline_is_overdue(page_after, store):
    """The run is of 9 February: a response that was due on the 8th is late, one that is due on the 10th is not."""
    sign = signs.Sign(
        account_id="A0050", rule="W14", at=MADE - timedelta(days=2), severity="high", text="NPS 3", response={}
    )
    held = {"rule": "W14", "title": "A detractor answered", "severity": "high", "text": "NPS 3", "owner": "csm"}
    held |= {"play": "detractor_follow_up", "due_in_hours": 24}
    one = score_details.c.account_id == "A0050"
    with store.write() as db:
        run = runs.latest(db).id
        here = one & (score_details.c.run_id == run)
        kept = db.scalar(score_details.select().with_only_columns(score_details.c.detail).where(here))
        db.execute(score_details.update().where(here).values(detail={**kept, "warnings": [held]}))
        signs.raise_all(db, [replace(sign, due_at=MADE - timedelta(days=1))])
    assert "overdue" in page_after(0, "/accounts/A0050")
    with store.write() as db:
        db.execute(
            sign_table.update().where(sign_table.c.account_id == "A0050").values(due_at=MADE + timedelta(days=1))
        )
    assert "overdue" not in page_after(0, "/accounts/A0050")
    with store.write() as db:
        db.execute(sign_table.delete().where(sign_table.c.account_id == "A0050", sign_table.c.rule == "W14"))
        db.execute(score_details.update().where(here).values(detail=kept))


def test_the_portfolio_says_that_all_its_scores_are_old(page_after):
    assert "These scores are old" not in page_after(7, "/")
    assert "These scores are old: older than the cadence of 7 days" in page_after(8, "/")
