"""The same request twice is done once: same bytes again, other bodies refused, failures free to try again."""

from datetime import datetime, timedelta

import pytest

from serving.store import decisions, idempotency

PATH = "/v1/accounts/acme-05/decisions"
KEY = {"Idempotency-Key": "one"}


def decide(served, body, headers=KEY, **rest):
    return served.ask("POST", PATH, json=body, headers=headers, **rest)


def kept(store):
    with store.read() as db:
        return decisions.history(db, "acme-05")


def test_the_same_request_gives_the_same_bytes_and_is_done_once(served, store):
    first, again = decide(served, {"choice": "accept"}), decide(served, {"choice": "accept"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert first.headers["X-Request-ID"] != again.headers["X-Request-ID"]
    assert len(kept(store)) == 1


def test_a_prediction_is_given_again_too(served):
    ask = {"rows": [{"external_id": "x", "features": {"nps_last": 3}}]}
    first, again = (served.ask("POST", "/v1/predict", json=ask, headers=KEY) for _ in range(2))
    assert first.content == again.content


@pytest.mark.parametrize("other", [{"choice": "dismiss"}, {"choice": "accept", "play": "rescue"}])
def test_the_key_with_another_body_is_refused(served, store, other):
    decide(served, {"choice": "accept"})
    answer = decide(served, other)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:keepwell:problem:other-body")
    assert len(kept(store)) == 1


def test_the_key_at_another_address_is_refused(served):
    decide(served, {"choice": "accept"})
    other = "/v1/accounts/acme-06/decisions"
    assert served.ask("POST", other, json={"choice": "accept"}, headers=KEY).status_code == 409


def test_keys_of_different_clients_never_meet(served, store):
    first = decide(served, {"choice": "accept"}, key="decide")
    second = decide(served, {"choice": "dismiss"}, key="admin")
    assert (first.status_code, second.status_code) == (201, 201)
    assert len(kept(store)) == 2


def test_a_request_under_way_is_told_to_wait_and_a_dead_one_is_taken_over(serving, keep, store):
    keep()
    now = [datetime(2026, 3, 2, 6)]
    served = serving(clock=lambda: now[0])
    first = decide(served, {"choice": "accept"})
    with store.write() as db:  # as if the process had been killed before it finished
        row = db.execute(idempotency.idempotency.select()).one()
        db.execute(idempotency.idempotency.update().values(status=None, response=None, claimed_until=row.claimed_until))
    answer = decide(served, {"choice": "accept"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")
    now[0] += timedelta(seconds=61)
    assert decide(served, {"choice": "accept"}).status_code == 201
    assert first.status_code == 201


def test_what_was_refused_may_be_tried_again(served, store):
    assert decide(served, {"choice": "accept", "play": "no such play"}).status_code == 409
    assert decide(served, {"choice": "accept", "play": "rescue"}).status_code == 201
    assert len(kept(store)) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_a_key_that_is_none_is_refused(served, key):
    assert decide(served, {"choice": "accept"}, headers={"Idempotency-Key": key.encode()}).status_code == 400
