"""How much may be asked at once, and what happens beyond it: 413, 408, 429 and 503, never a queue without end."""

from asyncio import Semaphore, timeout
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil
from time import monotonic

from starlette.requests import ClientDisconnect, Request

from serving.api.problems import Problem

MB = 2**20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one serving process. Sizes in bytes, times in seconds, rates in requests a second and key.

    `running` requests compute at a time, `waiting` more wait for at most `wait_seconds`; `reading` may be sending
    their bodies. A request works for at most `work_seconds`.
    """

    body: int = 1 * MB
    job_body: int = 16 * MB
    body_seconds: float = 10.0
    work_seconds: float = 20.0
    running: int = 8
    waiting: int = 16
    wait_seconds: float = 1.0
    reading: int = 64
    per_second: float = 100.0
    burst: int = 200


class Gate:
    """Lets `running` in, `waiting` more wait at most `seconds`, and turns all others away at once with 429."""

    def __init__(self, running: int, waiting: int, seconds: float) -> None:
        self._free, self._most, self._seconds = Semaphore(running), running + waiting, seconds
        self.inside = 0

    def check(self) -> None:
        """See whether there is a place.

        Raises:
            Problem: 429, there is none.
        """
        if self.inside >= self._most:
            raise Problem("overloaded", retry_after=1)

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """A place inside.

        Raises:
            Problem: 429, there is none.
        """
        self.check()
        self.inside += 1
        try:
            await self._admitted()
            try:
                yield
            finally:
                self._free.release()
        finally:
            self.inside -= 1

    async def _admitted(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Problem("overloaded", retry_after=1) from None


class Rates:
    """A bucket of `burst` requests for each name, refilled at `per_second` (Turner's token bucket)."""

    def __init__(self, per_second: float, burst: int, *, ticks: Callable[[], float] = monotonic) -> None:
        self._per_second, self._burst, self._ticks = per_second, burst, ticks
        self._held: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> None:
        """Take one request.

        Raises:
            Problem: 429, the bucket is empty; it says when there will be one again.
        """
        now = self._ticks()
        left, since = self._held.get(name, (float(self._burst), now))
        left = min(self._burst, left + (now - since) * self._per_second)
        if left < 1:
            self._held[name] = left, now
            raise Problem("rate-limited", retry_after=ceil((1 - left) / self._per_second))
        self._held[name] = left - 1, now
        if len(self._held) > 10_000:  # full buckets need not be remembered
            full = self._burst / self._per_second
            self._held = {n: held for n, held in self._held.items() if now - held[1] < full}


@dataclass(frozen=True)
class Deadline:
    """Until when work may go on, in seconds of the monotonic clock; work asks between its steps."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """So many seconds from now."""
        return cls(monotonic() + seconds)

    def check(self) -> None:
        """Stop the work when it is over.

        Raises:
            Problem: 503.
        """
        if monotonic() > self.at:
            raise Problem("too-slow", retry_after=5)


async def read_body(request: Request, *, most: int, seconds: float) -> bytes:
    """The request's body, given up as soon as it is too large or too slow.

    Raises:
        Problem: 413 or 408.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most:
        raise Problem("too-large", f"the body has {int(declared):,} bytes; at most {most:,} are taken")
    parts, size = [], 0
    try:
        async with timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise Problem("too-large", f"the body has more than {most:,} bytes")
                parts.append(part)
    except TimeoutError:
        raise Problem("body-too-slow", f"the body did not arrive within {seconds:g} seconds") from None
    except ClientDisconnect:
        raise Problem("body-too-slow", "the client went away before its body had arrived") from None
    return b"".join(parts)
