"""Signatures of webhooks, from the receiver's and from the attacker's side."""

from base64 import b64encode
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.delivery.signing import sign, verify
from serving.errors import ServingError

NOW = datetime(2026, 3, 1, 12)
SECRET = "a-secret-of-more-than-24-bytes"
OTHER = "another-secret-of-24-bytes-or-more"
BODY = b'{"type": "ping"}'
SENT = sign(SECRET, "evt_1", NOW, BODY)


def refused(headers=SENT, body=BODY, secret=SECRET, now=NOW):
    with pytest.raises(ServingError, match="refuse the message"):
        verify(secret, headers, body, now=now)


def test_what_was_signed_is_accepted():
    assert verify(SECRET, SENT, BODY, now=NOW + timedelta(seconds=299)) == "evt_1"


def test_the_signature_is_that_of_the_specification():
    """The worked example of the scheme's documentation, signed there."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime(2021, 2, 25, 15, 2, 10)
    headers = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param({"body": BODY.replace(b"ping", b"pong")}, id="changed body"),
        pytest.param({"body": BODY + b" "}, id="longer body"),
        pytest.param({"headers": SENT | {"webhook-timestamp": "1772366401"}}, id="changed time"),
        pytest.param({"headers": SENT | {"webhook-id": "evt_2"}}, id="changed id"),
        pytest.param({"secret": OTHER}, id="other secret"),
        pytest.param({"headers": SENT | {"webhook-signature": SENT["webhook-signature"][:-1]}}, id="truncated"),
        pytest.param({"headers": SENT | {"webhook-signature": "v1,"}}, id="empty signature"),
        pytest.param({"headers": SENT | {"webhook-signature": ""}}, id="no signature"),
        pytest.param({"headers": SENT | {"webhook-signature": "v1,é"}}, id="not ASCII"),
        pytest.param({"headers": SENT | {"webhook-signature": SENT["webhook-signature"][3:]}}, id="without version"),
        pytest.param({"headers": SENT | {"webhook-timestamp": "soon"}}, id="time is no number"),
        pytest.param({"headers": SENT | {"webhook-timestamp": "9" * 30}}, id="time is no date"),
        pytest.param({"headers": {}}, id="no headers"),
        pytest.param({"now": NOW + timedelta(minutes=5)}, id="replayed later"),
        pytest.param({"now": NOW - timedelta(minutes=5)}, id="from the future"),
    ],
)
def test_a_forged_or_old_message_is_refused(forged):
    refused(**forged)


def test_a_dot_cannot_be_moved_between_id_and_time():
    """`a.1` + `2` and `a` + `1.2` would sign the same text if ids had dots and times were not read as numbers."""
    refused(sign(SECRET, "evt", NOW, BODY) | {"webhook-id": "evt.1772366400", "webhook-timestamp": "x"})


def test_headers_are_found_whatever_their_case():
    assert verify(SECRET, {name.title(): value for name, value in SENT.items()}, BODY, now=NOW) == "evt_1"


def test_while_a_secret_changes_old_and_new_receivers_accept():
    both = sign(f"{SECRET} {OTHER}", "evt_1", NOW, BODY)
    assert verify(SECRET, both, BODY, now=NOW) == verify(OTHER, both, BODY, now=NOW) == "evt_1"
    refused(both, secret="a-third-secret-of-24-bytes-or-more")


@pytest.mark.parametrize("secret", ["", "short", "whsec_c2hvcnQ=", "whsec_not/base64!!", f"{SECRET} short"])
def test_a_weak_secret_signs_nothing_and_is_not_repeated(secret):
    with pytest.raises(ServingError, match="webhook secret") as told:
        sign(secret, "evt", NOW, BODY)
    assert SECRET not in str(told.value)


@given(st.binary(max_size=50), st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_goes_through(body, place, change):
    headers = sign("whsec_" + b64encode(bytes(range(32))).decode(), "evt", NOW, body + b"x")
    forged = bytearray(body + b"x")
    forged[place % len(forged)] ^= change
    refused(headers, bytes(forged), "whsec_" + b64encode(bytes(range(32))).decode())
