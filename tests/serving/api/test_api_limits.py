"""Too much, too fast, too slow, too many: refused early, told when to come again, and nobody else is hurt."""

import asyncio
import time

import pytest

from serving.api import Limits
from serving.api.limits import Deadline, Gate, Rates, read_body
from serving.api.problems import Problem
from serving.store.failures import StoreUnavailable

ASK = {"account_ids": ["acme-01"]}
JSON = {"Content-Type": "application/json"}


class Arriving:
    """A request whose body arrives in parts, each after a pause; counts what was taken of it."""

    def __init__(self, parts, *, pause=0.0, declared=None):
        self.parts, self.pause, self.taken = parts, pause, 0
        self.headers = {} if declared is None else {"content-length": str(declared)}

    async def stream(self):
        for part in self.parts:
            await asyncio.sleep(self.pause)
            self.taken += 1
            yield part


@pytest.mark.parametrize(
    ("request_", "kind", "taken"),
    [
        pytest.param(Arriving([b"x" * 10] * 10, declared=100), "too-large", 0, id="says so itself"),
        pytest.param(Arriving([b"x" * 10] * 10), "too-large", 3, id="found out on the way"),
        pytest.param(Arriving([b"x" * 10] * 10, declared=5), "too-large", 3, id="says otherwise"),
        pytest.param(Arriving([b"x"] * 10, pause=0.05), "body-too-slow", None, id="drips"),
    ],
)
def test_a_body_is_given_up_as_soon_as_it_is_too_large_or_too_slow(request_, kind, taken):
    with pytest.raises(Problem) as raised:
        asyncio.run(read_body(request_, most=25, seconds=0.2))
    assert raised.value.kind == kind
    assert taken is None or request_.taken == taken
    assert request_.taken < 10


def test_a_body_of_just_the_size_is_taken():
    assert asyncio.run(read_body(Arriving([b"x" * 20, b"y" * 5]), most=25, seconds=1)) == b"x" * 20 + b"y" * 5


def test_a_body_too_large_is_413(served):
    body = b'{"account_ids": ["' + b"x" * 2_000_000 + b'"]}'
    answer = served.ask("POST", "/v1/predict", content=body, headers=JSON)
    assert answer.status_code == 413
    assert served.ask("POST", "/v1/jobs", content=body, headers=JSON).status_code == 422


def test_large_bodies_have_places_of_their_own_and_small_ones_need_none(served):
    """One that does not tell its length may be large."""
    small = b'{"account_ids": ["acme-01"]}'
    large = small + b" " * 2_000_000
    asked = {"small": small, "large": large, "in parts": lambda: iter([small])}

    def statuses():
        bodies = ((name, body() if callable(body) else body) for name, body in asked.items())
        return {name: served.ask("POST", "/v1/jobs", content=body, headers=JSON).status_code for name, body in bodies}

    assert statuses() == {"small": 202, "large": 202, "in parts": 202}
    served.context.heavy.inside += 1000
    assert statuses() == {"small": 202, "large": 429, "in parts": 429}


def test_a_gate_admits_its_number_lets_some_wait_and_turns_others_away():
    async def main():
        gate, leave, told = Gate(2, 1, 5.0), asyncio.Event(), []

        async def one(name):
            try:
                async with gate.entered():
                    told.append(f"{name} in")
                    await leave.wait()
            except Problem as problem:
                told.append(f"{name} {problem.status} {problem.retry_after}")

        tasks = [asyncio.create_task(one(name)) for name in "abcd"]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        before = list(told)
        leave.set()
        await asyncio.gather(*tasks)
        async with gate.entered():
            pass
        return before, told, gate.inside

    before, told, inside = asyncio.run(main())
    assert before == ["a in", "b in", "d 429 1"]
    assert told[3:] == ["c in"]
    assert inside == 0


def test_who_waits_too_long_is_turned_away_and_takes_no_place_with_them():
    async def main():
        gate = Gate(1, 5, 0.01)
        async with gate.entered():
            with pytest.raises(Problem):
                async with gate.entered():
                    pass
        async with gate.entered():
            return gate.inside

    assert asyncio.run(main()) == 1


def test_where_there_is_no_place_nothing_of_a_request_is_looked_at(serving, keep):
    keep()
    served = serving(limits=Limits(running=1, waiting=0))
    served.context.work.inside = 1
    answer = served.ask("POST", "/v1/predict", key=None, content=b"not JSON")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    served.context.work.inside = 0
    assert served.ask("POST", "/v1/predict", json=ASK).status_code == 200


def test_a_bucket_gives_its_burst_then_its_rate():
    now = [100.0]
    rates = Rates(0.5, 3, ticks=lambda: now[0])

    def taken(name):
        try:
            rates.take(name)
        except Problem as problem:
            return problem.retry_after
        return True

    assert [taken("a") for _ in range(4)] == [True, True, True, 2]
    assert taken("b") is True
    now[0] += 2
    assert [taken("a"), taken("a")] == [True, 2]
    now[0] += 1000
    assert [taken("a") for _ in range(4)] == [True, True, True, 2]


def test_a_key_that_asks_too_often_is_told_when_to_come_again_and_others_are_served(serving, keep):
    keep()
    served = serving(limits=Limits(per_second=0.1, burst=2))
    statuses = [served.ask("GET", "/v1/tiers", key="read").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    answer = served.ask("GET", "/v1/tiers", key="read")
    assert int(answer.headers["Retry-After"]) >= 1
    assert served.ask("GET", "/v1/tiers", key="score").status_code == 200


def test_work_stops_at_its_deadline(serving, keep):
    keep()
    answer = serving(limits=Limits(work_seconds=-1)).ask("POST", "/v1/predict", json=ASK)
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:keepwell:problem:too-slow"
    assert Deadline(time.monotonic() + 60).check() is None


class Away:
    """A store that cannot be reached after the first `good` transactions."""

    def __init__(self, store, good):
        self.store, self.good = store, good

    def read(self):
        self.good -= 1
        if self.good < 0:
            raise StoreUnavailable("store sqlite:///secret/path: disk i/o error")
        return self.store.read()

    def write(self):
        return self.store.write()


def test_a_store_that_is_away_is_503_and_tells_no_secret(serving, keep, store):
    keep()
    answer = serving(store=Away(store, 1)).ask("GET", "/v1/accounts")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "secret" not in answer.text


class Broken(Away):
    """A store with a bug."""

    def read(self):
        self.good -= 1
        if self.good < 0:
            raise RuntimeError("acme-01 owes 12345")
        return self.store.read()


def test_a_bug_is_a_500_without_a_word_about_anybody(serving, keep, store, capsys):
    keep()
    answer = serving(store=Broken(store, 1)).ask("GET", "/v1/accounts")
    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    logged = capsys.readouterr().err
    assert "RuntimeError" in logged
    for text in (answer.text, logged):
        assert "12345" not in text
        assert "acme" not in text


def test_the_log_names_routes_and_keys_never_accounts(served, capsys):
    served.ask("GET", "/v1/accounts/acme-05")
    served.ask("GET", "/v1/accounts?q=acme-05&owner=csm-1")
    served.ask("POST", "/v1/predict", json={"rows": [{"external_id": "acme-77", "features": {"mrr": 31337}}]})
    logged = capsys.readouterr().err
    assert logged.count('"event": "request"') == 3
    assert served.tokens["admin"].split("_")[1] in logged
    for secret in ("acme", "csm-1", "31337", served.tokens["admin"]):
        assert secret not in logged
