"""Many rows at once are the rows that SQLAlchemy would have written one by one, on each database."""

from datetime import datetime

import pytest
from sqlalchemy import insert, select

from serving.errors import ServingError
from serving.store.bulk import insert_rows
from serving.store.tables import alerts, run_tiers, runs, score_details, scores, signs

DAY = datetime(2026, 1, 5, 12, 30, 15, 123456)
RUN = {"as_of": DAY, "model_version": "1", "policy_digest": "p", "scored_at": DAY, "accounts": 2, "is_shadow": False}


def sign(account, rule="W1"):
    told = {"play": "rescue", "due_in_hours": 24.5, "at": DAY, "unknown": float("nan"), "none": None, "list": (1, 2)}
    return {"account_id": account, "rule": rule, "at": DAY, "severity": "high", "text": '„é" \\ \n', "response": told}


def score(account, **more):
    empty = dict.fromkeys(column.name for column in scores.c)
    numbers = {"health_score": 0.1 + 0.2, "churn_probability": float("nan"), "yearly_value": -0.0, "log_odds": 1e-300}
    placed = {"run_id": 1, "account_id": account, "risk_rank": 1, "health_rank": 2, "status": "ok"}
    return {**empty, **placed, "is_stale": True, "renewal_at": DAY, "top_driver_1": "x, 'y' %s {}", **numbers, **more}


def test_rows_read_back_as_those_written_one_by_one(store):
    detail = {"run_id": 1, "account_id": "a", "detail": {"é": [1.5, None]}, "change": None, "features": [0.1, None]}
    given = {
        signs: [sign("a"), sign("b")],
        scores: [score("a"), score("b", inactive=False, tier="red")],
        score_details: [{**detail, "baseline": None}],
        alerts: [{"key": "k", "at": DAY, "account_id": None, "is_sent": True, "is_urgent": False}],
        run_tiers: [{"run_id": 1, "tier": None, "accounts": 3, "yearly_value": None, "value_at_risk": 2.5}],
    }
    read = []
    for write in (lambda db, table, rows: [db.execute(insert(table), [row]) for row in rows], insert_rows):
        with store.write() as db:
            db.execute(runs.delete())
            db.execute(insert(runs).values(id=1, **RUN))
            for table, rows in given.items():
                db.execute(table.delete())
                write(db, table, rows)
            read.append([db.execute(select(*(c for c in t.c if c.name != "id"))).all() for t in given])
    assert read[0] == read[1]


def test_a_row_that_is_there_is_left_out_where_that_is_asked_and_refused_else(store):
    with store.write() as db:
        assert insert_rows(db, signs, [sign("a"), sign("b")], once=True) == 2
        assert insert_rows(db, signs, [sign("b"), sign("c"), sign("c")], once=True) == 1
        assert insert_rows(db, signs, []) == 0
    with pytest.raises(ServingError, match="refused"), store.write() as db:
        insert_rows(db, signs, [sign("d"), sign("a")])
    with store.read() as db:
        assert sorted(db.scalars(select(signs.c.account_id))) == ["a", "b", "c"]


def test_what_no_column_may_hold_is_refused(store):
    with pytest.raises(ServingError, match="no number to keep"), store.write() as db:
        insert_rows(db, run_tiers, [{"run_id": 1, "tier": "red", "accounts": 1, "value_at_risk": float("inf")}])
