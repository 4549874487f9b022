"""Connections: uvicorn times the rest between requests, not their heads; here nobody holds a connection for ever.

Heads are read by httptools, at a fraction of what h11 takes; it sets no bound to their size, so that is done here.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD = 64 * 2**10
"""Bytes of a request's head, of a chunk's or of what follows the last chunk."""


class Connection(HttpToolsProtocol):
    """A client's connection, which is looked at every `seconds` and closed when the client let that time go by.

    Closed is one that has been waiting for the whole head of a request since the last look (the first counts from the
    beginning), or whose answer was not read any further. Bodies have their own limit (`limits.read_body`), and a
    request that is worked on may take longer.
    """

    seconds = 10.0

    def connection_made(self, transport: Any) -> None:
        """It begins."""
        super().connection_made(transport)
        self._headed = 0
        self._seen: tuple[Any, bool, int] = (None, True, 0)
        self._again()

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended."""
        self._next.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what is no end of a head and no body adds up, and too much of it is refused."""
        self._headed += len(data)
        super().data_received(data)
        if self._headed > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        """A head ended."""
        self._headed = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body came."""
        self._headed = 0
        super().on_body(body)

    def _again(self) -> None:
        self._next: asyncio.TimerHandle = self.loop.call_later(self.seconds, self._look)

    def _look(self) -> None:
        is_waiting = self.cycle is None or self.cycle.response_complete
        unread = self.transport.get_write_buffer_size()
        now = (self.cycle, is_waiting, unread)
        if (is_waiting or unread) and now == self._seen:
            self.transport.abort()
            return
        self._seen = now
        self._again()
