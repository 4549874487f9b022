"""Start server processes, wait until they answer, and see how much of the processors they used."""

import json
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired
from time import monotonic, sleep
from typing import Any

import psutil

from benchmarks.tools.load import Server

START_SECONDS = 120.0
OK = 200


def ports(count: int) -> list[int]:
    """Ports that are free now."""
    with ExitStack() as stack:
        held = [stack.enter_context(closing(socket.create_server(("127.0.0.1", 0)))) for _ in range(count)]
        return [one.getsockname()[1] for one in held]


@contextmanager
def running(command: list[str], environ: Mapping[str, str], folder: Path, name: str) -> Iterator[int]:
    """A process in a folder, its log written there under a name, that ends with its children; its id."""
    with (folder / f"{name}.log").open("wb") as log:
        process = Popen(command, env=environ, cwd=folder, stdin=DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def cpu_seconds(pid: int) -> float:
    """What a process and all it started have used of the processors so far."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def first_answer(server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request that waits until the server is ready.

    Raises:
        TimeoutError: it is not in time, or it refuses.
    """
    headers, until = {"Content-Type": "application/json", **server.headers}, monotonic() + START_SECONDS
    while monotonic() < until:
        asked = HTTPConnection("127.0.0.1", server.port, timeout=START_SECONDS)
        try:
            asked.request("POST", server.path, json.dumps(body), headers)
            answer = asked.getresponse()
            if answer.status == OK:
                found: dict[str, Any] = json.loads(answer.read())
                return found
        except ConnectionError:
            pass
        finally:
            asked.close()
        sleep(0.1)
    raise TimeoutError(f"{server.path} on port {server.port} gives no answer within {START_SECONDS:g} seconds")
