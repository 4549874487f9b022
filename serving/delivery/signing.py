"""Signatures of webhooks after Standard Webhooks (standardwebhooks.com, specification 1.0).

HMAC-SHA256 over `id.timestamp.body`, in the headers `webhook-id`, `webhook-timestamp` (Unix seconds) and
`webhook-signature` (`v1,` and base64; several, separated by spaces, while a secret is being changed). Any of that
scheme's libraries verifies them; `verify` does so in Python.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from serving.errors import ServingError

PREFIX = "whsec_"
LEAST = 24
"""Bytes that a secret has at least, by the specification."""

TOLERANCE = timedelta(minutes=5)
"""How far a receiver lets the timestamp differ from its clock, by the specification's libraries."""


def sign(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a signed message.

    Args:
        secret: text, or `whsec_` and base64; two of them with a space between sign twice (old and new).
        message_id: the same on every try of the same message, so that a receiver can drop repetitions.
        at: when it is sent, naive UTC.
        body: exactly the bytes that are sent.

    Raises:
        ServingError: the secret is shorter than 24 bytes or not what its prefix says.
    """
    timestamp = str(int(at.replace(tzinfo=UTC).timestamp()))
    signatures = [_signature(key, message_id, timestamp, body) for key in keys(secret)]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
    """The id of a message that was signed with the secret in (now - 5 minutes, now + 5 minutes); for receivers.

    Keep the id for ten minutes and drop a second message with it: a copy sent again at once has a good signature.

    Raises:
        ServingError: a header is missing, the time is outside the window, or no signature fits.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split()
        sent = datetime.fromtimestamp(int(timestamp), UTC).replace(tzinfo=None)
    except (KeyError, ValueError, OverflowError, OSError) as error:
        raise ServingError("webhook: a signature header is missing or not readable; refuse the message") from error
    if abs(now - sent) >= TOLERANCE:
        raise ServingError("webhook: its timestamp is more than 5 minutes off; refuse the message, check the clock")
    expected = [_signature(key, message_id, timestamp, body).encode() for key in keys(secret)]
    fits = [hmac.compare_digest(one, given_.encode()) for one in expected for given_ in signatures]
    if not any(fits):
        raise ServingError("webhook: no signature fits; refuse the message, check the secret")
    return message_id


def keys(secret: str) -> list[bytes]:
    """The keys that a secret holds.

    Raises:
        ServingError: one is too short or not base64 behind its prefix.
    """
    found = [_key(word) for word in secret.split()]
    if not found or min(map(len, found)) < LEAST:
        raise ServingError(f"webhook secret: shorter than {LEAST} bytes; make one with `openssl rand -base64 32`")
    return found


def _key(word: str) -> bytes:
    if not word.startswith(PREFIX):
        return word.encode()
    try:
        return b64decode(word.removeprefix(PREFIX), validate=True)
    except Error as error:
        raise ServingError(f"webhook secret: what follows {PREFIX} is not base64; copy it again") from error


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()
