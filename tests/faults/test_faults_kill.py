"""`kill -9` at any instant: what was acknowledged is there once, what was not is there at most once."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from random import Random
from threading import Event
from time import monotonic, sleep

import pytest
from sqlalchemy import select

from serving.store import open_store
from serving.store.tables import audit, decisions, idempotency, jobs, usage_events

CLIENTS = 4
DONE = 200, 201, 202
LONG = pytest.mark.slow, pytest.mark.faults


@dataclass
class Sent:
    """A request with its Idempotency-Key, and the bytes that acknowledged it, if any did."""

    key: str
    path: str
    body: str
    answer: bytes | None = None

    @property
    def is_kept(self):
        """Whether it leaves a row of its own in the store; a prediction leaves only its answer."""
        return self.path != "/v1/predict"

    def send(self, live):
        status, headers, answer = live.ask("POST", self.path, self.body, headers={"Idempotency-Key": self.key})
        return status, headers.get("Idempotency-Replayed"), answer


def request(key, number):
    """An override whose reason is its key, an event whose row_id is, a job or a prediction of a row of that name."""
    if number % 4 == 3:
        event = {"account_id": f"acme-{number % 60:02}", "at": "2026-03-01T10:00:00Z", "row_id": key}
        return Sent(key, "/v1/events", json.dumps({"events": [event]}))
    if number % 3 == 0:
        body = {"choice": "override", "reason": key, "values": {"tier": "yellow"}}
        return Sent(key, f"/v1/accounts/acme-{number % 60:02}/decisions", json.dumps(body))
    rows = [{"external_id": key, "features": {"nps_last": number % 11}}]
    return Sent(key, ("/v1/jobs", "/v1/predict")[number % 3 - 1], json.dumps({"rows": rows}))


def load(live, name, stop):
    """Ask until told to stop or nobody listens, whatever breaks off; what was sent."""
    held = []
    while not stop.is_set():
        held.append(request(f"{name}-{len(held)}", len(held)))
        try:
            status, _, answer = held[-1].send(live)
        except ConnectionRefusedError:
            break
        except (OSError, HTTPException):
            continue
        assert status in DONE, (status, answer)
        held[-1].answer = answer
    return held


def under_load(live, name, seconds, strike):
    """Strike after so many seconds of it; what was sent."""
    stop = Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        loads = [pool.submit(load, live, f"{name}-{i}", stop) for i in range(CLIENTS)]
        try:
            sleep(seconds)
            strike()
        finally:
            stop.set()
        return [sent for one in loads for sent in one.result()]


def killed(live, chance, number):
    """How the service is struck: each second time one process that serves, else all at once or the supervisor alone.

    When one is killed the others must go on: what is asked in the half second after it is answered.
    """
    if number % 2:
        return chance.choice([live.kill, live.kill_supervisor])

    def one():
        chance.choice(live.workers()).kill()
        sleep(0.5)
        assert live.ask("GET", "/v1/model")[0] == 200

    return one


def again(live, sent):
    """Send what was sent before: what was acknowledged is answered as it was."""
    for one in sent:
        status, replayed, answer = one.send(live)
        if one.answer is not None:
            assert (replayed, answer) == ("true", one.answer)
        else:
            assert status in (*DONE, 409), answer
            one.answer = None if status == 409 else answer


def end_leases(live):
    """As if a minute had gone by: claims of processes that died hold no longer."""
    with closing(open_store(live.url)) as store, store.write() as db:
        db.execute(
            idempotency.update().where(idempotency.c.status.is_(None)).values(claimed_until=datetime(2000, 1, 1))
        )


def kept(live):
    """The keys of what is kept, and how often each is there; each has its line in the log, the file is sound."""
    with closing(open_store(live.url)) as store, store.read() as db:
        if live.url.startswith("sqlite"):
            assert db.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            assert db.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        decided = dict(db.execute(select(decisions.c.id, decisions.c.reason)).all())
        asked = dict(db.execute(select(jobs.c.id, jobs.c.input)).all())
        posted = db.scalars(select(usage_events.c.row_id)).all()
        assert _logged(db, "post events", "accepted") == [1] * len(posted)
        assert sorted(_logged(db, "decide", "decision")) == sorted(decided)
        assert sorted(_logged(db, "job", "job")) == sorted(asked)
    return Counter([*posted, *decided.values(), *(one["rows"][0]["external_id"] for one in asked.values())])


def _logged(db, action, name):
    return [detail[name] for detail in db.scalars(select(audit.c.detail).where(audit.c.action == action))]


@pytest.mark.parametrize(
    ("kills", "seed", "database"),
    [
        pytest.param(2, 9, "sqlite", id="2"),
        *(pytest.param(50, seed, "sqlite", id=f"50, seed {seed}", marks=LONG) for seed in range(1, 5)),
        pytest.param(50, 5, "postgresql", id="50 on PostgreSQL", marks=LONG),
    ],
)
def test_no_kill_loses_what_was_acknowledged_or_doubles_anything(company, kills, seed, database, request):
    own = {} if database == "sqlite" else {"KEEPWELL_STORE_URL": request.getfixturevalue("postgres")()}
    live, chance, sent = company(**own), Random(seed), list[Sent]()
    for number in range(kills):
        if number % 2 == 0:
            live.start()
        again(live, sent[-20:])
        sent += under_load(live, f"kill-{number}", chance.uniform(0.05, 0.8), killed(live, chance, number))
        there = kept(live)
        assert set(there.values()) <= {1}
        missing = [one.key for one in sent if one.answer is not None and one.is_kept and not there[one.key]]
        assert missing == []
    end_leases(live)
    live.start()
    try:
        acknowledged = Counter(one.path.split("/")[-1] for one in sent if one.answer is not None)
        print(kills, "kills, of", len(sent), "asked", acknowledged.total(), "acknowledged:", acknowledged)  # noqa: T201
        for one in sent:
            status, replayed, answer = one.send(live)
            assert status in DONE, answer
            assert one.answer in (None, answer)
            assert replayed == "true" or one.answer is None
    finally:
        live.kill()
    assert acknowledged.total() > kills
    assert kept(live) == {one.key: 1 for one in sent if one.is_kept}


def test_a_process_that_is_killed_is_started_again_while_the_others_serve(company):
    live = company()
    live.start()
    try:
        first, *others = live.workers()
        first.kill()
        until = monotonic() + 60
        while len({one.pid for one in live.workers()} - {first.pid}) <= len(others):
            assert live.ask("GET", "/readyz", key=None)[0] == 200
            assert monotonic() < until, "it is not started again"
            sleep(0.05)
    finally:
        live.kill()


def test_keepwell_serve_that_is_killed_as_it_starts_leaves_nobody_at_the_port(company):
    live = company()
    live.launch_command()
    while len(live.family()) < 2:
        sleep(0.01)
    live.kill_supervisor()
