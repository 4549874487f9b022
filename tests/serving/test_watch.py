"""Daily work: which run is due, whom a watch run tells of, and that nothing is lost until the book's turn."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from retention import house
from serving.assess import assess
from serving.book import ScoredDay, score_book
from serving.delivery import Target
from serving.holding import Holding
from serving.policy import load, scope_due
from serving.run import keep_scored, run_before
from serving.store import accounts, open_store, runs, signs
from serving.store.runs import NewRun
from serving.store.tables import alerts as alert_table
from serving.store.tables import outbox, score_details, scores

POLICY = load()
MONDAY = datetime(2026, 1, 5)
DAY = timedelta(days=1)
TARGET = Target(name="crm", events=("account.scored",))
CALM, LOW, DIRE = "calm", "low", "dire"
NOBODY = Holding(house.load().programme.model_copy(update={"holdout_share": 0.0}), "00" * 16, {})


@pytest.fixture
def team(bundle, rows, tmp_path):
    """Keep a day of the accounts a to f, each calm unless it is named low (yellow) or dire (red); what was found."""
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    ready = replace(bundle, tiers=POLICY.bands)
    inputs = {
        CALM: [24, 60, 2, 10, 0, 0, 50, 0],
        LOW: [12, 79, 5.7, 5, 1, 0, 33, 2],
        DIRE: [3, 33, 7.9, 3, 0, 0, 15, 1],
    }

    def keep(day, scope="book", **states):
        matrix = np.array([inputs[states.get(name, CALM)] for name in "abcdef"], dtype=float)
        scored = book_of(ready, matrix, MONDAY + day * DAY)
        before = run_before(store, keep.policy, MONDAY + day * DAY)
        found = assess(keep.policy, ready, scored, before, business_model="b2b", scope=scope)
        run = NewRun(
            as_of=MONDAY + day * DAY,
            model_version="1",
            policy_digest=POLICY.digest,
            scored_at=MONDAY + day * DAY,
            is_watch=scope == "watch",
        )
        told = {"business_model": "b2b", "drawing": NOBODY, "targets": {"crm": TARGET}}
        return keep_scored(store, keep.policy, ready, scored, run, **told), found

    keep.store, keep.policy = store, POLICY
    yield keep
    store.close()


def book_of(bundle, matrix, day):
    names, n = [spec.name for spec in bundle.features], len(matrix)
    values = {name: pa.array(matrix[:, j], from_pandas=True) for j, name in enumerate(names)}
    ids = pa.array(list("abcdef"))
    features = pa.table({"account_id": ids, "snapshot_at": pa.array([day] * n, pa.timestamp("us")), **values})
    profile = pa.table({"segment": ["one"] * n, "owner": ["o"] * n, "inactive": pa.array([None] * n, pa.bool_())})
    book = score_book(
        bundle,
        features,
        baseline=np.tile(matrix[0], (n, 1)),
        profile=profile,
        data_as_of=dict.fromkeys(bundle.components, day),
        model_version="1",
        scored_at=day,
    )
    usual = {name: pa.array([matrix[0, j]] * n) for j, name in enumerate(names)}
    return ScoredDay(book, features.drop_columns("snapshot_at"), pa.table({"account_id": ids, **usual}))


def told(keep):
    """(day, account) of every alert so far."""
    with keep.store.read() as db:
        rows = db.execute(alert_table.select().order_by(alert_table.c.id)).all()
    return [((row.at - MONDAY).days, row.account_id) for row in rows if row.is_sent]


@pytest.mark.system("C1", "C2")
@pytest.mark.parametrize(
    ("model", "book", "run", "scope"),
    [
        pytest.param("b2b", None, None, "book", id="the first run is of the book"),
        pytest.param("b2b", 7, 1, "book", id="b2b: the book after a week"),
        pytest.param("b2b", 6, 1, "watch", id="b2b: the watched every day"),
        pytest.param("b2b", 6, 0.5, None, id="b2b: nothing within the day"),
        pytest.param("saas", 1, 1, "book", id="saas: the book every day"),
        pytest.param("saas", 0.5, 0.5, None, id="saas: nothing within the day"),
        pytest.param("b2c", 1, 1, "book", id="b2c: the book every day"),
    ],
)
def test_which_run_is_due(model, book, run, scope):
    last_book, last_run = (None if days is None else MONDAY - days * DAY for days in (book, run))
    assert scope_due(POLICY, model, last_book=last_book, last_run=last_run, now=MONDAY) == scope


def test_the_states_of_this_test_are_what_they_are_called(team):
    _, found = team(0, b=DIRE, c=LOW)
    assert "".join(s.tier[0] for s in found.situations) == "gryggg"
    assert found.due is None


@pytest.mark.system("C1")
def test_a_watch_run_is_about_red_accounts_those_that_turn_red_and_those_that_leave_red(team):
    team(0, b=DIRE, c=DIRE)
    _, found = team(1, "watch", b=DIRE, d=DIRE, e=LOW)
    assert found.due == {"b", "c", "d"}
    _, found = team(2, "watch", b=DIRE, d=DIRE, e=LOW)
    assert found.due == {"b", "d"}, "people were told yesterday that c left red"


def test_a_new_account_is_due_at_once(team):
    team(0)
    with team.store.write() as db:
        db.execute(score_details.delete().where(score_details.c.account_id == "f"))
        db.execute(scores.delete().where(scores.c.account_id == "f"))
    _, found = team(1, "watch")
    assert found.due == {"f"}


@pytest.mark.system("C1")
def test_the_portfolio_after_a_watch_run_is_the_whole_book_of_that_day_and_adds_up(team):
    team(0, b=DIRE)
    written, _ = team(1, "watch", b=DIRE, c=DIRE, e=LOW)
    with team.store.read() as db:
        assert runs.latest(db) == written.run
        page = accounts.page(db)
        counts = {count.tier: count.accounts for count in runs.by_tier(db, since=written.run.as_of)}
    assert written.run.is_watch
    assert counts == {"green": 3, "yellow": 1, "red": 2}
    assert Counter(score.tier for score in page.accounts) == counts


def test_what_is_red_is_told_the_same_day(team):
    team(0)
    team(1, "watch", d=DIRE)
    assert set(told(team)) == {(1, "d")}


@pytest.mark.system("C1")
def test_what_is_not_due_waits_for_the_book_and_is_told_once(team):
    """e falls to yellow on day 1; day 7 compares with the last book, for which it is news, not with day 6."""
    team(0)
    for day in range(1, 7):
        team(day, "watch", e=LOW)
        assert told(team) == []
    team(7, e=LOW)
    assert told(team)
    assert set(told(team)) == {(7, "e")}
    number = len(told(team))
    team(8, "watch", e=LOW)
    team(14, e=LOW)
    assert len(told(team)) == number


def test_what_came_and_went_between_two_books_is_not_told(team):
    team(0)
    team(1, "watch", e=LOW)
    team(7)
    assert told(team) == []


def test_an_alert_that_the_budget_held_back_goes_out_on_a_watch_day(team):
    team.policy = POLICY.model_copy(update={"alerts": POLICY.alerts.model_copy(update={"daily_budget": 1})})
    team(0)
    team(7, d=LOW, e=LOW)
    assert len(told(team)) == 1
    for day in (8, 9, 10):
        team(day, "watch", d=LOW, e=LOW)
    assert {account for _, account in told(team)} == {"d", "e"}


def test_signs_are_raised_and_closed_for_the_due_alone(team):
    def open_signs():
        with team.store.read() as db:
            return {(sign.account_id, sign.at) for sign in signs.list_open(db)}

    team(0, b=DIRE, c=LOW)
    assert open_signs() == {("b", MONDAY), ("c", MONDAY)}
    team(1, "watch", e=LOW)
    assert open_signs() == {("c", MONDAY)}, "b was due; c is not due, so it stays; e waits"
    team(7, e=LOW)
    assert open_signs() == {("e", MONDAY + 7 * DAY)}


def test_only_scores_of_the_due_are_mirrored_to_other_systems(team):
    team(0, b=DIRE)
    team(1, "watch", b=DIRE, e=LOW)
    with team.store.read() as db:
        mirrored = [(row.created_at, row.account_id) for row in db.execute(outbox.select()) if row.kind == "scored"]
    assert Counter(day for day, _ in mirrored) == {MONDAY: 6, MONDAY + DAY: 1}
    assert (MONDAY + DAY, "b") in mirrored


def test_a_watch_run_again_changes_nothing(team):
    team(0, b=DIRE)
    assert [team(1, "watch", b=DIRE)[0].is_new for _ in range(2)] == [True, False]
