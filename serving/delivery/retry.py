"""What an answer means for a delivery, and when it is tried again: pure functions of values."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Literal

MOST_ATTEMPTS = 8
FIRST_WAIT = timedelta(seconds=15)
GROWTH = 4
"""Waits of 15 s, 1, 4, 16 and 64 minutes, 4 and 17 hours: eight attempts within about a day."""

JITTER = 0.2
LONGEST_WAIT = timedelta(days=1)
AGAIN = (408, 425, 429)
GONE = 410

Verdict = Literal["ok", "retry", "dead"]


@dataclass(frozen=True)
class Answer:
    """What a target answered. `status` None: no answer, and `body` says why. `retry_after` is the header as it came."""

    status: int | None
    body: str = ""
    retry_after: str | None = None


def verdict(answer: Answer) -> Verdict:
    """2xx is taken; no answer, 408, 425, 429, 3xx (none is followed) and 5xx may go better later; other 4xx never."""
    if answer.status is None or answer.status in AGAIN:
        return "retry"
    if 200 <= answer.status < 300:
        return "ok"
    return "dead" if 400 <= answer.status < 500 else "retry"


def retry_at(now: datetime, *, attempts: int, key: str, asked: timedelta | None = None) -> datetime | None:
    """When to try again; None when all attempts are used up.

    Args:
        now: when the attempt failed.
        attempts: made so far, this one counted in.
        key: spreads the waits by up to a fifth either way, the same way each time for the same key.
        asked: how long the target asked to wait; the longer of the two holds, but at most a day.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    factor: int = GROWTH ** (attempts - 1)
    wait = FIRST_WAIT * factor * (1 + JITTER * _spread(f"{key}/{attempts}"))
    return now + min(max(wait, asked or wait), LONGEST_WAIT)


def asked_wait(answer: Answer, now: datetime) -> timedelta | None:
    """How long the answer's Retry-After asks to wait (seconds or a date, RFC 9110 10.2.3); None if it does not."""
    given = (answer.retry_after or "").strip()
    if given.isascii() and given.isdigit():
        return timedelta(seconds=min(int(given[:9]), LONGEST_WAIT.total_seconds()))
    try:
        until = parsedate_to_datetime(given)
    except ValueError:
        return None
    wait = (until.astimezone(UTC) if until.tzinfo else until).replace(tzinfo=None) - now
    return min(wait, LONGEST_WAIT) if wait > timedelta(0) else None


def _spread(key: str) -> float:
    """A number in [-1, 1) that the key decides."""
    return int.from_bytes(sha256(key.encode()).digest()[:8]) / 2**63 - 1
