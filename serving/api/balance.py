"""An event loop that leaves new connections to the process that has fewest.

Processes that serve together listen on one socket. asyncio takes all that wait there at once, so of eight clients that
come together one process gets six or eight, and their requests wait for each other while the other process has nothing
to do. Here a process takes one at a time, and none while another has fewer open.
"""

import asyncio
import socket
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from struct import Struct
from time import monotonic
from typing import IO, Any

PATIENCE = 0.02
"""Seconds that a connection is left to others: they may be gone, or busy."""
BUSY = 1.0
"""Seconds that nothing more is left to others that took none meanwhile."""
COUNT = Struct("i")
GONE = 2**31 - 1
"""The count of a process that is gone: nothing is left to it."""


class OpenConnections:
    """How many connections each of `size` processes has open, in a file that they all see; `place` is ours, from 0.

    `taken` takes a place that nobody has until it is closed, and gives None where somebody has it.
    """

    def __init__(self, path: Path, size: int, place: int, taken: Callable[[int], IO[bytes] | None]) -> None:
        self._size, self._at, self._taken = size, place * COUNT.size, taken
        with path.open("a+b") as file:
            file.truncate(size * COUNT.size)
            self._held = mmap(file.fileno(), size * COUNT.size)

    @property
    def ours(self) -> int:
        """Those of this process."""
        return int(COUNT.unpack_from(self._held, self._at)[0])

    @ours.setter
    def ours(self, count: int) -> None:
        COUNT.pack_into(self._held, self._at, count)

    @property
    def fewest(self) -> int:
        """Those of the process that has fewest."""
        return min(int(count) for (count,) in COUNT.iter_unpack(self._held[: self._size * COUNT.size]))

    def forget_gone(self) -> None:
        """Leave nothing more to processes that are gone, until others take their places."""
        for place in range(self._size):
            held = self._taken(place)
            if held:
                with held:
                    COUNT.pack_into(self._held, place * COUNT.size, GONE)


class Accepted(socket.socket):
    """A connection that is counted until it is closed."""

    counts: OpenConnections

    def close(self) -> None:
        """End it."""
        self.counts.ours -= self.fileno() >= 0
        super().close()


class Listening(socket.socket):
    """A listening socket whose connections go to the process with fewest."""

    def __init__(self, sock: socket.socket, counts: OpenConnections) -> None:
        super().__init__(fileno=sock.dup().detach())
        self._counts = counts
        self._asked = self._since = 0.0
        self._fewest = 0

    def accept(self) -> tuple[socket.socket, Any]:
        """A connection, if it is for us.

        Raises:
            BlockingIOError: none waits, or it is for another; asyncio asks again while one waits.
        """
        fewest = self._counts.fewest
        if self._counts.ours > fewest and self._is_patient(monotonic(), fewest):
            raise BlockingIOError
        taken, address = super().accept()
        found = Accepted(fileno=taken.detach())
        found.counts = self._counts
        self._counts.ours += 1
        return found, address

    def _is_patient(self, now: float, fewest: int) -> bool:
        """Whether what waits is left to another still: it is new, or the other took or ended one meanwhile."""
        if now - self._asked > PATIENCE or now - self._since > BUSY:
            self._since = now
            self._counts.forget_gone()
        elif fewest != self._fewest:
            self._since = now
        self._asked, self._fewest = now, fewest
        return now - self._since <= PATIENCE


class Loop(asyncio.SelectorEventLoop):
    """asyncio's own loop, which balances what it listens on once it was told among whom."""

    counts: OpenConnections | None = None

    async def create_server(self, *args: Any, sock: socket.socket | None = None, **kwargs: Any) -> asyncio.Server:
        """As asyncio's; a socket that is given is shared with other processes."""
        if sock is not None and self.counts is not None:
            sock = Listening(sock, self.counts)
        return await super().create_server(*args, sock=sock, **kwargs)


def balance(counts: OpenConnections) -> None:
    """Balance what the running loop will listen on."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    loop.counts = counts


def loop_factory(use_subprocess: bool = False) -> Callable[[], Loop]:
    """What uvicorn asks for."""
    return Loop
