"""Clients that come together are shared out among the processes that listen on one socket."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import pytest

from serving.api.balance import Listening, Loop, OpenConnections


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as found:
        yield found


@pytest.fixture
def counts(tmp_path: Path) -> Callable[[int], OpenConnections]:
    """Those of two processes, as the one at a place sees them."""
    return lambda place: OpenConnections(tmp_path / "connections", 2, place, lambda _: None)


@contextmanager
def serving(counts: OpenConnections, listening: socket.socket) -> Iterator[None]:
    """A loop that holds what it accepts, in a thread in place of a process."""
    loop = Loop()
    loop.counts = counts
    server = loop.run_until_complete(loop.create_server(asyncio.Protocol, sock=listening))
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def clients(listening: socket.socket, count: int) -> Iterator[list[socket.socket]]:
    found = [socket.create_connection(listening.getsockname()) for _ in range(count)]
    try:
        yield found
    finally:
        for client in found:
            client.close()


def until(is_so: Callable[[], bool]) -> None:
    end = monotonic() + 10
    while not is_so():
        assert monotonic() < end, "it did not become so within 10 s"
        sleep(0.005)


def test_clients_that_wait_together_are_shared_out_evenly(listening, counts):
    first, second = counts(0), counts(1)
    with clients(listening, 8), serving(first, listening), serving(second, listening):
        until(lambda: first.ours + second.ours == 8)
        assert (first.ours, second.ours) == (4, 4)


def test_the_process_whose_clients_left_gets_the_next_ones(listening, counts):
    first, second = counts(0), counts(1)
    second.ours = 3
    with serving(first, listening), serving(second, listening), clients(listening, 3):
        until(lambda: first.ours + second.ours == 6)
        assert (first.ours, second.ours) == (3, 3)


def test_clients_are_not_left_to_a_process_that_is_gone(listening, counts):
    ours = counts(0)
    with serving(ours, listening), clients(listening, 3):
        until(lambda: ours.ours == 3)


def test_a_process_that_was_busy_is_left_connections_again_once_it_took_one(listening, counts, monkeypatch):
    ours, other = counts(0), counts(1)
    ours.ours = 1

    def takes(at: float) -> bool:
        monkeypatch.setattr("serving.api.balance.monotonic", lambda: at)
        try:
            held.append(mine.accept())
        except BlockingIOError:
            return False
        return True

    held: list = []
    with clients(listening, 5), Listening(listening, ours) as mine:
        mine.setblocking(False)
        assert [takes(100 + ms / 1000) for ms in (0, 15, 30, 31)] == [False, False, True, True]
        other.ours += 1
        assert [takes(100 + ms / 1000) for ms in (32, 45, 60)] == [False, False, True]
        for taken, _ in held:
            taken.close()


def test_connections_are_counted_until_they_are_closed(listening, counts):
    ours = counts(0)
    with serving(ours, listening):
        with clients(listening, 2):
            until(lambda: ours.ours == 2)
        until(lambda: ours.ours == 0)
    assert counts(1).fewest == 0


def test_a_loop_that_was_told_nothing_listens_as_asyncios(listening):
    loop = Loop()
    server = loop.run_until_complete(loop.create_server(asyncio.Protocol, sock=listening.dup()))
    assert server.sockets[0].getsockname() == listening.getsockname()
    server.close()
    loop.close()
