"""How much may be asked at once, and what happens beyond it: 413, 408, 429 and 503, never a queue without end."""

from asyncio import Semaphore, timeout
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import Protocol

from starlette.requests import ClientDisconnect, Request

from serving.api.problems import Problem

MB = 2**20
MOST_NAMES = 10_000
"""Keys whose buckets one process remembers."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one serving process. Sizes in bytes, times in seconds, rates in requests a second and key.

    `running` requests compute at a time, `waiting` more wait for at most `wait_seconds`; `reading` may be sending their
    bodies. `heavy` bodies larger than `body` are held at a time, others wait for `body_seconds`: one of 16 MB that is
    nothing but small objects takes 0.5 GB and seconds to read. A request works for at most `work_seconds`.
    """

    body: int = 1 * MB
    job_body: int = 16 * MB
    body_seconds: float = 10.0
    work_seconds: float = 20.0
    running: int = 8
    waiting: int = 16
    wait_seconds: float = 1.0
    reading: int = 64
    heavy: int = 2
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


class Buckets(Protocol):
    """What is left in each name's bucket of requests, and since when."""

    def alone(self) -> AbstractContextManager[None]:
        """While it is open, nobody else changes a bucket."""

    def get(self, name: str) -> tuple[float, float] | None:
        """What was put last; None for a name that is new or was forgotten."""

    def put(self, name: str, held: tuple[float, float]) -> None:
        """Remember."""


class OwnBuckets:
    """Those of this process; of many names those that asked last are remembered."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[float, float]] = {}
        self.alone, self.get = nullcontext, self._held.get

    def put(self, name: str, held: tuple[float, float]) -> None:
        """Remember."""
        self._held.pop(name, None)
        self._held[name] = held
        if len(self._held) > MOST_NAMES:
            del self._held[next(iter(self._held))]


class Rates:
    """A bucket of `burst` requests for each name, refilled at `per_second` (Turner's token bucket)."""

    def __init__(
        self,
        per_second: float,
        burst: int,
        *,
        ticks: Callable[[], float] = monotonic,
        buckets: Buckets | None = None,
    ) -> None:
        self._per_second, self._burst, self._ticks = per_second, burst, ticks
        self._buckets = buckets or OwnBuckets()

    def take(self, name: str) -> None:
        """Take one request.

        Raises:
            Problem: 429, the bucket is empty; it says when there will be one again.
        """
        now = self._ticks()
        with self._buckets.alone():
            left, since = self._buckets.get(name) or (float(self._burst), now)
            left = min(self._burst, left + (now - since) * self._per_second)
            self._buckets.put(name, (left - 1 if left >= 1 else left, now))
        if left < 1:
            raise Problem("rate-limited", retry_after=ceil((1 - left) / self._per_second))


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
