"""Accounts whose health and churn probability disagree, on the pages."""

import csv
from io import StringIO

import pytest
from sqlalchemy import update

from serving.store.tables import scores


@pytest.fixture
def doubted(store):
    """One account that is green until it leaves, in every run; afterwards none, as before."""
    one = scores.c.account_id == "A0040"
    with store.write() as db:
        before = db.execute(
            scores.select().with_only_columns(scores.c.run_id, scores.c.account_id, scores.c.disagrees)
        ).all()
        db.execute(update(scores).values(disagrees=None))
        db.execute(update(scores).where(one).values(disagrees="hidden_risk"))
    yield "A0040"
    with store.write() as db:
        for run_id, account_id, kind in before:
            row = (scores.c.run_id == run_id) & (scores.c.account_id == account_id)
            db.execute(update(scores).where(row).values(disagrees=kind))


def test_the_portfolio_points_them_out_and_lists_them(reviewer, doubted):
    page = reviewer.get("/").text
    assert "Health and churn probability disagree" in page
    assert "All 1 account" in page
    listed = reviewer.get("/?disagrees=true").text
    assert "1 account of 120" in listed
    assert f'<tr data-account="{doubted}">' in listed
    assert "119 accounts of 120" in reviewer.get("/?disagrees=false").text
    assert "Healthy, but among the riskiest" in reviewer.get(f"/accounts/{doubted}").text
    assert "among the riskiest" not in reviewer.get("/accounts/A0041").text
    rows = list(csv.DictReader(StringIO(reviewer.get("/accounts.csv").text)))
    assert {row["account_id"] for row in rows if row["disagrees"] == "hidden_risk"} == {doubted}


def test_where_nobody_disagrees_nothing_is_said(reviewer, doubted, store):
    with store.write() as db:
        db.execute(update(scores).values(disagrees=None))
    assert "probability disagree</h2>" not in reviewer.get("/").text
