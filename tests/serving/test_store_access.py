"""Keys, idempotency, jobs, decisions, signs and audit: what they keep and what they refuse."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import select

from serving.errors import ServingError
from serving.policy.news import Alert
from serving.policy.sending import AlertRun
from serving.store import alerts, audit, decisions, idempotency, jobs, keys, open_store, signs, tables
from serving.store.decisions import Choosing, Doing

NOW = datetime(2026, 1, 1)
SECOND = timedelta(seconds=1)


def new_key(store, role="read"):
    with store.write() as db:
        return keys.create(db, name="crm", role=role, at=NOW)


def verified(store, token):
    with store.read() as db:
        return keys.verify(db, token)


def test_a_token_is_shown_once_and_kept_as_its_hash(store):
    key, token = new_key(store, "decide")
    assert verified(store, token) == key
    prefix, key_id, secret = token.split("_", 2)
    assert (prefix, key_id, len(secret)) == ("kw", key.id, 43)
    with store.read() as db:
        row = db.execute(select(tables.api_keys)).one()
    assert row.hash == sha256(secret.encode()).hexdigest()
    assert secret not in str(row)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda token: token[:-1], id="cut"),
        pytest.param(lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"), id="another last letter"),
        pytest.param(lambda token: token.replace("kw_", "xx_"), id="another prefix"),
        pytest.param(lambda token: "kw_" + "0" * 12 + token[15:], id="another id"),
        pytest.param(lambda token: token.upper(), id="upper case"),
        pytest.param(lambda token: "", id="empty"),
        pytest.param(lambda token: "kw__", id="nothing in it"),
        pytest.param(lambda token: token[:16], id="no secret"),
        pytest.param(lambda token: "kw_' OR 1=1 --_x", id="SQL"),
        pytest.param(lambda token: "kw_é_ü\ud800", id="no text at all"),
    ],
)
def test_a_wrong_token_is_nobodys(store, spoil):
    _, token = new_key(store)
    assert verified(store, spoil(token)) is None


def test_a_revoked_key_ends_at_once(store):
    key, token = new_key(store)
    _, other = new_key(store)
    with store.write() as db:
        keys.touch(db, key.id, at=NOW)
        assert keys.revoke(db, key.id, at=NOW + SECOND)
        assert not keys.revoke(db, key.id, at=NOW)
        assert not keys.revoke(db, "none", at=NOW)
        assert keys.get(db, key.id) == replace(key, revoked_at=NOW + SECOND, last_used_at=NOW)
        assert len(keys.list_keys(db)) == 2
    assert verified(store, token) is None
    assert verified(store, other) is not None


def test_an_unknown_role_is_refused(store):
    with pytest.raises(ServingError, match="refused"):
        new_key(store, "root")


ONE = {"key_id": "k", "idempotency_key": "i"}
ANSWER = {"status": 200, "content_type": "application/json", "response": b'{"x":0.1}\x00\xff'}


def claim(store, body="b", at=NOW, **other):
    with store.write() as db:
        return idempotency.claim(db, **(ONE | other), body_hash=body, at=at, lease=60 * SECOND)


def finish(store, held, **other):
    with store.write() as db:
        idempotency.finish(db, held, **(ONE | other), **ANSWER)


def test_the_same_request_is_done_once_and_answered_with_the_same_bytes(store):
    held = claim(store)
    assert (held.state, claim(store).state, claim(store, "other").state) == ("fresh", "running", "other_body")
    finish(store, held)
    again = claim(store)
    assert (again.state, again.status, again.content_type, again.response) == ("done", *ANSWER.values())
    assert claim(store, "other").state == "other_body"


def test_keys_of_different_clients_never_meet(store):
    claim(store)
    assert claim(store, "other", key_id="l").state == "fresh"
    assert claim(store, "other", idempotency_key="j").state == "fresh"


def test_a_claim_whose_process_died_ends_by_itself(store):
    lost = claim(store)
    assert claim(store, at=NOW + 59 * SECOND).state == "running"
    mine = claim(store, at=NOW + 60 * SECOND)
    assert mine.state == "fresh"
    with pytest.raises(ServingError, match="outlived its claim"):
        finish(store, lost)
    finish(store, mine)
    assert claim(store).state == "done"


def test_a_released_claim_is_fresh_again_and_a_finished_one_stays(store):
    held = claim(store)
    with store.write() as db:
        idempotency.release(db, held, **ONE)
    held = claim(store)
    assert held.state == "fresh"
    finish(store, held)
    with store.write() as db:
        idempotency.release(db, held, **ONE)
    assert claim(store).state == "done"


def test_answers_expire_after_a_day(store):
    finish(store, claim(store))
    assert claim(store, "other", at=NOW + idempotency.KEPT - SECOND).state == "other_body"
    assert claim(store, "other", at=NOW + idempotency.KEPT).state == "fresh"
    with store.write() as db:
        assert idempotency.expire(db, at=NOW + idempotency.KEPT) == 0
        assert idempotency.expire(db, at=NOW + 2 * idempotency.KEPT) == 1


def test_of_claims_at_once_one_is_fresh(store, store_url):
    stores = [open_store(store_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for number in range(10):
            asked = [pool.submit(claim, opened, idempotency_key=str(number)) for opened in stores]
            assert sorted(one.result().state for one in asked) == ["fresh", "running", "running", "running"]
    for opened in stores:
        opened.close()


def submit(store, total=10, at=NOW):
    with store.write() as db:
        return jobs.submit(db, kind="predict", input={"ids": ["a"]}, total=total, key_id="k", at=at)


def take(store, at=NOW):
    with store.write() as db:
        return jobs.claim(db, at=at)


def test_a_job_from_queue_to_result(store):
    job = submit(store)
    assert (job.state, job.done, job.attempts) == ("queued", 0, 0)
    mine = take(store)
    assert (mine.id, mine.state, mine.attempts, take(store)) == (job.id, "running", 1, None)
    with store.write() as db:
        assert jobs.progress(db, mine, done=4, at=NOW)
        assert (jobs.get(db, job.id).done, jobs.result(db, job.id)) == (4, None)
        assert jobs.finish(db, mine, content_type="x", result=b"\x00\xff", at=NOW)
        ended = jobs.get(db, job.id)
        assert (ended.state, ended.done, ended.content_type, ended.finished_at) == ("done", 10, "x", NOW)
        assert jobs.result(db, job.id) == b"\x00\xff"
        assert not jobs.fail(db, mine, error="late", at=NOW)
        assert not jobs.cancel(db, job.id, at=NOW)


def test_the_oldest_job_is_taken_first(store):
    later, first = submit(store, at=NOW + SECOND), submit(store)
    assert [take(store).id, take(store).id] == [first.id, later.id]


def test_a_cancelled_job_stops_its_worker_and_keeps_no_result(store):
    job = submit(store)
    mine = take(store)
    with store.write() as db:
        assert jobs.cancel(db, job.id, at=NOW)
        assert not jobs.progress(db, mine, done=5, at=NOW)
        assert not jobs.finish(db, mine, content_type="x", result=b"r", at=NOW)
        assert [one.state for one in jobs.list_jobs(db)] == ["cancelled"]
        assert jobs.result(db, job.id) is None


def test_an_orphaned_job_is_queued_again_and_given_up_in_the_end(store):
    job = submit(store)
    lost = take(store)
    silent = 30 * SECOND
    with store.write() as db:
        assert jobs.requeue_orphans(db, at=NOW + silent, silent=silent) == 0
        for _ in range(jobs.ATTEMPTS - 1):
            assert jobs.requeue_orphans(db, at=NOW + silent + SECOND, silent=silent) == 1
            mine = jobs.claim(db, at=NOW)
            assert mine.id == job.id
        assert not jobs.progress(db, lost, done=1, at=NOW)
        assert jobs.requeue_orphans(db, at=NOW + silent + SECOND, silent=silent) == 1
        assert jobs.claim(db, at=NOW) is None
        assert (jobs.get(db, job.id).state, jobs.get(db, job.id).error) == (
            "failed",
            "its worker died 3 times; it was given up",
        )


def test_workers_at_once_take_each_job_once(store, store_url):
    submitted = {submit(store).id for _ in range(12)}
    stores = [open_store(store_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        taken = [one.id for some in pool.map(_take_all, stores) for one in some]
    for opened in stores:
        opened.close()
    assert (len(taken), set(taken)) == (12, submitted)


def _take_all(store):
    found = []
    while one := take(store):
        found.append(one)
    return found


def test_old_jobs_are_dropped(store):
    submit(store)
    done = take(store)
    submit(store)
    with store.write() as db:
        jobs.fail(db, done, error="e", at=NOW)
        assert jobs.expire(db, before=NOW) == 0
        assert jobs.expire(db, before=NOW + SECOND) == 1
        assert [one.state for one in jobs.list_jobs(db, state="queued")] == ["queued"]


def choosing(choice="accept", **known):
    return Choosing(account_id="a", at=NOW, by="k", choice=choice, values={}, **known)


def decide(store, wish):
    with store.write() as db:
        return decisions.decide(db, wish)


def test_a_decision_supersedes_the_one_before(store):
    first = decide(store, choosing(play="call"))
    other = decide(store, replace(choosing(), account_id="b"))
    second = decide(store, choosing("override", reason="they told me", play="visit"))
    assert (first.supersedes, other.supersedes, second.supersedes) == (None, None, first.id)
    with store.read() as db:
        assert decisions.history(db, "a") == [second, first]
        assert decisions.current(db, "a") == second


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_an_override_without_a_reason_is_refused(store, reason):
    with pytest.raises(ServingError, match="an override needs a reason"):
        decide(store, choosing("override", reason=reason))


def test_an_unknown_choice_is_refused(store):
    with pytest.raises(ServingError, match="refused"):
        decide(store, choosing("ignore"))


def test_plays_are_listed_oldest_first(store):
    with store.write() as db:
        late = decisions.intervene(db, Doing(account_id="a", at=NOW + SECOND, play="visit", cost=0.1))
        early = decisions.intervene(db, Doing(account_id="b", at=NOW, play="call", arm="holdout"))
        assert decisions.list_interventions(db) == [early, late]
        assert decisions.list_interventions(db, account_id="a") == [late]


def sign(account_id, rule="W1", at=NOW, due=None):
    response = {"play": "call", "owner": "csm"}
    return signs.Sign(
        account_id=account_id, rule=rule, at=at, severity="high", text="t", response=response, due_at=due and NOW + due
    )


def test_a_sign_is_raised_once_and_open_until_closed(store):
    raised = [sign("late", due=9 * SECOND), sign("soon", due=SECOND), sign("any"), sign("soon", due=SECOND)]
    with store.write() as db:
        assert signs.raise_all(db, raised) == 3
        assert signs.raise_all(db, [sign("soon", "W2", NOW + SECOND)]) == 1
        first, *_ = found = signs.list_open(db)
        assert [(one.account_id, one.rule) for one in found] == [
            ("soon", "W1"),
            ("late", "W1"),
            ("any", "W1"),
            ("soon", "W2"),
        ]
        assert signs.close(db, first.id, at=NOW, by="k")
        assert not signs.close(db, first.id, at=NOW, by="k")
        assert len(signs.list_open(db)) == 3
        assert [(one.rule, one.closed_by) for one in signs.of_account(db, "soon")] == [("W1", "k"), ("W2", None)]
        assert signs.of_account(db, "soon", since=NOW + SECOND)[0].rule == "W2"
        assert signs.last_raised(db)["soon", "W2"] == NOW + SECOND


def alert(key, at=NOW):
    told = {"kind": "warning", "account_id": "a", "severity": "high", "text": "t", "play": "p", "owner": "csm"}
    due = {"due_in_hours": 1.0, "due_at": at, "is_urgent": key == "u", "value_at_risk": None}
    return Alert(key=key, at=at, **told, **due, attributes={}, previous_attributes={})


def test_alerts_are_remembered_for_the_cool_down_and_while_they_wait(store):
    day = timedelta(days=1)
    with store.write() as db:
        alerts.record(db, AlertRun((alert("u"), alert("s")), (alert("h"),), (), ""))
        alerts.record(db, AlertRun((alert("s", NOW + day),), (), (alert("u", NOW + day),), ""))
        told = [(one.key, one.at, one.is_sent, one.is_urgent) for one in alerts.past(db, since=NOW + day)]
    assert told == [("u", NOW, True, True), ("h", NOW, False, False), ("s", NOW + day, True, False)]


def test_the_audit_log_is_read_newest_first(store):
    with store.write() as db:
        audit.record(db, [audit.Entry(at=NOW, action=f"a{i}", subject=f"s{i % 2}", detail={"i": i}) for i in range(5)])
        audit.record(db, [])
        newest = audit.recent(db, limit=2)
        assert [one.action for one in newest] == ["a4", "a3"]
        assert [one.action for one in audit.recent(db, before_id=newest[-1].id)] == ["a2", "a1", "a0"]
        assert [one.detail for one in audit.recent(db, subject="s1")] == [{"i": 3}, {"i": 1}]
