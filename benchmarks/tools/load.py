"""Ask a server by several connections at once, each as soon as it is answered, and measure the answers."""

import asyncio
import json
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

CONNECTIONS = 8


@dataclass(frozen=True)
class Server:
    """A contender: where it answers, with which headers, and the process that was started for it."""

    port: int
    path: str
    pid: int
    headers: dict[str, str] = field(default_factory=dict)

    def request(self, body: dict[str, Any]) -> bytes:
        """A POST as it goes over the wire."""
        content = json.dumps(body).encode()
        given = {
            "Host": "127.0.0.1",
            "Content-Type": "application/json",
            "Content-Length": len(content),
            **self.headers,
        }
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        return "\r\n".join(lines).encode() + content


class Connection(asyncio.Protocol):
    """Asks again as soon as it is answered, until a moment; then `ended` is done."""

    def __init__(self, requests: list[bytes], first: int, until: float) -> None:
        self.requests, self.at, self.until = requests, first, until
        self.seconds: list[float] = []
        self.errors = 0
        self.ended = asyncio.get_running_loop().create_future()
        self.received = bytearray()

    def connection_made(self, transport: Any) -> None:
        """Ask for the first time."""
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.asked_at = perf_counter()
        if self.asked_at >= self.until:
            self.transport.close()
            return
        self.transport.write(self.requests[self.at % len(self.requests)])
        self.at += 1

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer; when it is whole, ask again."""
        self.received += data
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end or len(rest) < length_of(head):
            return
        self.seconds.append(perf_counter() - self.asked_at)
        self.errors += not head.startswith(b"HTTP/1.1 200") or b'"status":"ok"' not in rest
        self.received.clear()
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        """The end: ours, after the time is up, or an error."""
        self.errors += perf_counter() < self.until
        if not self.ended.done():
            self.ended.set_result(None)


def length_of(head: bytes | bytearray) -> int:
    """What an answer's head says of the length of its body.

    Raises:
        ValueError: nothing.
    """
    _, named, rest = head.lower().partition(b"\r\ncontent-length:")
    if not named:
        raise ValueError(f"an answer does not say how long it is: {head.decode()}")
    return int(rest.partition(b"\r\n")[0])


async def load(server: Server, bodies: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    """Ask for so many seconds by all connections at once; requests a second, p50 and p99 in ms, errors."""
    loop, requests = asyncio.get_running_loop(), [server.request(body) for body in bodies]
    began = perf_counter()
    starts = range(0, len(bodies), len(bodies) // CONNECTIONS)
    asked = [partial(Connection, requests, first, began + seconds) for first in starts]
    held = [(await loop.create_connection(one, "127.0.0.1", server.port))[1] for one in asked]
    async with asyncio.timeout(seconds + 30):
        await asyncio.gather(*(one.ended for one in held))
    took = np.concatenate([one.seconds for one in held])
    middle, tail = 1e3 * np.quantile(took, [0.5, 0.99])
    return {
        "requests": float(len(took)),
        "requests/s": len(took) / seconds,
        "p50 ms": float(middle),
        "p99 ms": float(tail),
        "errors": float(sum(one.errors for one in held)),
    }
