"""Connections at a real server: who lets the time go by is closed, who is slow for a reason is not.

Time passes when a test says so: it has the server look at its connections.
"""

import asyncio
import socket
from collections import deque
from contextlib import contextmanager, suppress
from threading import Event, Thread
from time import sleep

import pytest
import uvicorn

from serving.api.connections import Connection

GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n"
LARGE = 20_000_000


class Patient(Connection):
    """The same, looked at by tests alone."""

    seconds = 3600.0


class Hasty(Connection):
    """The same, looked at soon."""

    seconds = 0.1


class Server:
    """A server in a thread. /slow is answered when `released`; /large answers more than buffers hold."""

    def __init__(self, kind):
        self.released = Event()
        how = {"interface": "asgi3", "lifespan": "off", "log_level": "critical", "timeout_keep_alive": 3600}
        self._server = uvicorn.Server(uvicorn.Config(self._app, http=kind, **how))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

    @property
    def held(self):
        """The only connection that it has; None when there is none."""
        return next(iter(self._server.server_state.connections), None)

    def look(self):
        """Let the time of one look go by."""
        connection, done = self.held, Event()
        if connection is not None:
            connection.loop.call_soon_threadsafe(lambda: (connection._look(), done.set()))
            done.wait()

    @contextmanager
    def running(self):
        thread = Thread(target=self._server.run, args=([self._listening],))
        thread.start()
        try:
            yield self
        finally:
            self._server.should_exit = True
            thread.join()

    async def _app(self, scope, receive, send):
        while scope["path"] == "/slow" and not self.released.is_set():
            await asyncio.sleep(0.01)
        size = LARGE if scope["path"] == "/large" else 2
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        await send({"type": "http.response.body", "body": b"x" * size})


@pytest.fixture(scope="module")
def patient():
    with Server(Patient).running() as server:
        yield server


@pytest.fixture
def wire(patient):
    with connected(patient) as opened:
        yield opened


@contextmanager
def connected(server):
    """The only connection to the server."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as opened:
        while server.held is None:
            sleep(0.001)
        yield opened
    while server.held is not None:
        sleep(0.001)


def ask(wire, path=b""):
    """Ask, and read the answer."""
    wire.sendall(GET % path + b"\r\n")
    return answer(wire)


def answer(wire):
    told = b""
    while not told.endswith(b"\r\n\r\nxx"):
        part = wire.recv(1000)
        assert part, told
        told += part
    return told


def is_closed(wire):
    """The other side ends the connection without a further word."""
    try:
        return wire.recv(1000) == b""
    except ConnectionResetError:
        return True


PARTS = [b"", b"G", GET % b"", GET % b"" + b"X-A: b"]


@pytest.mark.parametrize("part", PARTS, ids=["nothing", "a letter", "a line", "half a line"])
def test_who_sends_no_whole_head_is_closed(patient, wire, part):
    wire.sendall(part)
    patient.look()
    assert is_closed(wire)


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "more"),
    [
        pytest.param(GET % b"" + b"X-A: ", b"a", id="a header without end"),
        pytest.param(GET % b"", b"X-A: b\r\n", id="headers without end"),
        pytest.param(b"GET /", b"a", id="an address without end"),
        pytest.param(CHUNKED + b"1;", b"a", id="a chunk's head without end"),
        pytest.param(CHUNKED + b"0\r\n", b"X-A: b\r\n", id="headers after the last chunk without end"),
    ],
)
def test_a_head_without_end_is_refused_before_it_is_held(wire, first, more):
    wire.sendall(first)
    pieces = [more * (100_000 // len(more))] * 1000
    with pytest.raises(ConnectionError):
        deque(map(wire.sendall, pieces), maxlen=0)


def test_a_large_head_and_a_larger_body_are_read(wire):
    wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-A: %s\r\nContent-Length: 1000000\r\n\r\n" % (b"a" * 60_000))
    wire.sendall(b"b" * 1_000_000)
    answer(wire)


def test_nobody_has_to_tell_the_server_to_look():
    with Server(Hasty).running() as server, connected(server) as wire:
        assert is_closed(wire)


def test_the_next_head_has_its_time_and_no_more(patient, wire):
    ask(wire)
    patient.look()
    wire.sendall(GET % b"")
    patient.look()
    assert is_closed(wire)


def test_who_goes_on_with_a_body_that_nobody_wants_is_closed(patient, wire):
    wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
    answer(wire)
    for _ in range(2):
        wire.sendall(b"b")
        patient.look()
    assert is_closed(wire)


def test_who_asks_again_and_again_stays(patient, wire):
    for _ in range(5):
        ask(wire)
        patient.look()


def test_an_answer_that_takes_longer_is_waited_for(patient, wire):
    wire.sendall(GET % b"slow" + b"\r\n")
    while patient.held.cycle is None:
        sleep(0.001)
    for _ in range(5):
        patient.look()
    patient.released.set()
    answer(wire)


def test_who_does_not_read_his_answer_loses_it(patient, wire):
    wire.sendall(GET % b"large" + b"\r\n")
    while patient.held is not None:
        patient.look()
        sleep(0.02)
    read = 0
    with suppress(ConnectionResetError):
        while part := wire.recv(1_000_000):
            read += len(part)
    assert read < LARGE


def test_who_reads_slowly_gets_all_of_it(patient, wire):
    wire.sendall(GET % b"large" + b"\r\n")
    head, left = b"", LARGE
    while not head.endswith(b"\r\n\r\n"):
        head += wire.recv(1)
    unread = patient.held.transport.get_write_buffer_size
    while not unread():
        sleep(0.001)
    while left:
        before = unread()
        while left and unread() in (before, 0):
            part = wire.recv(min(left, 100_000))
            assert part
            left -= len(part)
        patient.look()
