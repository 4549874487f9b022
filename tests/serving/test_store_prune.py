"""Pruning: what is old is thinned to one run a week, what is done with goes, and nothing else does."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from serving.delivery import target_states
from serving.store import audit, decisions, idempotency, outbox, runs, tables
from serving.store import prune as module
from serving.store.decisions import Choosing
from serving.store.prune import prune
from serving.store.runs import NewRun
from serving.store.scores import Score, Scored

MONDAY = datetime(2026, 1, 5)
NOW = datetime(2026, 3, 2)
KEPT_DAYS = 30
BEFORE = NOW - timedelta(days=KEPT_DAYS)
MINUTE = timedelta(minutes=1)


def score(store, day, *, model="7", shadow=False):
    """A run of two accounts; its id."""
    run = NewRun(as_of=day, model_version=model, policy_digest="p", scored_at=day, is_shadow=shadow)
    rows = [Scored(score=Score(account_id=name, tier="red"), detail={"id": name}) for name in ("a", "b")]
    with store.write() as db:
        return runs.write_run(db, run, rows).run.id


def tell(store, name, *answers, at=MONDAY, targets=("crm",)):
    """An event and what its target answers try by try: True takes it, False does not, None gives it up."""
    with store.write() as db:
        event = outbox.Event(kind="k", account_id=name, body={}, created_at=at, dedupe_key=name)
        outbox.add(db, event, targets)
    for number, is_ok in enumerate(answers):
        moment = at + number * MINUTE
        with store.write() as db:
            claims = outbox.claim(db, at=moment, lease=MINUTE, target=targets[0])
            (claim,) = [one for one in claims if one.account_id == name]
            if is_ok:
                outbox.ack(db, claim, at=moment, response="200")
            else:
                again = None if is_ok is None else moment + MINUTE
                outbox.fail(db, claim, at=moment, response="410 gone", retry_at=again)


def pruned(store, **how):
    return prune(store, at=NOW, keep_days=KEPT_DAYS, is_trial=False, **how)


def days(store, table=tables.runs):
    with store.read() as db:
        return [day.date().isoformat() for day in db.scalars(select(table.c.as_of).order_by(table.c.as_of))]


def names(store, table=tables.outbox):
    with store.read() as db:
        return set(db.scalars(select(table.c.account_id)))


def number(store, table):
    with store.read() as db:
        return len(db.execute(select(table)).all())


def test_of_old_days_the_last_of_each_week_stays(store):
    for day in range(10):  # Monday 5 to Wednesday 14 January
        score(store, MONDAY + timedelta(days=day))
    score(store, BEFORE)
    score(store, BEFORE + timedelta(days=1))
    found = pruned(store)
    assert (found.runs, found.scores) == (8, 16)
    assert days(store) == ["2026-01-11", "2026-01-14", "2026-01-31", "2026-02-01"]
    assert (number(store, tables.scores), number(store, tables.score_details)) == (8, 8)
    assert number(store, tables.run_tiers) == 4


def test_an_old_shadow_goes_and_the_one_beside_the_newest_run_stays(store):
    score(store, MONDAY)
    score(store, MONDAY, model="8", shadow=True)
    score(store, MONDAY + timedelta(days=7))
    score(store, MONDAY + timedelta(days=7), model="8", shadow=True)
    assert pruned(store).shadow_runs == 1
    assert days(store) == ["2026-01-05", "2026-01-12", "2026-01-12"]


def test_a_run_that_was_scored_again_under_a_new_policy_leaves_the_one_that_is_shown(store):
    score(store, MONDAY)
    again = score(store, MONDAY, model="8")
    score(store, NOW)
    pruned(store)
    with store.read() as db:
        assert runs.list_runs(db)[0].id == again
    assert days(store) == ["2026-01-05", "2026-03-02"]


def test_a_run_on_which_somebody_decided_stays(store):
    decided = score(store, MONDAY)
    score(store, MONDAY + timedelta(days=1))
    score(store, NOW)
    with store.write() as db:
        decisions.decide(db, Choosing(account_id="a", at=MONDAY, by="k", choice="accept", values={}, run_id=decided))
    assert pruned(store).runs == 0
    assert len(days(store)) == 3


@given(offsets=st.lists(st.integers(0, 70), unique=True, max_size=12))
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_week_that_had_a_run_has_its_last_and_a_second_time_nothing_goes(store, offsets):
    with store.write() as db:
        db.execute(tables.runs.delete())
    made = sorted(MONDAY + timedelta(days=offset) for offset in offsets)
    for day in made:
        score(store, day)
    pruned(store)
    newest = made[-1:] or [NOW]
    weeks = {}
    for day in made:
        weeks[(day - MONDAY).days // 7] = day
    wanted = {day for day in made if day >= min(BEFORE, *newest)} | set(weeks.values())
    assert days(store) == [day.date().isoformat() for day in sorted(wanted)]
    assert pruned(store).runs == 0


def test_only_an_event_that_everybody_has_taken_goes(store):
    tell(store, "taken", False, True)
    tell(store, "given up", None)
    tell(store, "waits")
    tell(store, "to nobody", targets=())
    tell(store, "half", True, targets=("crm", "hook"))
    tell(store, "last of hook", True, targets=("hook",))
    tell(store, "last of crm", True, at=MONDAY + timedelta(days=1))
    tell(store, "young", True, at=BEFORE)
    assert pruned(store).events == 3
    assert names(store) == {"given up", "waits", "half", "last of hook", "young"}
    assert number(store, tables.delivery_attempts) == 4


def test_a_target_that_came_back_is_not_thought_gone_again(store):
    """Its dead letters stay with their failures, so what ended the failures stays too."""
    tell(store, "gone", None)
    tell(store, "back", True, at=MONDAY + timedelta(days=1))
    pruned(store)
    with store.read() as db:
        (state,) = target_states(db, ["crm"])
    assert (state.is_disabled, state.told) == (False, "running")


def test_events_of_the_newest_run_s_day_stay_however_old_it_is(store):
    """The same day scored by another model would tell them again."""
    score(store, MONDAY)
    tell(store, "told", True)
    tell(store, "last", True)
    assert pruned(store).events == 0


def test_audit_entries_go_only_when_that_is_asked_for(store):
    with store.write() as db:
        audit.record(db, [audit.Entry(at=at, action="a", detail={}) for at in (MONDAY, BEFORE - MINUTE, BEFORE)])
    assert pruned(store).audit_entries == 0
    assert number(store, tables.audit) == 3
    assert pruned(store, with_audit=True).audit_entries == 2
    assert number(store, tables.audit) == 1


def test_answers_go_after_a_day(store):
    for key, at in (("old", NOW - timedelta(hours=25)), ("new", NOW - timedelta(hours=23))):
        with store.write() as db:
            idempotency.claim(db, key_id="k", idempotency_key=key, body_hash="h", at=at, lease=MINUTE)
    assert pruned(store).answers == 1
    assert number(store, tables.idempotency) == 1


def test_a_trial_counts_the_same_and_drops_nothing(store):
    for day in range(9):
        score(store, MONDAY + timedelta(days=day), shadow=day == 3)
        tell(store, f"e{day}", True)
    score(store, NOW)
    with store.write() as db:
        audit.record(db, [audit.Entry(at=MONDAY, action="a", detail={})])
    how = {"at": NOW, "keep_days": KEPT_DAYS, "with_audit": True}
    rows = [number(store, table) for table in tables.metadata.sorted_tables]
    told = prune(store, **how, is_trial=True)
    assert rows == [number(store, table) for table in tables.metadata.sorted_tables]
    assert told == prune(store, **how, is_trial=False)
    assert told.counts == {"shadow_runs": 1, "runs": 6, "scores": 14, "events": 8, "answers": 0, "audit_entries": 1}
    assert not any(prune(store, **how, is_trial=True).counts.values())


@pytest.mark.parametrize("rows", [4, 5, 9])
def test_many_are_dropped_a_few_at_a_time(store, monkeypatch, rows):
    monkeypatch.setattr(module, "CHUNK", 4)
    with store.write() as db:
        audit.record(db, [audit.Entry(at=MONDAY, action="a", detail={})] * rows)
    assert pruned(store, with_audit=True).audit_entries == rows
    assert number(store, tables.audit) == 0


def test_an_empty_store_has_nothing_to_prune(store):
    assert not any(pruned(store, with_audit=True).counts.values())
