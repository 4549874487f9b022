"""Deliveries over a real connection to a receiver that fails as receivers do; the clock is ours, nobody sleeps."""

import json
import logging
import socket
import struct
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event as Flag
from threading import Lock, Thread

import pytest

from serving.delivery import deliver_due, enqueue, listing, ping, replay, run_deliverer, target_states, turns, verify
from serving.delivery.deliver import Counts
from serving.delivery.sending import new_client, sender
from serving.delivery.targets import read_targets
from serving.delivery.tries import Outside
from serving.errors import ServingError
from serving.store import open_store, outbox
from serving.store.outbox import Event

NOW = datetime(2026, 3, 2, 8)
SECRET = "a-secret-of-more-than-24-bytes"
ENVIRON = {"SECRET": SECRET}


class Clock:
    """The time, which passes when a test says so, and a microsecond with every look."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        self.now += timedelta(microseconds=1)
        return self.now

    def passes(self, **time):
        self.now += timedelta(**time)


class Receiver(BaseHTTPRequestHandler):
    """Answers by script: a status, (status, headers), or the name of a way to fail; 200 when the script is over."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.lock:
            self.server.seen.append((dict(self.headers), body))
            step = self.server.script.pop(0) if self.server.script else 200
        match step:
            case "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            case "silent":
                self.server.stopping.wait(30)
            case "broken":
                self._answer(200, {"content-length": "1000"}, b"half an ans")
            case "endless":
                self._answer(200, {"content-length": str(10**9)}, b"x" * 2_000_000)
            case "echo":
                self._answer(500, {}, str(self.headers).encode() + SECRET.encode())
            case int():
                self._answer(step, {}, b"as you say")
            case (status, headers):
                self._answer(status, headers, b"")

    def _answer(self, status, headers, body):
        self.send_response(status)
        for name, value in ({"content-length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args):
        pass


@contextmanager
def listening():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    server.script, server.seen, server.lock, server.stopping = [], [], Lock(), Flag()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver():
    with listening() as server:
        yield server


@pytest.fixture
def send():
    with new_client() as client:
        yield sender(client)


@pytest.fixture
def clock():
    return Clock()


def hook(receiver, name="hook", **more):
    table = {"kind": "webhook", "url": f"http://127.0.0.1:{receiver.server_port}/in", "secret_env": "SECRET"}
    return read_targets({"targets": {name: table | {"timeout_seconds": 60} | more}})


def tell(store, targets, *accounts, kind="warning", at=NOW, **body):
    """One event for each account; a second one for an account named again."""
    with store.write() as db:
        for number, account in enumerate(accounts):
            event = Event(
                kind=kind,
                account_id=account,
                body={"object": {"account_id": account, "number": number}, "alert": {"text": "t"}} | body,
                created_at=at + timedelta(microseconds=number),
                dedupe_key=f"{account}/{number}/{at.isoformat()}",
            )
            assert enqueue(db, [event], targets) == 1


def told(receiver):
    return [json.loads(body)["data"]["object"]["external_id"] for _, body in receiver.seen]


def moments_of(receiver, account):
    """When what an account's events tell happened, in the order in which they arrived."""
    events = [json.loads(body) for _, body in receiver.seen]
    return [
        datetime.fromisoformat(event["occurred_at"])
        for event in events
        if event["data"]["object"]["external_id"] == account
    ]


def log(store):
    with store.read() as db:
        return listing(db)


def state(store, name="hook"):
    with store.read() as db:
        return target_states(db, [name])[0]


def deliver(store, targets, clock, send):
    return deliver_due(store, targets, clock=clock, send=send, environ=ENVIRON)


@pytest.fixture
def world(store, receiver, send, clock):
    """A store, a receiver that is a target, and a round of delivering."""
    targets = hook(receiver)

    class World:
        def tell(self, *accounts, **more):
            tell(store, targets, *accounts, **more)

        def deliver(self):
            return deliver(store, targets, clock, send)

    return World()


def test_a_delivered_event_is_signed_and_not_sent_again(world, store, receiver, clock):
    world.tell("acme")
    clock.passes(seconds=1)
    assert world.deliver() == Counts(delivered=1)
    assert world.deliver() == Counts()
    (headers, body), line = receiver.seen[0], log(store)[0]
    assert len(receiver.seen) == 1
    assert verify(SECRET, headers, body, now=clock.now) == json.loads(body)["id"] == line.event_id
    assert (line.status, line.type, len(line.tries)) == ("delivered", "account.warning", 1)
    assert line.last_response == "200 as you say"


def test_an_event_that_nobody_takes_is_not_kept(store, receiver):
    with store.write() as db:
        event = Event(kind="scored", account_id="a", body={}, created_at=NOW, dedupe_key="k")
        assert enqueue(db, [event], hook(receiver)) == 0
        assert outbox.count(db) == {}


@pytest.mark.parametrize("failing", [500, 503, 429, 408, (302, {"location": "http://127.0.0.1:1/"}), "reset"])
def test_what_may_go_better_later_is_sent_again_under_the_same_id(world, store, receiver, clock, failing):
    receiver.script = [failing]
    world.tell("acme")
    clock.passes(seconds=1)
    assert world.deliver() == Counts(retried=1)
    assert world.deliver() == Counts()
    clock.passes(seconds=19)
    assert world.deliver() == Counts(delivered=1)
    ids = [headers["webhook-id"] for headers, _ in receiver.seen]
    assert len(ids) == 2
    assert ids[0] == ids[1]
    assert [attempt.is_ok for attempt in log(store)[0].tries] == [False, True]


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_what_never_goes_better_is_given_up_at_once_and_can_be_replayed(world, store, receiver, clock, status):
    receiver.script = [status]
    world.tell("acme")
    clock.passes(seconds=1)
    assert world.deliver() == Counts(dead=1)
    clock.passes(days=2)
    assert world.deliver() == Counts()
    with store.write() as db:
        assert replay(db, at=clock()) == 1
    assert world.deliver() == Counts(delivered=1)
    assert len({headers["webhook-id"] for headers, _ in receiver.seen}) == 1


def test_eight_failures_make_a_dead_letter(world, store, receiver, clock):
    receiver.script = [500] * 8
    world.tell("acme")
    rounds = Counts()
    for _ in range(9):
        clock.passes(hours=24)
        rounds += world.deliver()
    assert rounds == Counts(retried=7, dead=1)
    assert len(receiver.seen) == 8
    assert log(store)[0].status == "dead"


def test_retry_after_holds_all_that_waits_for_the_target(world, receiver, clock):
    receiver.script = [(429, {"retry-after": "3600"})]
    world.tell("acme", "bolt", "core")
    clock.passes(seconds=1)
    assert world.deliver() == Counts(retried=1)
    clock.passes(minutes=59)
    assert world.deliver() == Counts()
    clock.passes(minutes=2)
    assert world.deliver() == Counts(delivered=3)


def test_a_receiver_that_does_not_answer_in_time_is_left_alone(store, receiver, clock, send):
    targets = hook(receiver, timeout_seconds=0.05)
    receiver.script = ["silent"]
    tell(store, targets, "acme", "bolt")
    clock.passes(seconds=1)
    assert deliver(store, targets, clock, send) == Counts(retried=1)
    assert {line.last_response for line in log(store)} == {"", "no answer: ReadTimeout"}
    clock.passes(seconds=20)
    assert deliver(store, targets, clock, send) == Counts(delivered=2)


@pytest.mark.parametrize("answer", ["broken", "endless"])
def test_a_200_counts_whatever_its_body_is(world, store, receiver, clock, answer):
    receiver.script = [answer]
    world.tell("acme")
    clock.passes(seconds=1)
    assert world.deliver() == Counts(delivered=1)
    assert len(log(store)[0].last_response) <= 500


def test_a_receiver_that_is_down_for_an_hour_costs_no_event(world, store, receiver, clock, caplog):
    """Five events are tried, then one every ten minutes; when it is back, all arrive, an account's in order."""
    receiver.script = ["reset"] * 100
    accounts = [f"a{i}" for i in range(10)]
    world.tell(*accounts)
    world.tell(*accounts, at=NOW + timedelta(seconds=1))
    for _ in range(60):
        clock.passes(minutes=1)
        world.deliver()
    assert 10 <= len(receiver.seen) <= 15
    assert state(store).told.startswith("paused until 2026-03-02 09:")
    receiver.script, receiver.seen[:] = [], []
    for _ in range(600):
        clock.passes(minutes=1)
        world.deliver()
    assert state(store).told == "running"
    with store.read() as db:
        assert outbox.count(db) == {"delivered": 20}
    assert Counter(told(receiver)) == dict.fromkeys(accounts, 2)
    for account in accounts:
        moments = moments_of(receiver, account)
        assert moments == sorted(moments)


def test_an_account_s_later_event_waits_for_its_earlier_one_and_others_do_not(world, receiver, clock):
    receiver.script = [500]
    world.tell("acme", "acme", "bolt")
    clock.passes(seconds=1)
    assert world.deliver() == Counts(retried=1)
    assert world.deliver() == Counts(delivered=1)
    assert world.deliver() == Counts()
    clock.passes(seconds=20)
    assert world.deliver() == Counts(delivered=1)
    assert world.deliver() == Counts(delivered=1)
    assert told(receiver) == ["acme", "bolt", "acme", "acme"]
    assert [json.loads(body)["data"]["object"]["number"] for _, body in receiver.seen] == [0, 2, 0, 1]


def test_a_target_that_is_gone_is_disabled_until_a_ping_goes_well(world, store, receiver, clock, send):
    receiver.script = [410, 410]
    world.tell("acme", "bolt")
    clock.passes(seconds=1)
    assert world.deliver() == Counts(dead=1)
    assert state(store).is_disabled
    assert world.deliver() == Counts(waiting=1)
    target = hook(receiver)["hook"]
    assert ping(store, target, Outside(clock, send, ENVIRON)).status == "dead"
    assert state(store).is_disabled
    line = ping(store, target, Outside(clock, send, ENVIRON))
    assert (line.status, line.type, line.last_response) == ("delivered", "ping", "200 as you say")
    assert not state(store).is_disabled
    assert world.deliver() == Counts(delivered=1)


def test_a_receiver_that_echoes_the_secret_does_not_put_it_into_the_log(world, store, receiver, clock, caplog):
    caplog.set_level(logging.DEBUG)
    receiver.script = ["echo"]
    world.tell("acme")
    clock.passes(seconds=1)
    world.deliver()
    assert "***" in log(store)[0].last_response
    assert SECRET not in log(store)[0].last_response + caplog.text


def test_an_address_that_is_a_secret_is_neither_logged_nor_stored(store, receiver, clock, caplog):
    caplog.set_level(logging.DEBUG)
    targets = read_targets({"targets": {"channel": {"kind": "slack", "url_env": "URL"}}})
    environ = {"URL": f"http://127.0.0.1:{receiver.server_port}/services/hush-hush"}
    tell(store, targets, "acme", "bolt")
    clock.passes(seconds=1)
    with new_client() as client:
        assert deliver_due(store, targets, clock=clock, send=sender(client), environ=environ) == Counts(delivered=2)
        receiver.shutdown()
    assert json.loads(receiver.seen[0][1])["text"] == "acme: t"
    assert "hush-hush" not in caplog.text + str(log(store))


def test_no_redirect_is_followed(world, receiver, clock):
    with listening() as elsewhere:
        receiver.script = [(307, {"location": f"http://127.0.0.1:{elsewhere.server_port}/"})]
        world.tell("acme")
        clock.passes(seconds=1)
        assert world.deliver() == Counts(retried=1)
        assert elsewhere.seen == []


def test_a_name_that_leads_into_the_own_network_is_not_called(store, receiver, clock):
    targets = hook(receiver, url=f"http://innocent.example.com:{receiver.server_port}/", allow_http=True)
    tell(store, targets, "acme")
    clock.passes(seconds=1)
    with new_client() as client:
        guarded = sender(client, resolve=lambda host, port: ["127.0.0.1"])
        assert deliver(store, targets, clock, guarded) == Counts(retried=1)
        assert "private network" in log(store)[0].last_response
        assert receiver.seen == []
        clock.passes(minutes=1)
        targets = hook(receiver, url=targets["hook"].url, allow_http=True, allow_private=True)
        assert deliver(store, targets, clock, guarded) == Counts(delivered=1)
    assert receiver.seen[0][0]["host"] == f"innocent.example.com:{receiver.server_port}"


def test_one_bad_event_and_one_bad_target_do_not_stop_the_others(store, receiver, clock, send):
    """An event of which nothing can be made, a target without its secret, and a folder that is none."""
    targets = hook(receiver) | hook(receiver, "mute", secret_env="NOT_SET")
    targets |= read_targets({"targets": {"files": {"kind": "csv", "folder": "/dev/null/out"}}})
    tell(store, targets, "bad", object=["not", "an", "account"])
    tell(store, targets, "good")
    clock.passes(seconds=1)
    assert deliver(store, targets, clock, send) == Counts(delivered=1, retried=5)
    assert told(receiver) == ["good"]
    responses = {(line.target, line.account_id): line.last_response for line in log(store)}
    assert "NOT_SET is not set" in responses["mute", "good"]
    assert "not written" in responses["files", "good"]
    assert responses["hook", "bad"] == "not sent: nothing can be made of it (AttributeError)"


def test_a_run_goes_into_one_csv_file(store, receiver, clock, send, tmp_path):
    targets = read_targets({"targets": {"files": {"kind": "csv", "folder": str(tmp_path / "out")}}})
    with store.write() as db:
        for account in ("acme", "bolt"):
            body = {"object": {"account_id": account}}
            enqueue(
                db, [Event(kind="warning", account_id=account, body=body, created_at=NOW, dedupe_key=account)], targets
            )
    clock.passes(seconds=1)
    assert deliver(store, targets, clock, send) == Counts(delivered=2)
    (path,) = (tmp_path / "out").glob("*.csv")
    assert path.name == "files-20260302T080000.csv"
    assert len(path.read_text().splitlines()) == 3


@pytest.mark.parametrize("deliverers", [2, 4])
def test_several_deliverers_at_once_send_each_event_once(store, store_url, receiver, clock, deliverers):
    """Each has a store and a client of its own, as another process would."""
    targets = hook(receiver)
    accounts = [f"a{i}" for i in range(40)]
    tell(store, targets, *accounts, *accounts)
    clock.passes(seconds=1)
    ready, counts = Flag(), []

    def work():
        own = open_store(store_url)
        with new_client() as client:
            ready.wait()
            for _ in range(40):
                counts.append(deliver(own, targets, clock, sender(client)))
        own.close()

    threads = [Thread(target=work) for _ in range(deliverers)]
    for thread in threads:
        thread.start()
    ready.set()
    for thread in threads:
        thread.join()
    assert sum(counts, Counts()) == Counts(delivered=80)
    ids = Counter(headers["webhook-id"] for headers, _ in receiver.seen)
    assert len(ids) == 80
    assert set(ids.values()) == {1}
    for account in accounts:
        moments = moments_of(receiver, account)
        assert moments == sorted(moments)


def test_a_deliverer_that_died_leaves_its_claims_to_the_next(world, store, receiver, clock):
    world.tell("acme")
    clock.passes(seconds=1)
    with store.write() as db:
        assert turns.claim(db, target="hook", at=clock(), lease=timedelta(minutes=10), limit=5)
    assert world.deliver() == Counts()
    clock.passes(minutes=11)
    assert world.deliver() == Counts(delivered=1)


def test_a_delivery_that_another_took_over_is_not_written_down_twice(store, receiver, clock, send):
    """Ours was slower than its lease: the other's word stands."""
    targets = hook(receiver)
    tell(store, targets, "acme")
    clock.passes(seconds=1)

    def slow(request):
        answer = send(request)
        if len(receiver.seen) == 1:
            clock.passes(minutes=11)
            assert deliver(store, targets, clock, send) == Counts(delivered=1)
        return answer

    assert deliver(store, targets, clock, slow) == Counts(lost=1)
    assert len(log(store)[0].tries) == 1


def test_the_loop_goes_on_after_a_failing_round_and_ends_when_told(store, receiver, clock, send, caplog):
    targets, stop, rounds = hook(receiver), Flag(), []
    tell(store, targets, "acme")
    clock.passes(seconds=1)

    def moody():
        rounds.append(1)
        if len(rounds) == 1:
            raise ServingError("the store is away")
        if receiver.seen:
            stop.set()
        return clock()

    run_deliverer(store, targets, stop, send=send, clock=moody, environ=ENVIRON, rest_seconds=0)
    assert told(receiver) == ["acme"]
    assert "delivering failed: the store is away; trying again" in caplog.text


def test_the_loop_tells_once_that_a_target_is_paused(store, receiver, clock, send, caplog):
    targets, stop = hook(receiver), Flag()
    receiver.script = ["reset"] * 20
    tell(store, targets, *[f"a{i}" for i in range(20)])

    def hurried():
        clock.passes(seconds=30)
        if len(receiver.seen) >= 8:
            stop.set()
        return clock()

    run_deliverer(store, targets, stop, send=send, clock=hurried, environ=ENVIRON, rest_seconds=0)
    assert len([record for record in caplog.records if "target hook: paused" in record.getMessage()]) == 1
