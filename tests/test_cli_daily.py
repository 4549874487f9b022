"""Daily work on the command line: facts that persons tell, and runs that the cadence asks for."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from features.synthetic import simulate, write
from serving.store import accounts, audit, open_store, own_rows, runs, signs, usage_events
from serving.store.usage_events import NewEvent

DAY = datetime(2024, 1, 28)


@pytest.fixture(scope="module")
def company(tmp_path_factory) -> Path:
    """A small b2b company's raw files; there is no model, so scores come from the typical weights."""
    folder = tmp_path_factory.mktemp("daily")
    write(simulate(accounts=120, months=14, seed=3), folder)
    config = folder / "keepwell.toml"
    config.write_text(config.read_text().replace('business_model = "saas"', 'business_model = "b2b"'))
    return folder


@pytest.fixture
def go(company, cli):
    """Run a command of the company and give its object."""

    def run(*words, code=0):
        ran = cli(*words, "--json", cwd=company)
        assert ran.code == code, ran.err
        return ran.json if code == 0 else ran.err

    return run


@pytest.fixture
def read(company):
    """Ask the company's store."""

    def ask(question):
        store = open_store(f"sqlite:///{company / '.keepwell' / 'store.db'}")
        with store.read() as db:
            found = question(db)
        store.close()
        return found

    return ask


def due(go, days, code=0):
    return go("score", "--as-of", f"{DAY + timedelta(days=days):%Y-%m-%d}", "--store", "--due", code=code)


@pytest.mark.system("W11")
def test_facts_are_told_listed_taken_back_and_read_by_the_next_run(go, read, company, cli):
    book = go("score", "--as-of", f"{DAY - timedelta(days=7):%Y-%m-%d}", "--store")
    who = read(accounts.page).accounts[0].account_id
    assert book["accounts"] == read(runs.latest).accounts
    assert go("facts", "set", who, "org_change_days_ago", "2024-01-20", "--at", "2024-01-25")["is_new"]
    assert not go("facts", "set", who, "org_change_days_ago", "2024-01-20", "--at", "2024-01-26")["is_new"]
    assert go("facts", "set", who, "strategic", "1", "--at", "2024-01-25", "--note", "board")["is_new"]
    assert go("facts", "clear", who, "strategic", "--at", "2024-01-26")["is_new"]
    assert [(f["name"], f["value"]) for f in go("facts", "list")] == [("org_change_days_ago", None)]
    history = [(f["name"], f["value"], f["note"]) for f in go("facts", "list", who)]
    assert history[:2] == [("strategic", None, None), ("strategic", 1.0, "board")]
    assert "2024-01-20" in cli("facts", "list", cwd=company).out
    assert read(lambda db: audit.recent(db, subject=who))[0].action == "clear fact"
    assert due(go, 0)["is_new"]
    warned = read(lambda db: accounts.account(db, who)).detail["warnings"]
    assert {sign["rule"]: sign["text"] for sign in warned}["W11"] == "known for 8 days"


def test_what_cannot_be_told_is_refused(go):
    assert "nothing that the policy asks for" in go("facts", "set", "A", "mood", "1", code=1)
    assert "at least 0 and at most 1" in go("facts", "set", "A", "goal_attainment", "7", code=1)
    assert "future" in go("facts", "set", "A", "strategic", "1", "--at", "2999-01-01", code=2)


@pytest.mark.system("C1")
def test_the_cadence_decides_what_is_due(go, read, company):
    assert due(go, 0)["due"] is None, "the book"
    watch = due(go, 1)
    last = read(runs.latest)
    assert (last.is_watch, last.accounts) == (True, watch["accounts"])
    assert 0 < watch["due"] < watch["accounts"]
    assert watch["due"] >= watch["tiers"]["red"]
    assert due(go, 1)["is_new"] is False
    assert due(go, 7)["due"] is None
    assert not read(runs.latest).is_watch
    still = {sign.account_id for sign in read(signs.list_open)}
    assert still <= {score.account_id for score in read(lambda db: accounts.page(db, limit=200)).accounts}


def test_a_day_on_which_nothing_is_due_writes_nothing(go, read, company, cli):
    due(go, 7)
    own = company / "policy.toml"
    rule = {"score_every_days": 7, "watch_tiers": [], "watch_every_days": 1}
    lines = [f"{name} = {json.dumps(value)}" for name, value in rule.items()]
    own.write_text("\n".join(["[business.b2b]", *lines, "data_days = { usage = 7 }"]))
    assert due(go, 9) == {"as_of": "2024-02-06 00:00:00", "run": None, "due": 0}
    words = ("score", "--as-of", "2024-02-06", "--store", "--due")
    assert cli(*words, cwd=company).out == "Nothing is due on 2024-02-06.\n"
    assert read(runs.latest).as_of == DAY + timedelta(days=7)
    own.unlink()
    assert go("score", "--as-of", "2024-02-06", "--due", code=2)


def test_a_run_keeps_rows_for_events_to_come_counts_those_that_came_and_keeps_none_when_told_so(go, read, company):
    days = [DAY + timedelta(days=number) for number in (300, 301, 302)]
    first, second, third = (f"{day:%Y-%m-%d}" for day in days)
    go("score", "--as-of", first, "--store")
    kept = read(own_rows.current)
    assert kept.as_of == days[0]
    who = read(accounts.page).accounts[0].account_id
    before = read(lambda db: accounts.account(db, who)).features
    store = open_store(f"sqlite:///{company / '.keepwell' / 'store.db'}")
    with store.write() as db:
        assert own_rows.known(db, kept, [who]) == {who}
        for hour in range(1, 4):
            at = days[1] - timedelta(hours=hour)
            usage_events.keep(db, NewEvent(account_id=who, at=at, known_at=at, event="login"))
    store.close()
    go("score", "--as-of", second, "--store")
    after = read(lambda db: accounts.account(db, who)).features
    names = [spec["name"] for spec in read(lambda db: runs.model(db, runs.latest(db).model_version)).about["features"]]
    events = names.index("events_7d")
    assert (before[events], after[events]) == (0, 3)
    assert {event.counted_as_of for event in read(lambda db: usage_events.of(db, [who]))} == {days[1]}
    config = company / "keepwell.toml"
    config.write_text(config.read_text() + "\n[store]\nkeep_rows = false\n")
    go("score", "--as-of", third, "--store")
    assert read(own_rows.current) is None
