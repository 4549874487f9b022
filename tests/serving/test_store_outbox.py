"""The outbox: every event reaches every target, once at a time, and a dead one can be replayed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serving.store import open_store, outbox
from serving.store.outbox import Event

NOW = datetime(2026, 1, 1)
LEASE = timedelta(minutes=1)


def event(key, account_id="a"):
    return Event(kind="tier_changed", account_id=account_id, body={"n": 1.5}, created_at=NOW, dedupe_key=key)


def add(store, *keys, targets=("crm",)):
    with store.write() as db:
        return [outbox.add(db, event(key), targets) for key in keys]


def claimed(store, at=NOW, **how):
    with store.write() as db:
        return outbox.claim(db, at=at, lease=LEASE, **how)


def count(store):
    with store.read() as db:
        return outbox.count(db)


def test_an_event_goes_to_every_target_once(store):
    assert add(store, "1", targets=["crm", "slack"]) != [None]
    assert add(store, "1", targets=["crm", "slack"]) == [None]
    found = claimed(store)
    assert {(c.target, c.kind, c.account_id, c.body["n"], c.attempts) for c in found} == {
        ("crm", "tier_changed", "a", 1.5, 0),
        ("slack", "tier_changed", "a", 1.5, 0),
    }


def test_a_claim_is_exclusive_until_its_lease_ends(store):
    add(store, "1")
    (first,) = claimed(store)
    assert claimed(store, NOW + LEASE - timedelta(microseconds=1)) == []
    (second,) = claimed(store, NOW + LEASE)
    with store.write() as db:
        assert not outbox.ack(db, first, at=NOW, response="200")
        assert outbox.attempts(db, first.id) == []
        assert outbox.ack(db, second, at=NOW, response="200")
        assert not outbox.ack(db, second, at=NOW, response="200")
        assert [(a.is_ok, a.response) for a in outbox.attempts(db, first.id)] == [(True, "200")]
    assert (claimed(store, NOW + 9 * LEASE), count(store)) == ([], {"delivered": 1})


def test_a_failed_delivery_waits_for_its_next_attempt_and_may_die(store):
    add(store, "1")
    later = NOW + timedelta(hours=1)
    with store.write() as db:
        (first,) = outbox.claim(db, at=NOW, lease=LEASE)
        assert outbox.fail(db, first, at=NOW, response="503", retry_at=later)
        assert outbox.claim(db, at=later - timedelta(microseconds=1), lease=LEASE) == []
        (second,) = outbox.claim(db, at=later, lease=LEASE)
        assert second.attempts == 1
        assert outbox.fail(db, second, at=later, response="410", retry_at=None)
        assert outbox.claim(db, at=later + 9 * LEASE, lease=LEASE) == []
        (dead,) = outbox.list_deliveries(db, status="dead")
        assert (dead.attempts, outbox.count(db)) == (2, {"dead": 1})


def test_the_dead_can_be_replayed(store):
    add(store, "1", "2", targets=["crm", "slack"])
    with store.write() as db:
        for one in outbox.claim(db, at=NOW, lease=LEASE):
            outbox.fail(db, one, at=NOW, response="500", retry_at=None)
        assert outbox.replay(db, at=NOW, target="slack", ids=[1, 2, 3]) == 1
        assert outbox.replay(db, at=NOW, target="slack") == 1
        assert {(one.target, one.attempts) for one in outbox.claim(db, at=NOW, lease=LEASE)} == {("slack", 0)}
        assert outbox.replay(db, at=NOW) == 2
        assert len(outbox.attempts(db, 1)) == 1


def test_a_target_is_served_alone_and_up_to_a_limit(store):
    add(store, "1", "2", "3", targets=["crm", "slack"])
    assert [one.target for one in claimed(store, target="slack", limit=2)] == ["slack", "slack"]
    assert [one.target for one in claimed(store, target="slack")] == ["slack"]


def test_deliverers_at_once_take_each_delivery_once(store, store_url):
    add(store, *(str(i) for i in range(40)))
    stores = [open_store(store_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        taken = [one.id for some in pool.map(_take_all, stores) for one in some]
    for opened in stores:
        opened.close()
    assert sorted(taken) == sorted(set(taken))
    assert len(taken) == 40


def _take_all(store):
    found = []
    while some := claimed(store, limit=3):
        found += some
    return found


class Deliverers(RuleBasedStateMachine):
    """Whatever deliverers do, a delivery is held by one of them, and ends only by the one that holds it."""

    def __init__(self):
        super().__init__()
        self.folder = TemporaryDirectory()
        self.store, self.now, self.held, self.added = open_store(f"sqlite:///{self.folder.name}/s.db"), NOW, {}, 0
        self.ended = set()

    @rule()
    def add(self):
        add(self.store, str(self.added))
        self.added += 1

    @rule(limit=st.integers(1, 3))
    def claim(self, limit):
        for one in claimed(self.store, self.now, limit=limit):
            assert one.id not in self.ended
            assert self.now >= self.held.get(one.id, [None, NOW])[1]
            self.held[one.id] = (one, self.now + LEASE)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), is_ok=st.booleans())
    def end(self, data, is_ok):
        one, _ = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        with self.store.write() as db:
            if is_ok:
                assert outbox.ack(db, one, at=self.now, response="")
            else:
                assert outbox.fail(db, one, at=self.now, response="", retry_at=None)
        self.ended.add(one.id)

    @rule(seconds=st.sampled_from([1, 59, 60]))
    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)

    @invariant()
    def nothing_is_lost(self):
        assert sum(count(self.store).values()) == self.added

    def teardown(self):
        self.store.close()
        self.folder.cleanup()


TestDeliverers = Deliverers.TestCase
TestDeliverers.settings = settings(
    deadline=None, max_examples=15, stateful_step_count=15, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("limit", [1, 2])
def test_the_delivery_log_is_newest_first(store, limit):
    add(store, "1", "2")
    with store.read() as db:
        assert [one.id for one in outbox.list_deliveries(db, target="crm", limit=limit)] == [2, 1][:limit]
        assert outbox.list_deliveries(db, target="other") == []
